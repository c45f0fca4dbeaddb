"""Published snapshot → the facts a decision needs. Objects are only ever counted here, never fetched.

Checkpoints come run by run, out of a query that DuckDB sorts on disk where it has to.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from lifecycle.decide.checkpoints import by_run
from lifecycle.model import (
    SMALLEST_ARCHIVED_BYTES,
    Artifact,
    ClassShare,
    FailedGate,
    Price,
    PriceList,
    Scheme,
    Surroundings,
)
from lifecycle.pins import PIN_PATTERN
from lifecycle.policy import Match, Policy
from pipelines import published
from pipelines.domain.configuration import Engine
from pipelines.domain.quoting import quote
from pipelines.domain.snapshots import Snapshot
from pipelines.errors import Terminal

_ROWS_AT_ONCE = 2_000
_PROVIDERS: Mapping[str, Scheme] = {"aws": "s3", "gcp": "gs"}
_SHARES = """
    create or replace temp table shares as
    select
        checkpoint_id,
        coalesce(storage_class, '') as storage_class,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        count(*) filter (where size_bytes >= $smallest) as movable_count,
        coalesce(sum(size_bytes) filter (where size_bytes >= $smallest), 0)::bigint as movable_bytes,
        max(size_bytes) as largest_bytes
    from marts.checkpoint_objects
    where coalesce(is_latest_version, true) and ($anywhere or list_contains($buckets, bucket))
    group by all
"""
"""A table of its own, a row per class: sums can be spilled to disk, and lists of classes could not."""
_RUNS = """
    with

    checkpoints as (

        select
            checkpoint_id, checkpoint_uri, bucket, run, framework, step, epoch, state, state_reason, kind,
            is_latest, is_best, is_protected, protected_because, object_count, size_bytes, last_modified_at,
            cost_usd_month,
            if(starts_with(checkpoint_uri, 'gs://'), 'gs://', 's3://') || bucket as place
        from marts.checkpoints
        where starts_with(checkpoint_uri, 's3://') or starts_with(checkpoint_uri, 'gs://')

    ),

    pinned as (

        select checkpoint_id, list(object_key order by object_key) as pins
        from marts.checkpoint_objects
        where
            coalesce(is_latest_version, true)
            and ($anywhere or list_contains($buckets, bucket))
            and regexp_matches(object_key, $pin)
        group by all

    )

    select
        checkpoints.*,
        pinned.pins,
        shares.storage_class,
        shares.object_count as share_count,
        shares.size_bytes as share_bytes,
        shares.movable_count,
        shares.movable_bytes,
        shares.largest_bytes
    from checkpoints
    left join shares on checkpoints.checkpoint_id = shares.checkpoint_id
    left join pinned on checkpoints.checkpoint_id = pinned.checkpoint_id
    where $anywhere or list_contains($places, place)
    order by place, run, coalesce(step, 0), checkpoints.checkpoint_id, shares.storage_class
"""
"""A row for each class that a checkpoint holds something in; at least one for each checkpoint."""
_PLACES = """
    select distinct
        if(starts_with(checkpoint_uri, 'gs://'), 'gs://', 's3://') || bucket as place
    from marts.checkpoints
    where
        ($anywhere or list_contains($places, place))
        and (starts_with(checkpoint_uri, 's3://') or starts_with(checkpoint_uri, 'gs://'))
        and (
            len($prefixes) = 0
            or list_bool_or(list_transform(
                $prefixes, lambda prefix: starts_with(substr(checkpoint_uri, length(place) + 2), prefix)
            ))
        )
    order by all
"""
UPLOADS = """
    select
        's3://' || bucket || '/' || object_key || '?uploadId=' || upload_id as checkpoint_id,
        bucket, object_key, upload_id as version_id, null::varchar as etag, size_bytes,
        initiated_at as last_modified_at, 'STANDARD' as storage_class, false as is_marker,
        true as is_latest_version, cost_usd_month, listed_at
    from marts.uploads
"""
"""Uploads, with the columns of the objects of checkpoints."""
_UPLOADS = f"""
    select * from ({UPLOADS})
    where $anywhere or list_contains($places, 's3://' || bucket)
    order by bucket, object_key, version_id
"""
_UPLOAD_PLACES = """
    select distinct 's3://' || bucket as place
    from marts.uploads
    where $anywhere or list_contains($places, 's3://' || bucket)
    order by all
"""
_BUCKET_BYTES = """
    with

    billed as (
        select if(provider = 'gcp', 'gs://', 's3://') || bucket as place, sum(size_bytes) as size_bytes
        from marts.prefix_costs
        where meter_group = 'storage' and not is_residual
        group by provider, bucket, usage_date
        qualify row_number() over (partition by provider, bucket order by usage_date desc) = 1
    ),

    -- Where no bill is read, the checkpoints are all that is known of a bucket.
    found as (
        select
            if(starts_with(checkpoint_uri, 'gs://'), 'gs://', 's3://') || bucket as place,
            sum(size_bytes) as size_bytes
        from marts.checkpoints
        group by all
    )

    select place, max(size_bytes)::bigint as size_bytes
    from (select * from billed union all select * from found)
    group by all
