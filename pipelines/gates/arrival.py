"""Has everything arrived, whole and in time? Checks of deliveries, sources, inventories and registries."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from pipelines.domain.configuration import Gates
from pipelines.domain.deliveries import BILLS, CUT_BY_US, LISTINGS, LOADS
from pipelines.domain.durations import format_duration
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.gates.check import SOME, ZERO, Bounds, Check, Shared, count_of, listed

ROLLUPS = frozenset({"s3_inventory_directories", "gcs_inventory_directories", "bill_days"})
"""Raw tables that come with another table's delivery and have no line in the ledger."""

_KEPT = {"s3_inventory": "not coalesce(is_delete_marker, false)", "gcs_inventory": "true"}
"""Listings, and which of their rows a roll-up counts."""


def _counted(name: str) -> str:
    kept = _KEPT.get(name, "false")
    place = (
        "bucket, snapshot_at" if name in _KEPT else "null::varchar as bucket, null::timestamp as snapshot_at"
    )
    size = f"coalesce(sum(size_bytes) filter (where {kept}), 0)" if name in _KEPT else "0"
    return f"""
    select
        '{name}' as table_name, landed_file, {place}, count(*) as row_count,
        count(*) filter (where {kept}) as object_count, ({size})::bigint as size_bytes
    from raw.{name}
    group by all
    """


LANDED = Shared("landed", " union all ".join(_counted(name) for name in RAW_TABLES if name not in ROLLUPS))
"""What lies in the lake, by file: the only time that a check reads landed rows."""

_UNLIKE_THE_LEDGER = """
with
files as (
    select
        table_name,
        coalesce(regexp_extract(landed_file, 'source=[^/]+/delivery=[^/]+'), '') as delivery,
        sum(row_count)::bigint as row_count
    from landed
    group by all
),
-- Of a lake in a bucket the files here have other names: then whole tables are compared.
told as (select coalesce(bool_and(delivery <> ''), true) as by_delivery from files),
promised as (
    select
        table_name,
        case when by_delivery then 'source=' || source || '/delivery=' || delivery_id else '' end as delivery,
        sum(row_count)::bigint as row_count
    from raw.deliveries
    cross join told
    where fault is null
    group by all
),
found as (
    select
        table_name,
        case when by_delivery then delivery else '' end as delivery,
        sum(row_count) as row_count
    from files
    cross join told
    group by all
)
select
    '' as scope,
    table_name,
    delivery,
    coalesce(promised.row_count, 0) as promised_rows,
    coalesce(found.row_count, 0)::bigint as landed_rows
from promised
full outer join found using (table_name, delivery)
where promised_rows <> landed_rows
order by abs(promised_rows - landed_rows) desc, table_name, delivery
"""

_ROWS_MISSING = f"""
select
    '' as scope,
    -- An empty ledger promises nothing, which is no promise kept.
    case
        when exists (select 1 from raw.deliveries where fault is null)
            then coalesce(sum(abs(promised_rows - landed_rows)), 0)
    end as measured,
    string_agg(format('{{}}: {{}} of {{}} rows', table_name, landed_rows, promised_rows), ', ') as example
from (from ({_UNLIKE_THE_LEDGER}) limit 5)
"""

_WITHOUT_BYTES = f"""
select '' as scope, source, table_name, delivery_id, row_count, byte_count
from raw.deliveries
where
    fault is null
    and row_count > 0
    and coalesce(byte_count, 0) <= 0
    -- What a service answers comes in no file.
    and table_name in ({listed(BILLS | LOADS | LISTINGS)})
    and kind not in ({listed(CUT_BY_US)})
order by all
"""

_FAULTS = """
with
faults as (
    select source, count(*) as fault_count, max_by(fault, delivered_at) as newest_fault
    from raw.deliveries
    where fault is not null
    group by all
)
"""

_SOURCES_LANDED = f"""
{_FAULTS}
select
    sources.source as scope,
    sources.has_landed::integer as measured,
    case
        when sources.has_landed then null
        when faults.source is null then 'nothing was delivered; moraine ingest ' || sources.source
        else format(
            '{{}} damaged; the newest: {{}}; moraine ingest {{}}',
            faults.fault_count, faults.newest_fault, sources.source
        )
    end as example
from reference.sources
left outer join faults on sources.source = faults.source
order by scope
"""

