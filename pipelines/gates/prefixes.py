"""Does the bill of each bucket add up, in dollars and in bytes? Checks of what lies where."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.domain.configuration import Gates
from pipelines.domain.deliveries import LISTINGS
from pipelines.gates.check import ZERO, Bounds, Check, count_of, listed

_COMPARED_WITH_THE_BILL = """
with
bill as (
    select
        usage_date,
        provider,
        currency,
        regexp_replace(
            resource_id, '^arn:aws[a-z-]*:s3:::|^//storage[.]googleapis[.]com/projects/[^/]*/buckets/', ''
        ) as bucket,
        sum(effective_cost) as effective
    from marts.costs_daily
    where (provider, service_code) in (('aws', 'AmazonS3'), ('gcp', '95FF-2EF5-5EA1'))
    group by all
),
mart as (
    select usage_date, provider, currency, bucket, sum(effective_cost) as effective
    from marts.prefix_costs
    group by all
),
compared as (
    select
        coalesce(bill.bucket, mart.bucket) as scope,
        coalesce(bill.usage_date, mart.usage_date) as usage_date,
        coalesce(bill.currency, mart.currency) as currency,
        coalesce(bill.effective, 0) as billed,
        coalesce(mart.effective, 0) as in_prefixes,
        abs(billed - in_prefixes) as difference
    from bill
    full outer join mart
        on
            bill.bucket = mart.bucket
            and bill.provider = mart.provider
            and bill.currency = mart.currency
            and bill.usage_date is not distinct from mart.usage_date
)
"""
_PREFIX_DIFFERENCE = f"""
{_COMPARED_WITH_THE_BILL}
select
    scope,
    max(difference) as measured,
    'on ' || max_by(usage_date, difference) filter (where difference > 0) as example
from compared
where scope <> '' and not starts_with(scope, 'arn:') and not contains(scope, '/')
group by all
order by scope
"""
_DAYS_THAT_DIFFER = f"""
{_COMPARED_WITH_THE_BILL}
select * from compared where difference > 0 order by difference desc, usage_date
"""

_RUNS_COMPARED_WITH_BILLS = """
with
run_days as (select distinct provider, bucket, usage_date from marts.run_costs),
in_runs as (
    select provider, bucket, currency, storage_class, meter_group, sum(effective_cost) as effective
    from marts.run_costs
    group by all
),
bills as (
    select provider, bucket, currency, storage_class, meter_group, sum(effective_cost) as effective
    from intermediate.int_bucket_bills_daily
    inner join run_days using (provider, bucket, usage_date)
    group by all
),
compared as (
    select
        bucket as scope,
        storage_class,
        meter_group,
        currency,
        coalesce(bills.effective, 0) as billed,
        coalesce(in_runs.effective, 0) as in_runs,
        abs(billed - coalesce(in_runs.effective, 0)) as difference
    from bills
    full outer join in_runs using (provider, bucket, currency, storage_class, meter_group)
)
"""
_RUNS_DIFFERENCE = f"""
{_RUNS_COMPARED_WITH_BILLS}
select
    scope,
    max(difference) as measured,
    max_by(meter_group || ' ' || storage_class, difference) filter (where difference > 0) as example
from compared
group by all
order by scope
"""
_METERS_THAT_DIFFER = f"""
{_RUNS_COMPARED_WITH_BILLS}
select * from compared where difference > 0 order by difference desc
"""

_CLASSES = f"""
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
days as (
    select
        storage.bucket,
        storage.storage_class,
        storage.usage_date,
        sum(storage.effective_cost) as total,
        sum(storage.effective_cost) filter (where storage.is_residual) as residual,
        sum(storage.byte_seconds) filter (where not storage.is_residual) as listed,
        coalesce(sum(storage.byte_seconds) filter (where storage.is_residual), 0)::double as unlisted,
        -- Only a class that is billed has a residual; with it, prefixes make up what is billed.
        case when bool_or(storage.is_residual) then sum(storage.byte_seconds) end as billed
    from storage
    inner join newest
        on storage.bucket = newest.bucket and storage.usage_date > newest.last_date - 7
    group by all
),
cleaned_days as (
    select
        bucket,
        storage_class,
        size_bytes + undone_bytes as size_bytes,
        unnest(generate_series(began_date, ended_date, interval 1 day))::date as usage_date
    from raw.clean_ups
),
cleaned as (
    select bucket, storage_class, usage_date, sum(size_bytes)::double * 86400 as byte_seconds
    from cleaned_days
    group by all
),
explained as (
    select
        days.*,
        -- Until it was cleaned up that day it was billed, and the list of the day's end no longer has it.
        case
            when days.unlisted > 0 then least(coalesce(cleaned.byte_seconds, 0) / days.unlisted, 1) else 0
        end as cleaned_share
    from days
    left join cleaned
        on
            days.bucket = cleaned.bucket
            and days.storage_class = cleaned.storage_class
            and days.usage_date = cleaned.usage_date
),
classes as (
    select
        bucket as scope,
        storage_class,
        sum(total) as total_usd,
        -- A residual below zero is as wrong as one above: one class must not hide behind another.
        abs(coalesce(sum(residual - (residual * cleaned_share)::decimal(38, 12)), 0)) as residual_usd,
        coalesce(sum(listed), 0)::double / 86400 / 1073741824 as listed_gib_days,
        coalesce(sum(billed - unlisted * cleaned_share), 0)::double / 86400 / 1073741824 as billed_gib_days,
        -- A GiB for a day is what one unfinished upload leaves: of classes that small a share says nothing.
        case
            when abs(listed_gib_days - billed_gib_days) < 1 then 0
            else abs(listed_gib_days - billed_gib_days) / greatest(listed_gib_days, billed_gib_days)
        end as difference
    from explained
    group by all
)
"""
_RESIDUAL_SHARE = f"""
{_CLASSES}
select
    scope,
    -- Below a cent a week a share says nothing: the bill itself is rounded.
    case
        when sum(residual_usd) < 0.01 then 0
        else sum(residual_usd) / nullif(sum(total_usd), 0)
    end as measured,
    format('${{:.2f}} of ${{:.2f}} in 7 days', sum(residual_usd)::double, sum(total_usd)::double) as example
