"""Looks at the bucket again with its own eyes: lists it, and compares object by object with the plan.

It reads no receipts. What was to be archived must be there in its class, what was to be deleted must be
gone (but for its version, where the bucket keeps versions), and what was to remain in the touched runs
must be there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.model import Plan
from lifecycle.plan_directory import PlanDirectory
from lifecycle.providers import Clouds, ObjectState, Provider
from lifecycle.survey import listing_prefix
from pipelines import published

MOST_SHOWN = 1000
"""Differences kept one by one; the counts are always of all."""
_ROWS_PER_BATCH = 10_000
_LISTED = pa.schema(
    [
        ("bucket", pa.string()),
        ("object_key", pa.string()),
        ("version_id", pa.string()),
        ("storage_class", pa.string()),
        ("size_bytes", pa.int64()),
    ]
)
_EXPECTED = """
    create table expected as
    with

    actions as (
        select
            bucket, object_key, version_id, checkpoint_id, size_bytes, target_class, path,
            if(action = 'archive', 'archived', 'deleted') as expected
        from read_parquet($actions)
    ),

    kept as (
        select bucket, object_key, version_id, checkpoint_id, size_bytes, null as target_class, null as path,
            'kept' as expected
        from read_parquet($survivors) as survivors
        anti join actions
            on survivors.bucket = actions.bucket and survivors.object_key = actions.object_key
    )

    select * from actions
    union all
    select * from kept
"""
_FOLDERS = """
    select
        checkpoint_id, bucket, min(object_key) as first_key, max(object_key) as last_key,
        bool_or(path is not distinct from 'delete-marker') as leaves_versions
    from expected
    group by all
    order by all
"""
_COMPARED = """
    create table compared as
    with

    listed as (
        select
            bucket, object_key, any_value(storage_class) as storage_class, any_value(size_bytes) as size_bytes
        from read_parquet($listed)
        group by all
    ),

    versions as (
        select bucket, object_key, list(version_id) as version_ids from read_parquet($versions) group by all
    )

    select
        expected.expected,
        expected.bucket,
        expected.object_key,
        case
            when expected.expected <> 'deleted' and listed.object_key is null then 'it is not there'
            when expected.expected = 'deleted' and listed.object_key is not null then 'it is still there'
            when expected.path = 'delete-marker' and versions.object_key is null then 'its version is gone'
            when
                expected.path = 'delete-marker'
                and not list_contains(
                    versions.version_ids, coalesce(expected.version_id, versions.version_ids[1])
                )
                then 'its version is gone'
            when expected.expected = 'archived' and listed.storage_class <> expected.target_class
                then 'its class is ' || listed.storage_class || ', not ' || expected.target_class
            when expected.expected = 'archived' and listed.size_bytes <> expected.size_bytes
                then 'its size is ' || listed.size_bytes || ', not ' || expected.size_bytes
        end as difference
    from expected
    left join listed on expected.bucket = listed.bucket and expected.object_key = listed.object_key
    left join versions on expected.bucket = versions.bucket and expected.object_key = versions.object_key
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as the plan left it."""

    expected: str
    uri: str
    difference: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the bucket says about a plan."""

    plan_id: str
    fingerprint: str
    at: datetime
    checked: Mapping[str, int]
    """Objects looked for: archived, deleted, kept."""
    as_planned: Mapping[str, int]
    difference_count: int
    differences: tuple[Difference, ...]

    @property
    def is_clean(self) -> bool:
        """Everything is as planned."""
        return not self.difference_count


def verify(
    clouds: Clouds, directory: PlanDirectory, plan: Plan, now: datetime, scratch: Path
) -> Verification:
    """List what the plan is about and compare.

    Raises:
        Transient: the store does not answer.
        Terminal: it may not be listed.
    """
    with duckdb.connect() as connection:
        files = [str(directory.path / file.name) for file in plan.actions]
        if files:
            connection.execute(_EXPECTED, {"actions": files, "survivors": str(directory.survivors)})
            _list(connection, clouds["s3"], plan, scratch)
            where = {"listed": str(scratch / "listed.parquet"), "versions": str(scratch / "versions.parquet")}
            connection.execute(_COMPARED, where)
        else:
            connection.execute(
                "create table compared (expected text, bucket text, object_key text, difference text)"
            )
        return _verification(connection, plan, now)


def _verification(connection: duckdb.DuckDBPyConnection, plan: Plan, now: datetime) -> Verification:
    counts = published.rows(
        connection,
        "select expected, count(*) as checked, count(*) filter (where difference is null) as as_planned "
        "from compared group by all order by all",
    )
    different = published.rows(
        connection,
        "select expected, 's3://' || bucket || '/' || object_key as uri, difference from compared "
        "where difference is not null order by all limit ?",
        [MOST_SHOWN],
    )
    checked = {row["expected"]: row["checked"] for row in counts}
    as_planned = {row["expected"]: row["as_planned"] for row in counts}
    return Verification(
        plan_id=plan.id,
        fingerprint=plan.fingerprint,
        at=now,
        checked=checked,
        as_planned=as_planned,
        difference_count=sum(checked.values()) - sum(as_planned.values()),
        differences=tuple(Difference(**row) for row in different),
    )


def _list(connection: duckdb.DuckDBPyConnection, provider: Provider, plan: Plan, scratch: Path) -> None:
    """Write what the bucket shows now to Parquet: objects may be more than memory holds."""
    uris = {line.checkpoint_id: line.uri for line in plan.lines}
    folders = published.rows(connection, _FOLDERS)
    with (
        pq.ParquetWriter(scratch / "listed.parquet", _LISTED) as listed,
        pq.ParquetWriter(scratch / "versions.parquet", _LISTED) as versions,
    ):
        for folder in folders:
            prefix = listing_prefix(uris[folder["checkpoint_id"]], (folder["first_key"], folder["last_key"]))
            _write(listed, folder["bucket"], provider.list(folder["bucket"], prefix))
            if folder["leaves_versions"]:
                _write(versions, folder["bucket"], provider.versions(folder["bucket"], prefix))


def _write(writer: pq.ParquetWriter, bucket: str, states: Iterator[ObjectState]) -> None:
    while batch := list(islice(states, _ROWS_PER_BATCH)):
        rows = [
            {
                "bucket": bucket,
                "object_key": state.key,
                "version_id": state.version_id,
                "storage_class": state.storage_class,
                "size_bytes": state.size_bytes,
            }
            for state in batch
        ]
        writer.write_table(pa.Table.from_pylist(rows, schema=_LISTED))
