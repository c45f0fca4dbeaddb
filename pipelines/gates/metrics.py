"""The numbers that checks look at: each is one query over the built warehouse, computed by DuckDB.

A query answers one row per scope: `scope` (a bucket or a provider, '' for the whole), `measured` (the
number), `example` (the worst offender, or null). `getvariable('as_of')` is the run's date.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from pipelines.domain.deliveries import LISTINGS
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import RAW_TABLES

ROLLUPS = frozenset({"s3_inventory_directories", "gcs_inventory_directories", "bill_days"})
"""Raw tables that come with another table's delivery and have no line in the ledger."""

Number = int | float | Decimal


@dataclass(frozen=True, slots=True)
class Measured:
    """One number, for one scope. None when there is none: an empty sum, or a query that failed."""

    scope: str
    number: Number | None
    example: str = ""


def measure(connection: duckdb.DuckDBPyConnection, query: str) -> list[Measured]:
    """Return the metric's numbers; a query that fails is a number that is missing, with the reason."""
    try:
        rows = connection.execute(query).fetchall()
    except duckdb.Error as error:
        return [Measured("", None, f"the query failed: {str(error).splitlines()[0]}")]
    return [Measured(str(scope), number, str(example or "")) for scope, number, example in rows]


def listed(names: Collection[str]) -> str:
    """Return names as SQL has them between the brackets of an `in`."""
    return ", ".join(quote(name) for name in sorted(names))


def _union_of_raw_counts() -> str:
    return " union all ".join(
        f"select '{name}' as table_name, count(*) as found from raw.{name}"
        for name in RAW_TABLES
        if name not in ROLLUPS
    )


ROWS_MISSING = f"""
with
whole as (select * from raw.deliveries where fault is null),
promised as (select table_name, sum(row_count)::bigint as promised from whole group by all),
found as ({_union_of_raw_counts()}),
compared as (
    select table_name, coalesce(promised, 0) as promised, coalesce(found, 0) as found
    from promised full outer join found using (table_name)
)
select
    '' as scope,
    case when (select count(*) from whole) > 0 then sum(abs(promised - found)) end as measured,
    string_agg(format('{{}}: {{}} of {{}} rows', table_name, found, promised), ', ' order by table_name)
        filter (where promised <> found) as example
from compared
"""

SOURCES_LANDED = """
with
faults as (
    select source, count(*) as fault_count, max_by(fault, delivered_at) as newest_fault
    from raw.deliveries
    where fault is not null
    group by all
)
select
    sources.source as scope,
    sources.has_landed::integer as measured,
    case
        when sources.has_landed then null
        when faults.source is null then 'nothing was delivered; moraine ingest ' || sources.source
        else format(
            '{} damaged; the newest: {}; moraine ingest {}',
            faults.fault_count, faults.newest_fault, sources.source
        )
    end as example
from reference.sources
left outer join faults on sources.source = faults.source
order by scope
"""

QUARANTINED = """
select
    source as scope,
    count(*) filter (where status = 'quarantined') as measured,
    max_by(delivery_id, delivered_at) filter (where status = 'quarantined') as example
from marts.ingested_deliveries
group by all
order by scope
"""

INVENTORY_AGE_HOURS = f"""
select
    scope,
    (epoch(getvariable('as_of')::timestamp) + 86400 - epoch(max(snapshot_at))) / 3600 as measured,
    'newest is of ' || max(snapshot_at) as example
from raw.deliveries
where table_name in ({listed(LISTINGS)}) and fault is null
group by scope
order by scope
"""

BILL_AGE_DAYS = """
with
used as (
    select provider, usage_date
    from marts.costs_daily
    where charge_category = 'Usage' and usage_date <= getvariable('as_of')
    group by all
),
newest as (select *, max(usage_date) over (partition by provider) as last_date from used),
-- A provider that billed each of its last 7 days bills every day; the others may just not have been used.
daily as (
    select provider, last_date
    from newest
    where usage_date > last_date - 7
    group by all
    having count(*) = 7
),
last_days as (
    select '' as scope, max(usage_date) as last_date from used
    union all
    select provider, last_date from daily
)
select
    scope,
    date_diff('day', last_date, getvariable('as_of')) as measured,
    'last day is ' || last_date as example
from last_days
order by scope
"""

BILL_DIFFERENCE = """
with
bill as (
    select usage_date, sum(billed_cost) as billed, sum(effective_cost) as effective
    from intermediate.int_charges_unioned
    group by all
),
mart as (
    select usage_date, sum(billed_cost) as billed, sum(effective_cost) as effective
    from marts.costs_daily
    group by all
),
compared as (
    select
        coalesce(bill.usage_date, mart.usage_date) as usage_date,
        abs(coalesce(bill.billed, 0) - coalesce(mart.billed, 0))
        + abs(coalesce(bill.effective, 0) - coalesce(mart.effective, 0)) as difference
    from bill
    full outer join mart on bill.usage_date is not distinct from mart.usage_date
)
select
    '' as scope,
    max(difference) as measured,
    'on ' || max_by(usage_date, difference) filter (where difference > 0) as example
from compared
"""

