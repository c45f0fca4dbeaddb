"""What the newest list of a bucket says of one key, and of everything below a prefix."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.domain.quoting import quote
from pipelines.engine import connect


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of a bucket that has landed."""

    source: str
    """The source in `moraine.yaml`."""
    table: str
    """`s3_inventory` or `gcs_inventory`."""
    bucket: str
    snapshot_at: datetime | None
    """The moment that it shows (UTC)."""
    row_count: int
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        at = f" of {self.snapshot_at:%Y-%m-%d %H:%M} UTC" if self.snapshot_at else ""
        return f"the list {self.source} of bucket {self.bucket}{at} ({self.row_count:,} rows)"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version of an object, as listed."""

    object_key: str
    version_id: str | None
    state: str
    """`current`, `noncurrent`, `delete_marker` or `soft_deleted`."""
    size_bytes: int
    storage_class: str | None
    etag: str | None
    last_modified_at: datetime


@dataclass(frozen=True, slots=True)
class PrefixFacts:
    """Everything below a prefix, as listed."""

    object_count: int
    size_bytes: int
    hidden_count: int
    """Versions that are not current, and delete markers."""
    hidden_bytes: int
    storage_classes: str
    first_modified_at: datetime
    last_modified_at: datetime


def versions_of(listings: Sequence[Listing], key: str) -> tuple[VersionFacts, ...]:
    """Return every version of a key, the newest first; keys are compared exactly."""
    query = f"{_SELECT} where object_key = $key order by state = 'current' desc, last_modified_at desc"
    return tuple(VersionFacts(*row) for row in _rows(listings, query, key=key))


def below(listings: Sequence[Listing], prefix: str) -> PrefixFacts | None:
    """Return what lies below a prefix; None where nothing does."""
    for row in _rows(
        listings, f"select * from ({_SUMMED}) where object_count + hidden_count > 0", key=prefix
    ):
        return PrefixFacts(*row)
    return None


def _rows(listings: Sequence[Listing], query: str, **values: str) -> Iterator[tuple[Any, ...]]:
    for listing in listings:
        if not listing.files:
            continue
        # Folders of the lake may hold what DuckDB reads as a pattern.
        paths = ", ".join(
            quote(str(path).translate({ord(mark): f"[{mark}]" for mark in "[*?"})) for path in listing.files
        )
        with closing(connect()) as connection:
            connection.execute("set TimeZone = 'UTC'")
            source = f"read_parquet([{paths}], hive_partitioning = false, union_by_name = true)"
            listed = f"with listed as ({_LISTED[listing.table].format(source=source)}) {query}"
            yield from connection.execute(listed, {**values, "bucket": listing.bucket}).fetchall()


_LISTED = {
    "s3_inventory": """
        select
            object_key, version_id, storage_class, etag, last_modified_at,
            coalesce(size_bytes, 0) as size_bytes,
            case
                when coalesce(is_delete_marker, false) then 'delete_marker'
                when lists_versions and not coalesce(is_latest, false) then 'noncurrent'
                else 'current'
            end as state
        from {source}
        where bucket = $bucket
    """,
    "gcs_inventory": """
        select
            object_key, generation::varchar as version_id, storage_class, etag,
            created_at as last_modified_at, coalesce(size_bytes, 0) as size_bytes,
            case
                when soft_deleted_at is not null then 'soft_deleted'
                when deleted_at is not null then 'noncurrent'
                else 'current'
            end as state
        from {source}
        where bucket = $bucket
    """,
}
_SELECT = (
    "select object_key, version_id, state, size_bytes, storage_class, etag, last_modified_at from listed"
)
_SUMMED = """
    select
        count(*) filter (where state = 'current') as object_count,
        coalesce(sum(size_bytes) filter (where state = 'current'), 0)::bigint as size_bytes,
        count(*) filter (where state != 'current') as hidden_count,
        coalesce(sum(size_bytes) filter (where state != 'current'), 0)::bigint as hidden_bytes,
        string_agg(distinct storage_class, ',' order by storage_class) as storage_classes,
        min(last_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at
    from listed
    where starts_with(object_key, $key)
"""