"""
_FAILED_GATES = """
    select
        check_id,
        case
            when excludes then scope
            -- What speaks for something else than a bucket speaks against all of them.
            when scope in (select bucket from marts.checkpoints) then scope
            else ''
        end as bucket,
        observed || ', expected ' || expected || '. ' || reason as reason
    from marts.quality_results
    where not passed and (level = 'block' or excludes)
    order by all
"""
_PRICES = """
    select storage_class, meter, usd, valid_from, coalesce(confirmed, true) as is_confirmed
    from reference.prices
    where
        provider = ? and region_id = if(provider = 'gcp', 'us-central1', 'us-east-1')
        and coalesce(from_gb, 0) = 0 and meter in ('storage', 'put', 'retrieval')
    qualify row_number() over (
        partition by storage_class, meter
        -- The price in force on the day; before the first known one, the first known.
        order by (valid_from <= ? and ? < valid_until) desc, valid_from
    ) = 1
"""
_CLASSES = """
    select
        storage_class, minimum_days, coalesce(overhead_bytes, 0) as overhead_bytes,
        coalesce(overhead_standard_bytes, 0) as overhead_standard_bytes
    from reference.storage_classes
    where provider = ?
"""
_GIB = Decimal(1024**3)


def keep_within(connection: duckdb.DuckDBPyConnection, engine: Engine, scratch: Path) -> None:
    """Hold the connection to the memory and the threads of the settings; what is more goes to `scratch`."""
    for name, value in (
        ("memory_limit", engine.memory_limit),
        ("threads", str(engine.threads)),
        ("temp_directory", str(scratch / "spilled")),
    ):
        connection.execute(f"set {name} = {quote(value)}")


def read_surroundings(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Surroundings:
    """Return what the snapshot knows besides the checkpoints themselves.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    with explained(snapshot):
        return Surroundings(
            snapshot_id=snapshot.snapshot_id,
            as_of=snapshot.as_of,
            prices={
                scheme: _price_list(connection, provider, snapshot.as_of)
                for provider, scheme in _PROVIDERS.items()
            },
            bucket_bytes={
                row["place"]: row["size_bytes"] for row in published.rows(connection, _BUCKET_BYTES)
            },
            failed_gates=read_failed_gates(connection),
        )


def read_places(connection: duckdb.DuckDBPyConnection, match: Match) -> list[str]:
    """Return the URIs of the buckets that hold what a policy is about.

    Raises:
        Terminal: the snapshot is older than a table that it takes.
    """
    try:
        return _places(connection, match)
    except duckdb.CatalogException as error:
        raise Terminal(
            f"the snapshot is older than a table that this policy needs: {str(error).splitlines()[0]}",
            where="the published snapshot",
            fix="Publish a day with this version: moraine run.",
        ) from error


def _places(connection: duckdb.DuckDBPyConnection, match: Match) -> list[str]:
    if match.kind == "upload":
        found = connection.execute(_UPLOAD_PLACES, scope(match))
    else:
        found = connection.execute(_PLACES, {**scope(match), "prefixes": list(match.prefixes)})
    return [place for (place,) in found.fetchall()]


def read_runs(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, match: Match
) -> Iterator[tuple[Artifact, ...]]:
    """Yield the checkpoints of the policy's buckets, all of a run at a time, by bucket and run.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    buckets = sorted(place.partition("://")[2] for place in match.places)
    where = {"anywhere": not match.places, "buckets": buckets}
    with explained(snapshot), closing(connection.cursor()) as cursor:
        cursor.execute(_SHARES, {**where, "smallest": SMALLEST_ARCHIVED_BYTES})
        found = streamed(cursor, _RUNS, {**where, **scope(match), "pin": PIN_PATTERN})
        yield from by_run(
            _artifact(list(rows)) for _, rows in groupby(found, key=lambda row: row["checkpoint_id"])
        )


def read_uploads(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy
) -> Iterator[Artifact]:
    """Yield the uploads of the policy's buckets, by bucket and key.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    oldest = datetime.combine(snapshot.as_of, time()) + timedelta(days=1) - policy.max_facts_age
    with explained(snapshot), closing(connection.cursor()) as cursor:
        for row in streamed(cursor, _UPLOADS, scope(policy.match)):
            yield _upload(row, oldest)


def _upload(row: Mapping[str, Any], oldest: datetime) -> Artifact:
    size = row["size_bytes"]
    return Artifact(
        checkpoint_id=row["checkpoint_id"],
        uri=f"s3://{row['bucket']}/{row['object_key']}",
        bucket=row["bucket"],
        run="",
        framework="",
        step=None,
        epoch=None,
        state="open",
        state_reason="",
        kind="upload",
        is_latest=False,
        is_best=False,
        is_protected=False,
        protected_because="",
        object_count=1,
        size_bytes=size,
        last_modified_at=row["last_modified_at"] or datetime.combine(row["listed_at"], time()),
        cost_usd_month=row["cost_usd_month"] or Decimal(0),
        classes=(ClassShare("STANDARD", 1, size, 0, 0, size),),
        doubt=_upload_doubt(row, oldest),
    )


