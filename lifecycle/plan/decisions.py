"""Decisions on disk: `decisions.parquet`, a line per checkpoint, in the order in which they are carried out.

What can be undone comes first: archives, then deletes; then what stays. Within them by bucket, run and step.
Lines are written as they come; DuckDB orders them and cuts them into chunks. Millions need little memory.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.model import Line, PlanFile
from pipelines.domain.quoting import quote

DECISIONS = "decisions.parquet"
_LINES_PER_BATCH = 10_000
_LINES_PER_GROUP = 20_480
"""Small row groups: a chunk, a run or one checkpoint is found by reading one or two of them."""
_USD = pa.decimal128(38, 6)
_SCHEMA = pa.schema(
    [
        ("checkpoint_id", pa.string()),
        ("uri", pa.string()),
        ("bucket", pa.string()),
        ("run", pa.string()),
        ("step", pa.int64()),
        ("state", pa.string()),
        ("decision", pa.string()),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("object_count", pa.int64()),
        ("size_bytes", pa.int64()),
        ("cost_usd_month", _USD),
        ("action_count", pa.int64()),
        ("action_bytes", pa.int64()),
        ("target_class", pa.string()),
        ("from_classes", pa.list_(pa.string())),
        ("path", pa.string()),
        ("saving_usd_month", _USD),
        ("tail_usd_month", _USD),
        ("one_off_usd", _USD),
        ("place", pa.string()),
        ("number", pa.int64()),
    ]
)
_ORDERED = """
    with

    lines as (

        select *, case decision when 'archive' then 0 when 'delete' then 1 else 2 end as rank
        from read_parquet({lines})

    ),

    placed as (

        select
            number,
            decision,
            row_number() over carried_out - 1 as position,
            coalesce(
                sum(action_count) over (carried_out rows between unbounded preceding and 1 preceding), 0
            ) as actions_before
        from lines
        window carried_out as (order by rank, number)

    ),

    -- Whole checkpoints only, so that one worker sees a checkpoint through.
    cut as (

        select
            number,
            position,
            case
                when decision <> 'keep'
                    then dense_rank() over (order by decision = 'keep', actions_before // {size}) - 1
            end as chunk
        from placed

    )

    select lines.* exclude (number, rank), cut.chunk, cut.position
    from lines inner join cut on lines.number = cut.number
    order by cut.position
"""
_LINE = ", ".join(field.name for field in fields(Line))


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write lines as they come; they come run after run."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd", compression_level=1) as writer:
        number, left = 0, iter(lines)
        while batch := list(islice(left, _LINES_PER_BATCH)):
            writer.write_batch(_batch(batch, number))
            number += len(batch)


def order_lines(
    connection: duckdb.DuckDBPyConnection, lines: Path, directory: Path, chunk_size: int
) -> PlanFile:
    """Write `decisions.parquet` from what `write_lines` wrote; a chunk holds about so many actions."""
    query = _ORDERED.replace("{lines}", quote(str(lines))).replace("{size}", str(chunk_size))
    return copy_to(connection, query, directory, DECISIONS, f"row_group_size {_LINES_PER_GROUP}")


def copy_to(
    connection: duckdb.DuckDBPyConnection, query: str, directory: Path, name: str, *options: str
) -> PlanFile:
    """Write the rows of a query as a Parquet file of a plan."""
    path = directory / name
    how = ", ".join(("format parquet", "compression zstd", "compression_level 1", *options))
    rows = connection.execute(f"copy ({query}) to {quote(str(path))} ({how})").fetchall()
    return PlanFile(name, sha256_of(path), int(rows[0][0]))


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    condition: str = "true",
    values: Mapping[str, object] | None = None,
) -> Iterator[Line]:
    """Yield the lines of `decisions.parquet` for which a condition in SQL holds, in their order."""
    cursor = connection.cursor()
    query = f"select {_LINE} from read_parquet($path) where {condition} order by position"
    cursor.execute(query, {"path": str(path), **(values or {})})
    while rows := cursor.fetchmany(_LINES_PER_BATCH):
        yield from (_line(row) for row in rows)


def _line(row: Sequence[Any]) -> Line:
    line = dict(zip((field.name for field in fields(Line)), row, strict=True))
    return Line(**{**line, "from_classes": tuple(line["from_classes"])})


def _batch(lines: Sequence[Line], first: int) -> pa.RecordBatch:
    columns = {
        column.name: pa.array([getattr(line, column.name) for line in lines], column.type)
        for column in _SCHEMA
        if column.name != "number"
    }
    columns["number"] = pa.array(range(first, first + len(lines)), pa.int64())
    return pa.RecordBatch.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)
