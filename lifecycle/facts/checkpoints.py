"""Checkpoints, run by run, out of a query that DuckDB sorts on disk where it has to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import groupby
from typing import Any

import duckdb

from lifecycle.decide.checkpoints import by_run
from lifecycle.facts.snapshot import explained, scope, streamed
from lifecycle.model import (
    SMALLEST_ARCHIVED_BYTES,
    Artifact,
    ClassShare,
)
from lifecycle.pins import PIN_PATTERN
from lifecycle.policy import Match
from pipelines.domain.snapshots import Snapshot

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