def _upload_doubt(row: Mapping[str, Any], oldest: datetime) -> str:
    if row["last_modified_at"] is None:
        return "nobody said when it was begun"
    if row["listed_at"] < oldest:
        return f"its bucket was last listed on {row['listed_at']:%Y-%m-%d}"
    return ""


def scope(match: Match) -> dict[str, object]:
    """Return what a policy is about, as values of a query."""
    return {"anywhere": not match.places, "places": sorted(match.places)}


@contextmanager
def explained(snapshot: Snapshot) -> Iterator[None]:
    """Say what is wrong with a snapshot that a query fails on.

    Raises:
        Terminal: with the fix.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Terminal(
            "planning needs more memory than DuckDB may take",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Write a larger 'memory_limit' below 'engine' in moraine.yaml; 512MB do for a million.",
        ) from error
    except duckdb.Error as error:
        raise Terminal(
            f"the snapshot lacks something that a plan needs: {str(error).splitlines()[0]}",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Publish a day with this version: moraine run.",
        ) from error


def streamed(
    cursor: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """Yield rows by column name, some thousand in memory at a time."""
    answer = cursor.execute(query, dict(values))
    names = [column[0] for column in answer.description or []]
    while rows := answer.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def read_failed_gates(connection: duckdb.DuckDBPyConnection) -> tuple[FailedGate, ...]:
    """Return the checks that failed and block, or that keep one bucket out of the clean-up."""
    return tuple(FailedGate(**row) for row in published.rows(connection, _FAILED_GATES))


def _artifact(rows: Sequence[Mapping[str, Any]]) -> Artifact:
    row = rows[0]
    classes = tuple(_share(each) for each in rows if each["share_count"])
    return Artifact(
        checkpoint_id=row["checkpoint_id"],
        uri=row["checkpoint_uri"],
        bucket=row["bucket"],
        run=row["run"],
        framework=row["framework"] or "",
        step=row["step"],
        epoch=row["epoch"],
        state=row["state"],
        state_reason=row["state_reason"] or "",
        kind=row["kind"],
        is_latest=bool(row["is_latest"]),
        is_best=bool(row["is_best"]),
        is_protected=bool(row["is_protected"]),
        protected_because=row["protected_because"] or "",
        object_count=row["object_count"],
        size_bytes=row["size_bytes"],
        last_modified_at=row["last_modified_at"],
        cost_usd_month=row["cost_usd_month"] or Decimal(0),
        classes=classes,
        pins=tuple(row["pins"] or ()),
        doubt=_doubt(row, classes),
    )


def _share(row: Mapping[str, Any]) -> ClassShare:
    return ClassShare(
        storage_class=row["storage_class"],
        object_count=row["share_count"],
        size_bytes=row["share_bytes"],
        movable_count=row["movable_count"],
        movable_bytes=row["movable_bytes"],
        largest_bytes=row["largest_bytes"],
    )


def _doubt(row: Mapping[str, Any], classes: tuple[ClassShare, ...]) -> str:
    counted = sum(share.object_count for share in classes)
    size = sum(share.size_bytes for share in classes)
    if not counted:
        return "none of its objects is known"
    if (counted, size) != (row["object_count"], row["size_bytes"]):
        return f"its objects do not add up: {counted:,} of {row['object_count']:,} are known as current"
    return ""


def _price_list(connection: duckdb.DuckDBPyConnection, provider: str, day: date) -> PriceList:
    listed = published.rows(connection, _PRICES, [provider, day, day])
    classes = {row["storage_class"]: row for row in published.rows(connection, _CLASSES, [provider])}
    usd = {(row["storage_class"], row["meter"]): row["usd"] for row in listed if row["is_confirmed"]}
    unconfirmed = {(row["storage_class"], row["meter"]) for row in listed if not row["is_confirmed"]}
    prices = {
        storage_class: Price(
            storage_class=storage_class,
            usd_gib_month=amount,
            minimum_days=classes.get(storage_class, {}).get("minimum_days", 0),
            usd_per_request=usd.get((storage_class, "put"), Decimal(0)),
            usd_gib_retrieved=usd.get((storage_class, "retrieval"), Decimal(0)),
            usd_per_object_month=_beside(
                classes.get(storage_class, {}), amount, usd.get(("STANDARD", "storage"), amount)
            ),
            is_confirmed=(storage_class, "retrieval") not in unconfirmed,
            takes_confirmed=(storage_class, "put") in usd,
        )
        for (storage_class, meter), amount in usd.items()
        if meter == "storage"
    }
    return PriceList(max((row["valid_from"] for row in listed), default=day), prices)


def _beside(row: Mapping[str, Any], usd: Decimal, usd_standard: Decimal) -> Decimal:
    """Return what the index that a class keeps of each object costs a month."""
    in_class, in_standard = row.get("overhead_bytes", 0), row.get("overhead_standard_bytes", 0)
    return (Decimal(in_class) * usd + Decimal(in_standard) * usd_standard) / _GIB
