"""Published snapshot → datasets: prefixes outside of all runs, their classes, and what is known of reads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import duckdb

from lifecycle.decide.datasets import Dataset, Reads
from lifecycle.facts.snapshot import explained, scope, streamed
from lifecycle.facts.versions import read_claims
from lifecycle.model import SMALLEST_ARCHIVED_BYTES, Artifact, ClassShare
from lifecycle.policy import Match, Policy
from pipelines.domain.claims import Claims
from pipelines.domain.snapshots import Snapshot

DATASET_OBJECTS = """
    (
        select dataset_uri as checkpoint_id, *, false as is_marker, true as is_latest_version
        from marts.dataset_objects
    )
"""
"""Objects of datasets, with the columns of the objects of checkpoints."""
_MATCHED = """
    select *, if(provider = 'gcp', 'gs://', 's3://') || bucket as place
    from marts.datasets
    where
        ($anywhere or list_contains($places, if(provider = 'gcp', 'gs://', 's3://') || bucket))
        and (
            len($prefixes) = 0
            or list_bool_or(list_transform($prefixes, lambda start: starts_with(prefix, start)))
        )
"""
_SHARES = """
    create or replace temp table dataset_shares as
    select
        dataset_uri,
        coalesce(storage_class, '') as storage_class,
        count(*) as share_count,
        sum(size_bytes)::bigint as share_bytes,
        count(*) filter (where size_bytes >= $smallest) as movable_count,
        coalesce(sum(size_bytes) filter (where size_bytes >= $smallest), 0)::bigint as movable_bytes,
        max(size_bytes) as largest_bytes
    from marts.dataset_objects
    where $anywhere or list_contains($buckets, bucket)
    group by all
"""
_DATASETS = f"""
    select
        matched.*,
        dataset_shares.storage_class, dataset_shares.share_count, dataset_shares.share_bytes,
        dataset_shares.movable_count, dataset_shares.movable_bytes, dataset_shares.largest_bytes
    from ({_MATCHED}) as matched
    left join dataset_shares on matched.dataset_uri = dataset_shares.dataset_uri
    order by matched.place, matched.prefix, dataset_shares.storage_class
"""


def read_dataset_places(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, match: Match) -> list[str]:
    """Return the URIs of the buckets in which there is something that the policy is about.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    with explained(snapshot):
        found = connection.execute(f"select distinct place from ({_MATCHED}) order by all", _values(match))
        return [place for (place,) in found.fetchall()]


def read_datasets(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy
) -> Iterator[Dataset]:
    """Yield the datasets of the policy's prefixes, by bucket and prefix.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    oldest = datetime.combine(snapshot.as_of, time()) + timedelta(days=1) - policy.max_facts_age
    buckets = [place.partition("://")[2] for place in sorted(policy.match.places)]
    where = {"anywhere": not buckets, "buckets": buckets, "smallest": SMALLEST_ARCHIVED_BYTES}
    with explained(snapshot), closing(connection.cursor()) as cursor:
        claims = read_claims(connection)
        cursor.execute(_SHARES, where)
        found = streamed(cursor, _DATASETS, _values(policy.match))
        for _, rows in groupby(found, key=lambda row: row["dataset_uri"]):
            yield _dataset(list(rows), claims, oldest)


def _values(match: Match) -> dict[str, object]:
    return {**scope(match), "prefixes": list(match.prefixes)}


def _dataset(rows: Sequence[Mapping[str, Any]], claims: Claims, oldest: datetime) -> Dataset:
    row = rows[0]
    reads = Reads(row["billed_from"], row["billed_to"], row["last_read_on"])
    return Dataset(_artifact(rows, claims, oldest), row["store_sign"], reads)


def _artifact(rows: Sequence[Mapping[str, Any]], claims: Claims, oldest: datetime) -> Artifact:
    row = rows[0]
    needed_by = claims.on(row["dataset_uri"])
    classes = tuple(_share(each) for each in rows if each["share_count"])
    return Artifact(
        checkpoint_id=row["dataset_uri"],
        uri=row["dataset_uri"],
        bucket=row["bucket"],
        run=row["prefix"].rstrip("/"),
        framework="",
        step=None,
        epoch=None,
        state="dataset",
        state_reason="",
        kind="dataset",
        is_latest=False,
        is_best=False,
        is_protected=needed_by is not None,
        protected_because=needed_by or "",
        object_count=row["object_count"],
        size_bytes=row["size_bytes"],
        last_modified_at=row["last_modified_at"] or datetime.max,  # noqa: DTZ901  (UTC without a zone)
        cost_usd_month=row["cost_usd_month"] or Decimal(0),
        classes=classes,
        doubt=_doubt(row, classes, oldest),
    )


def _share(row: Mapping[str, Any]) -> ClassShare:
    return ClassShare(
        row["storage_class"],
        row["share_count"],
        row["share_bytes"],
        row["movable_count"],
        row["movable_bytes"],
        row["largest_bytes"],
    )


def _doubt(row: Mapping[str, Any], classes: tuple[ClassShare, ...], oldest: datetime) -> str:
    if row["listed_at"] < oldest:
        return f"its bucket was last listed on {row['listed_at']:%Y-%m-%d}"
    if row["last_modified_at"] is None:
        return "nobody says when it changed"
    counted = sum(share.object_count for share in classes), sum(share.size_bytes for share in classes)
    if row["is_quiet"] and counted != (row["object_count"], row["size_bytes"]):
        return f"its objects do not add up: {counted[0]:,} of {row['object_count']:,} are known"
    return ""