_NOTHING_OF_IT = """
select sources.source as scope, sources.kind, deliveries.delivery_id, deliveries.fault, deliveries.fix
from reference.sources
left outer join raw.deliveries on sources.source = deliveries.source and deliveries.fault is not null
where not sources.has_landed
order by scope, deliveries.delivered_at desc
"""

_QUARANTINED = """
select
    source as scope,
    count(*) filter (where status = 'quarantined') as measured,
    max_by(delivery_id, delivered_at) filter (where status = 'quarantined') as example
from marts.ingested_deliveries
group by all
order by scope
"""

_IN_QUARANTINE = """
select source as scope, table_name, delivery_id, delivered_at, reason, how_to_fix
from marts.ingested_deliveries
where status = 'quarantined'
order by delivered_at desc
"""


def _hours_since(moment: str) -> str:
    return f"(epoch(getvariable('as_of')::timestamp) + 86400 - epoch(max({moment}))) / 3600"


_LISTINGS_IN_FORCE = f"from raw.deliveries where table_name in ({listed(LISTINGS)}) and fault is null"
_INVENTORY_AGE = f"""
select scope, {_hours_since("snapshot_at")} as measured, 'newest is of ' || max(snapshot_at) as example
{_LISTINGS_IN_FORCE}
group by scope
order by scope
"""
_LISTINGS = f"""
select scope, source, kind, delivery_id, snapshot_at, delivered_at
{_LISTINGS_IN_FORCE}
order by snapshot_at desc
"""

_UPLOADS_IN_FORCE = "from raw.deliveries where table_name = 's3_uploads' and fault is null"
_UPLOADS_AGE = f"""
select scope, {_hours_since("delivered_at")} as measured, 'last asked on ' || max(delivered_at) as example
{_UPLOADS_IN_FORCE}
group by scope
order by scope
"""
_UPLOADS = f"select scope, source, delivery_id, delivered_at {_UPLOADS_IN_FORCE} order by delivered_at desc"

_REGISTRIES_IN_FORCE = "from raw.deliveries where table_name = 'mlflow_versions' and fault is null"
_REGISTRY_AGE = f"""
select
    source as scope, {_hours_since("delivered_at")} as measured,
    'last answered on ' || max(delivered_at) as example
{_REGISTRIES_IN_FORCE}
group by source
order by source
"""
_REGISTRIES = f"""
select source as scope, delivery_id, delivered_at, row_count {_REGISTRIES_IN_FORCE} order by delivered_at desc
"""

_ROLLED_UP = """
with
rows as (
    select
        case table_name when 'gcs_inventory' then 'gcp' else 'aws' end as provider, bucket, snapshot_at,
        sum(object_count)::bigint as object_count, sum(size_bytes)::bigint as size_bytes
    from landed
    where bucket is not null
    group by all
),
directories as (
    select 'aws' as provider, bucket, snapshot_at, object_count, size_bytes from raw.s3_inventory_directories
    union all
    select 'gcp' as provider, bucket, snapshot_at, object_count, size_bytes from raw.gcs_inventory_directories
),
rollups as (
    select
        provider, bucket, snapshot_at,
        sum(object_count)::bigint as object_count, coalesce(sum(size_bytes), 0)::bigint as size_bytes
    from directories
    group by all
),
compared as (
    select
        rows.bucket as scope,
        rows.snapshot_at,
        rows.object_count as objects,
        coalesce(rollups.object_count, 0) as objects_rolled_up,
        rows.size_bytes as bytes,
        coalesce(rollups.size_bytes, 0) as bytes_rolled_up,
        objects <> objects_rolled_up or bytes <> bytes_rolled_up as is_different
    from rows
    left outer join rollups
        on
            rows.provider = rollups.provider
            and rows.bucket = rollups.bucket
            and rows.snapshot_at = rollups.snapshot_at
)
"""

_UNLIKE_THEIR_ROLLUP = f"""
{_ROLLED_UP}
select
    scope,
    count(*) filter (where is_different) as measured,
    any_value(
        format('{{}} objects and {{}} bytes, ', objects, bytes)
        || format('rolled up {{}} and {{}}', objects_rolled_up, bytes_rolled_up)
    ) filter (where is_different) as example
from compared
group by scope
order by scope
"""
_ROLLUPS_THAT_DIFFER = f"{_ROLLED_UP} select * exclude (is_different) from compared where is_different"