from classes
group by all
order by scope
"""
_RESIDUALS = f"""
{_CLASSES}
select scope, storage_class, residual_usd, total_usd from classes
where residual_usd > 0
order by residual_usd desc
"""
_BYTES_DIFFERENCE = f"""
{_CLASSES}
select
    scope,
    max(difference) as measured,
    max_by(
        format(
            '{{}}: {{:.1f}} GiB listed, {{:.1f}} GiB billed',
            storage_class, listed_gib_days / 7, billed_gib_days / 7
        ),
        difference
    ) filter (where difference > 0) as example
from classes
group by all
order by scope
"""
_CLASSES_THAT_DIFFER = f"""
{_CLASSES}
select scope, storage_class, listed_gib_days, billed_gib_days, difference from classes
where difference > 0
order by difference desc
"""

_NAMED_BY_ONE_ONLY = """
with
stored as (select distinct provider, bucket from marts.storage_daily where bucket <> ''),
spread as (select distinct provider, bucket from marts.prefix_costs where meter_group = 'storage')
select '' as scope, provider, bucket, 'storage_daily has it, prefix_costs has not' as what
from (from stored except from spread)
union all
select '' as scope, provider, bucket, 'prefix_costs has it, storage_daily has not' as what
from (from spread except from stored)
order by all
"""


def prefixes(limits: Gates) -> Sequence[Check]:
    """Return the checks of prefixes and buckets."""
    return (
        Check(
            "prefix_costs_close",
            "marts.prefix_costs",
            "block",
            _PREFIX_DIFFERENCE,
            ZERO,
            "0 on every day",
            "Prefixes and residual together are the bucket's bill of that day: nothing is spread silently.",
            _DAYS_THAT_DIFFER,
            needs="bill",
            unit="USD",
        ),
        Check(
            "run_costs_close",
            "marts.run_costs",
            "block",
            _RUNS_DIFFERENCE,
            ZERO,
            "0 for every class and kind of meter",
            "Runs, checkpoints and residual together are the bucket's bill of their day.",
            _METERS_THAT_DIFFER,
            needs="bill",
            unit="USD",
        ),
        Check(
            "residual_is_small",
            "marts.prefix_costs",
            "block",
            _RESIDUAL_SHARE,
            Bounds(at_most=limits.max_residual_share),
            f"at most {limits.max_residual_share:%} of a week's storage cost",
            "What the inventory does not explain must stay small, or prefixes are priced wrongly. Uploads "
            "left open and objects that lived less than a day leave about 1%: gates.max_residual_share.",
            _RESIDUALS,
            needs="bill",
            unit="%",
            excludes=True,
        ),
        Check(
            "inventory_matches_the_bill",
            "marts.prefix_costs",
            "block",
            _BYTES_DIFFERENCE,
            Bounds(at_most=limits.max_inventory_difference),
            f"at most {limits.max_inventory_difference:%} between listed and billed bytes of every class",
            "Dollars hide a class that costs little: half of an archive can be missing from a listing for a "
            "hundredth of the bill. The demo company differs by 0.5%; objects below 128 KB are billed as "
            "128 KB in some classes, which is what gates.max_inventory_difference leaves room for.",
            _CLASSES_THAT_DIFFER,
            needs="bill",
            unit="%",
            excludes=True,
        ),
        Check(
            "prefix_costs_name_billed_buckets",
            "marts.prefix_costs",
            "block",
            count_of(_NAMED_BY_ONE_ONLY, ("bucket", "what")),
            Bounds(at_most=Decimal(0)),
            "the buckets of storage_daily",
            "Both tables come from the same storage charges: a bucket that only one of them has was lost or "
            "made up on the way.",
            _NAMED_BY_ONE_ONLY,
            needs="bill",
        ),
    )