PREFIX_DIFFERENCE = """
with
bill as (
    select
        usage_date,
        regexp_replace(resource_id, '^arn:aws[a-z-]*:s3:::', '') as bucket,
        sum(effective_cost) as effective
    from marts.costs_daily
    where provider = 'aws' and service_code = 'AmazonS3'
    group by all
),
mart as (select usage_date, bucket, sum(effective_cost) as effective from marts.prefix_costs group by all),
compared as (
    select
        coalesce(bill.bucket, mart.bucket) as bucket,
        coalesce(bill.usage_date, mart.usage_date) as usage_date,
        abs(coalesce(bill.effective, 0) - coalesce(mart.effective, 0)) as difference
    from bill
    full outer join mart
        on bill.bucket = mart.bucket and bill.usage_date is not distinct from mart.usage_date
)
select
    bucket as scope,
    max(difference) as measured,
    'on ' || max_by(usage_date, difference) filter (where difference > 0) as example
from compared
where bucket <> '' and not starts_with(bucket, 'arn:')
group by all
order by scope
"""

RESIDUAL_SHARE = f"""
with
inventoried as (
    select distinct scope as bucket
    from raw.deliveries
    where table_name in ({listed(LISTINGS)}) and fault is null
),
storage as (
    select prefix_costs.*
    from marts.prefix_costs
    inner join inventoried using (bucket)
    where prefix_costs.meter_group = 'storage' and prefix_costs.usage_date <= getvariable('as_of')
),
newest as (select bucket, max(usage_date) as last_date from storage group by all),
classes as (
    select
        storage.bucket,
        storage.storage_class,
        sum(storage.effective_cost) as total,
        -- A residual below zero is as wrong as one above: one class must not hide behind another.
        abs(coalesce(sum(storage.effective_cost) filter (where storage.is_residual), 0)) as residual
    from storage
    inner join newest
        on storage.bucket = newest.bucket and storage.usage_date > newest.last_date - 7
    group by all
)
select
    bucket as scope,
    -- Below a cent a week a share says nothing: the bill itself is rounded.
    case when sum(residual) < 0.01 then 0 else sum(residual) / nullif(sum(total), 0) end as measured,
    format('${{:.2f}} of ${{:.2f}} in 7 days', sum(residual)::double, sum(total)::double) as example
from classes
group by all
order by scope
"""

UNCLASSIFIED_TRANSFER_SHARE = """
select
    '' as scope,
    coalesce(
        sum(abs(effective_cost)) filter (where path = 'unclassified_transfer')
        / nullif(sum(abs(effective_cost)), 0),
        0
    ) as measured,
    max_by(resource_id, effective_cost) filter (where path = 'unclassified_transfer') as example
from marts.egress_daily
where usage_date > getvariable('as_of') - 30 and usage_date <= getvariable('as_of')
"""

UNALLOCATED_SHARE = """
select
    '' as scope,
    coalesce(
        sum(effective_cost) filter (where team = '') / nullif(sum(effective_cost), 0), 0
    ) as measured,
    max_by(service_name, effective_cost) filter (where team = '') as example
from marts.costs_daily
where usage_date > getvariable('as_of') - 30 and usage_date <= getvariable('as_of')
"""

CURRENCIES = """
select
    '' as scope,
    count(distinct currency) as measured,
    string_agg(distinct currency, ', ' order by currency) as example
from marts.costs_daily
where currency <> ''
"""

CHECKPOINTS_FOUND = "select '' as scope, count(*) as measured, null as example from marts.checkpoints"

CHECKPOINTS_UNLIKE_THEIR_OBJECTS = """
with
listed as (
    select checkpoint_id, count(*) as object_count, sum(size_bytes)::bigint as size_bytes
    from marts.checkpoint_objects
    group by all
),
compared as (
    select
        coalesce(checkpoints.checkpoint_id, listed.checkpoint_id) as checkpoint_id,
        checkpoints.object_count is distinct from listed.object_count
        or checkpoints.size_bytes is distinct from listed.size_bytes as is_different
    from marts.checkpoints
    full outer join listed on checkpoints.checkpoint_id = listed.checkpoint_id
)
select
    '' as scope,
    count(*) filter (where is_different) as measured,
    max(checkpoint_id) filter (where is_different) as example
from compared
"""


def rows_of(table: str) -> str:
    """Return the metric 'how many rows'."""
    return f"select '' as scope, count(*) as measured, null as example from {table}"


def repeated_keys(table: str, key: Sequence[str]) -> str:
    """Return the metric 'how many keys stand on more than one row'."""
    columns = ", ".join(key)
    return f"""
with repeated as (select {columns} from {table} group by all having count(*) > 1)
select '' as scope, count(*) as measured, max(concat_ws(' | ', {columns})) as example from repeated
"""