def arrival(limits: Gates) -> Sequence[Check]:
    """Return the checks of what was delivered."""
    return (*_deliveries(), *_sources(), *_ages(limits), _inventory_equals_its_rollup())


def _deliveries() -> Sequence[Check]:
    return (
        Check(
            "deliveries_are_whole",
            "raw.deliveries",
            "block",
            _ROWS_MISSING,
            ZERO,
            "0 rows differ",
            "The ledger counted rows while landing them; a raw table with other rows lost or doubled some.",
            _UNLIKE_THE_LEDGER,
            reads=LANDED,
        ),
        Check(
            "deliveries_have_bytes",
            "raw.deliveries",
            "warn",
            count_of(_WITHOUT_BYTES, ("source", "delivery_id")),
            ZERO,
            "0 deliveries with rows but without bytes",
            "Rows come in files, and files have bytes: rows without bytes did not come from what the "
            "provider sent. Manifests that name no sizes are known of Azure only, hence a warning.",
            _WITHOUT_BYTES,
        ),
    )


def _sources() -> Sequence[Check]:
    return (
        Check(
            "sources_have_landed",
            "reference.sources",
            "block",
            _SOURCES_LANDED,
            SOME,
            "something of every source",
            "Numbers that lack a whole source look like numbers that do not. Mend what is damaged or have it "
            "sent again; take a source that will never deliver out of moraine.yaml.",
            _NOTHING_OF_IT,
        ),
        Check(
            "deliveries_are_sound",
            "marts.ingested_deliveries",
            "warn",
            _QUARANTINED,
            Bounds(at_most=Decimal(0)),
            "0 in quarantine",
            "Of a damaged delivery nothing is used: the numbers rest on the one before until it is mended.",
            _IN_QUARANTINE,
        ),
    )


def _ages(limits: Gates) -> Sequence[Check]:
    inventory = format_duration(limits.max_inventory_age)
    registry = format_duration(limits.max_registry_age)
    return (
        Check(
            "inventory_is_fresh",
            "raw.deliveries",
            "block",
            _INVENTORY_AGE,
            Bounds(at_most=_hours(limits.max_inventory_age)),
            f"at most {inventory} old at the end of the day",
            "A clean-up planned on an old listing would name objects that are gone. Daily inventories arrive "
            "up to 48 hours late; the limit is gates.max_inventory_age.",
            _LISTINGS,
            needs="inventory",
            unit="h",
            excludes=True,
        ),
        Check(
            "uploads_are_fresh",
            "raw.deliveries",
            "warn",
            _UPLOADS_AGE,
            Bounds(at_most=_hours(limits.max_inventory_age)),
            f"at most {inventory} old at the end of the day",
            "Unfinished uploads are asked of the bucket each night, along with its inventory: an older "
            "answer prices what may be gone. The limit is gates.max_inventory_age.",
            _UPLOADS,
            needs="uploads",
            unit="h",
        ),
        Check(
            "registry_is_fresh",
            "raw.deliveries",
            "block",
            _REGISTRY_AGE,
            Bounds(at_most=_hours(limits.max_registry_age)),
            f"at most {registry} old at the end of the day",
            "What production serves is protected by what the registry says. It is asked each night, so that "
            "two days without an answer are a registry that cannot be reached; the limit is "
            "gates.max_registry_age.",
            _REGISTRIES,
            needs="registry",
            unit="h",
        ),
    )


def _inventory_equals_its_rollup() -> Check:
    return Check(
        "inventory_equals_its_rollup",
        "raw.deliveries",
        "block",
        _UNLIKE_THEIR_ROLLUP,
        ZERO,
        "0 listings differ",
        "Checkpoints are found among objects and prefixes are priced from their roll-up, both made of one "
        "listing: with other counts or bytes, one of them lost some.",
        _ROLLUPS_THAT_DIFFER,
        needs="inventory",
        excludes=True,
        reads=LANDED,
    )


def _hours(span: timedelta) -> Decimal:
    return Decimal(int(span.total_seconds())) / 3600
