"""Published snapshot → the facts a decision needs. Objects are only ever counted here, never fetched."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import duckdb

from lifecycle.model import (
    SMALLEST_ARCHIVED_BYTES,
    Artifact,
    ClassShare,
    Facts,
    FailedGate,
    Price,
    PriceList,
)
from lifecycle.pins import PIN_PATTERN
from pipelines import published
from pipelines.domain.snapshots import Snapshot
from pipelines.errors import Terminal

Value = TypeVar("Value")

_CHECKPOINTS = """
    select
        checkpoint_id, checkpoint_uri, bucket, run, framework, step, epoch, state, state_reason, kind,
        is_latest, is_best, is_protected, protected_because, object_count, size_bytes, last_modified_at,
        cost_usd_month
    from marts.checkpoints
    where starts_with(checkpoint_uri, 's3://') and (? or list_contains(?, bucket))
    order by checkpoint_id
"""
_SHARES = """
    select
        checkpoint_id,
        coalesce(storage_class, '') as storage_class,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        count(*) filter (where size_bytes >= ?) as movable_count,
        coalesce(sum(size_bytes) filter (where size_bytes >= ?), 0)::bigint as movable_bytes,
        max(size_bytes) as largest_bytes
    from marts.checkpoint_objects
    where coalesce(is_latest_version, true) and (? or list_contains(?, bucket))
    group by all
    order by checkpoint_id, storage_class
"""
_PINS = """
    select checkpoint_id, object_key
    from marts.checkpoint_objects
    where coalesce(is_latest_version, true) and regexp_matches(object_key, ?)
    order by all
"""
_BUCKET_BYTES = """
    with

    billed as (
        select bucket, sum(size_bytes) as size_bytes
        from marts.prefix_costs
        where meter_group = 'storage' and not is_residual
        group by bucket, usage_date
        qualify row_number() over (partition by bucket order by usage_date desc) = 1
    ),

    -- Where no bill is read, the checkpoints are all that is known of a bucket.
    found as (
        select bucket, sum(size_bytes) as size_bytes from marts.checkpoints group by all
    )

    select bucket, max(size_bytes)::bigint as size_bytes
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
        provider = 'aws' and region_id = 'us-east-1' and from_gb = 0
        and meter in ('storage', 'put', 'retrieval')
    qualify row_number() over (
        partition by storage_class, meter
        -- The price in force on the day; before the first known one, the first known.
        order by (valid_from <= ? and ? < valid_until) desc, valid_from
    ) = 1
"""
_MINIMUMS = "select storage_class, minimum_days from reference.storage_classes where provider = 'aws'"


def read_facts(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, buckets: frozenset[str]) -> Facts:
    """Return what the snapshot knows of these buckets, or of all if none is named.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    try:
        return Facts(
            snapshot_id=snapshot.snapshot_id,
            as_of=snapshot.as_of,
            artifacts=_artifacts(connection, [not buckets, sorted(buckets)]),
            bucket_bytes={
                row["bucket"]: row["size_bytes"] for row in published.rows(connection, _BUCKET_BYTES)
            },
            prices=_price_list(connection, snapshot.as_of),
            failed_gates=read_failed_gates(connection),
        )
    except duckdb.Error as error:
        raise Terminal(
            f"the snapshot lacks something that a plan needs: {str(error).splitlines()[0]}",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Publish a day with this version: moraine run.",
        ) from error


def read_failed_gates(connection: duckdb.DuckDBPyConnection) -> tuple[FailedGate, ...]:
    """Return the checks that failed and block, or that keep one bucket out of the clean-up."""
    return tuple(FailedGate(**row) for row in published.rows(connection, _FAILED_GATES))


def _artifacts(connection: duckdb.DuckDBPyConnection, scope: list[object]) -> tuple[Artifact, ...]:
    smallest = SMALLEST_ARCHIVED_BYTES
    shares = _by_checkpoint(
        (row.pop("checkpoint_id"), ClassShare(**row))
        for row in published.rows(connection, _SHARES, [smallest, smallest, *scope])
    )
    pins = _by_checkpoint(
        (row["checkpoint_id"], row["object_key"]) for row in published.rows(connection, _PINS, [PIN_PATTERN])
    )
    return tuple(
        _artifact(row, tuple(shares.get(row["checkpoint_id"], ())), tuple(pins.get(row["checkpoint_id"], ())))
        for row in published.rows(connection, _CHECKPOINTS, scope)
    )


def _by_checkpoint(pairs: Iterable[tuple[str, Value]]) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for checkpoint_id, value in pairs:
        found.setdefault(checkpoint_id, []).append(value)
    return found


def _artifact(row: Mapping[str, Any], classes: tuple[ClassShare, ...], pins: tuple[str, ...]) -> Artifact:
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
        pins=pins,
        doubt=_doubt(row, classes),
    )


def _doubt(row: Mapping[str, Any], classes: tuple[ClassShare, ...]) -> str:
    counted = sum(share.object_count for share in classes)
    size = sum(share.size_bytes for share in classes)
    if not counted:
        return "none of its objects is known"
    if (counted, size) != (row["object_count"], row["size_bytes"]):
        return f"its objects do not add up: {counted:,} of {row['object_count']:,} are known as current"
    return ""


def _price_list(connection: duckdb.DuckDBPyConnection, day: date) -> PriceList:
    listed = published.rows(connection, _PRICES, [day, day])
    minimums = {row["storage_class"]: row["minimum_days"] for row in published.rows(connection, _MINIMUMS)}
    usd = {(row["storage_class"], row["meter"]): row["usd"] for row in listed if row["is_confirmed"]}
    unconfirmed = {(row["storage_class"], row["meter"]) for row in listed if not row["is_confirmed"]}
    prices = {
        storage_class: Price(
            storage_class=storage_class,
            usd_gib_month=amount,
            minimum_days=minimums.get(storage_class, 0),
            usd_per_request=usd.get((storage_class, "put"), Decimal(0)),
            usd_gib_retrieved=usd.get((storage_class, "retrieval"), Decimal(0)),
            is_confirmed=(storage_class, "retrieval") not in unconfirmed,
            takes_confirmed=(storage_class, "put") in usd,
        )
        for (storage_class, meter), amount in usd.items()
        if meter == "storage"
    }
    return PriceList(max((row["valid_from"] for row in listed), default=day), prices)
