"""A plan's lines → one row per object that changes, as Parquet. Only DuckDB touches the rows.

A chunk is one file: whole checkpoints, within each the completeness marker first, so that a checkpoint of
which only a part is gone never looks complete to a trainer.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from lifecycle.decide import LARGEST_COPY_BYTES
from lifecycle.model import SMALLEST_ARCHIVED_BYTES, Line, Plan, PlanFile
from pipelines import published
from pipelines.domain.quoting import quote
from pipelines.errors import Terminal

_DECIDED = pa.schema(
    [
        ("checkpoint_id", pa.string()),
        ("decision", pa.string()),
        ("chunk", pa.int64()),
        ("position", pa.int64()),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("target_class", pa.string()),
        ("from_classes", pa.list_(pa.string())),
        ("path", pa.string()),
        ("saving_usd_month", pa.decimal128(18, 6)),
        ("action_count", pa.int64()),
        ("action_bytes", pa.int64()),
    ]
)
_ACTIONS = """
    create or replace temp table planned_actions as
    select
        's3' as scheme,
        objects.bucket,
        objects.object_key,
        objects.version_id,
        objects.etag,
        objects.size_bytes,
        objects.last_modified_at,
        objects.storage_class,
        objects.checkpoint_id,
        decided.decision as action,
        decided.target_class,
        decided.rule,
        decided.reason,
        decided.chunk,
        row_number() over (
            partition by decided.chunk
            order by decided.position, not coalesce(objects.is_marker, false), objects.object_key
        ) as number,
        (decided.saving_usd_month * objects.size_bytes / greatest(decided.action_bytes, 1))::decimal(18, 6)
            as saving_usd_month,
        case
            when decided.decision = 'delete' then decided.path
            when objects.size_bytes > $largest then 'copy-in-parts'
            else 'copy-in-place'
        end as path
    from marts.checkpoint_objects as objects
    inner join decided on objects.checkpoint_id = decided.checkpoint_id
    where
        coalesce(objects.is_latest_version, true)
        and (
            decided.decision = 'delete'
            or (
                decided.decision = 'archive'
                and objects.size_bytes >= $smallest
                and list_contains(decided.from_classes, objects.storage_class)
            )
        )
"""
_DISAGREEING = """
    select decided.checkpoint_id, decided.action_count, counted.rows_found
    from decided
    left join (
        select checkpoint_id, count(*) as rows_found, sum(size_bytes)::bigint as bytes_found
        from planned_actions group by all
    ) as counted on decided.checkpoint_id = counted.checkpoint_id
    where
        decided.decision <> 'keep'
        and (decided.action_count, decided.action_bytes)
            is distinct from (counted.rows_found, counted.bytes_found)
    order by all
    limit 1
"""
_CHUNK = """
    select
        format('{:05d}-{:06d}', chunk, number) as action_id,
        action, scheme, bucket, object_key, version_id, null::bigint as generation, etag, size_bytes,
        last_modified_at, storage_class, target_class, checkpoint_id, rule, reason, saving_usd_month, path
    from planned_actions
    where chunk = {chunk}
    order by number
"""
_SURVIVORS = """
    select
        objects.bucket, objects.object_key, objects.version_id, objects.etag, objects.size_bytes,
        objects.last_modified_at, objects.storage_class, objects.checkpoint_id
    from marts.checkpoint_objects as objects
    inner join decided on objects.checkpoint_id = decided.checkpoint_id
    where coalesce(objects.is_latest_version, true) and decided.decision <> 'delete'
    order by objects.bucket, objects.object_key
"""
SURVIVORS = "survivors.parquet"


def write_actions(
    connection: duckdb.DuckDBPyConnection, plan: Plan, directory: Path
) -> tuple[tuple[PlanFile, ...], PlanFile]:
    """Write a file per chunk, and one of what must still be there afterwards; return them with their hashes.

    Raises:
        Terminal: the objects of a checkpoint do not add up to what was decided on.
    """
    (directory / "actions").mkdir(parents=True, exist_ok=True)
    connection.register("decided", _decided(_in_touched_runs(plan)))
    try:
        connection.execute(_ACTIONS, {"largest": LARGEST_COPY_BYTES, "smallest": SMALLEST_ARCHIVED_BYTES})
        _refuse_disagreement(connection, plan)
        chunks = sorted({line.chunk for line in plan.changes if line.chunk is not None})
        actions = tuple(
            _copy(
                connection,
                _CHUNK.replace("{chunk}", str(chunk)),
                directory,
                f"actions/chunk-{chunk:05d}.parquet",
            )
            for chunk in chunks
        )
        return actions, _copy(connection, _SURVIVORS, directory, SURVIVORS)
    finally:
        connection.unregister("decided")


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_touched_runs(plan: Plan) -> list[Line]:
    touched = {(line.bucket, line.run) for line in plan.changes}
    return [line for line in plan.lines if (line.bucket, line.run) in touched]


def _decided(lines: Iterable[Line]) -> pa.Table:
    rows = [
        {
            "checkpoint_id": line.checkpoint_id,
            "decision": line.decision,
            "chunk": line.chunk,
            "position": position,
            "rule": line.rule,
            "reason": line.reason,
            "target_class": line.target_class or None,
            "from_classes": list(line.from_classes),
            "path": line.path or None,
            "saving_usd_month": line.saving_usd_month,
            "action_count": line.action_count,
            "action_bytes": line.action_bytes,
        }
        for position, line in enumerate(lines)
    ]
    return pa.Table.from_pylist(rows, schema=_DECIDED)


def _refuse_disagreement(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    for row in published.rows(connection, _DISAGREEING):
        raise Terminal(
            f"the snapshot contradicts itself: {row['action_count']:,} objects were to change, "
            f"and {row['rows_found'] or 0:,} are listed",
            where=f"{row['checkpoint_id']} in snapshot {plan.snapshot_id}",
            fix="Nothing was planned. Build and publish the day again: moraine run.",
        )


def _copy(connection: duckdb.DuckDBPyConnection, query: str, directory: Path, name: str) -> PlanFile:
    path = directory / name
    statement = f"copy ({query}) to {quote(str(path))} (format parquet, compression zstd)"
    rows = connection.execute(statement).fetchall()
    return PlanFile(name, sha256_of(path), int(rows[0][0]))
