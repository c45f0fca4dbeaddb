"""A plan's lines → one row per object that changes, as Parquet. Only DuckDB touches the rows.

A chunk is one file: whole checkpoints, within each the completeness marker first, so that a checkpoint of
which only a part is gone never looks complete to a trainer.

The objects of so many checkpoints at a time are read and laid down in parts that fit into memory, each a
stretch of the plan; then part after part is sorted and cut into its chunks. So a hundred million objects need
no more memory than one part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lifecycle.decide.checkpoints import LARGEST_COPY_BYTES
from lifecycle.model import SMALLEST_ARCHIVED_BYTES, PlanFile
from lifecycle.plan.decisions import DECISIONS, copy_to
from pipelines import published
from pipelines.domain.quoting import quote
from pipelines.errors import Terminal

CHECKPOINTS_PER_SLICE = 100_000
"""Looked up at once: so many ids are held in memory beside what is written, else all objects are spilled."""
OBJECTS_PER_PART = 500_000
"""Sorted at once: some 150 MB."""
SURVIVORS = "survivors.parquet"
CHECKPOINT_OBJECTS = "marts.checkpoint_objects"
_TOUCHED = """
    create or replace temp table touched as
    with

    lines as (

        select position, chunk, place, run, decision, checkpoint_id, object_count
        from read_parquet($decisions)

    ),

    runs as (

        select distinct place, run from lines where decision <> 'keep'

    ),

    counted as (

        select position, chunk, sum(object_count) over (order by position) - object_count as objects_before
        from lines semi join runs on lines.place = runs.place and lines.run = runs.run

    ),

    started as (

        select
            position,
            chunk,
            case
                when chunk is null then objects_before else min(objects_before) over (partition by chunk)
            end as starts_at
        from counted

    ),

    parts as (

        select
            position, chunk, dense_rank() over (order by chunk is null, starts_at // $part_size) as part
        from started

    )

    -- The ids come last: what is counted over has to fit into memory.
    select
        lines.checkpoint_id, parts.position, parts.chunk, parts.part,
        (row_number() over (order by lines.checkpoint_id) - 1) // $slice_size as slice
    from parts inner join lines on parts.position = lines.position
"""
_OBJECTS = """
    select
        touched.part, touched.position, objects.object_key, objects.version_id, objects.etag,
        objects.size_bytes, objects.last_modified_at, objects.storage_class,
        coalesce(objects.is_marker, false) as is_marker
    from {source} as objects
    inner join (select * from touched where slice = {slice}) as touched
        on objects.checkpoint_id = touched.checkpoint_id
    where coalesce(objects.is_latest_version, true)
"""
_LAID_DOWN = """
    copy ({objects}) to {directory}
    (format parquet, compression zstd, compression_level 1, partition_by (part), append)
"""
_PART = """
    create or replace temp table part_objects as
    with

    lines as (

        select * from read_parquet($decisions) where position between $first and $last

    ),

    objects as (

        select * from read_parquet($files, hive_partitioning = false)

    )

    select
        lines.position,
        lines.chunk,
        lines.decision,
        lines.state,
        split_part(lines.place, ':', 1) as scheme,
        lines.bucket,
        objects.* exclude (position),
        lines.decision = 'delete' or (
            lines.decision = 'archive'
            and objects.size_bytes >= $smallest
            and list_contains(lines.from_classes, objects.storage_class)
        ) as is_change
    from objects inner join lines on objects.position = lines.position
"""
_DISAGREEING = """
    with

    lines as (

        select * from read_parquet($decisions) where position between $first and $last and decision <> 'keep'

    ),

    counted as (

        select position, count(*) as rows_found, sum(size_bytes)::bigint as bytes_found
        from part_objects where is_change group by all

    )

    select lines.checkpoint_id, lines.action_count, counted.rows_found
    from lines left join counted on lines.position = counted.position
    where
        (lines.action_count, lines.action_bytes) is distinct from (counted.rows_found, counted.bytes_found)
    order by lines.position
    limit 1
"""
_CHUNK = """
    with

    lines as (

        select position, checkpoint_id, target_class, rule, reason, path, saving_usd_month, action_bytes
        from read_parquet({decisions}) where chunk = {chunk}

    ),

    objects as (

        select *, row_number() over (order by position, not is_marker, object_key) as number
        from part_objects
        where chunk = {chunk} and is_change

    )

    select
        format('{:05d}-{:06d}', objects.chunk, objects.number) as action_id,
        case lines.path
            when 'abort-upload' then 'abort_upload' when 'delete-version' then 'delete_version'
            else objects.decision
        end as action,
        objects.scheme,
        objects.bucket,
        objects.object_key,
        objects.version_id,
        if(objects.scheme = 'gs', try_cast(objects.version_id as bigint), null) as generation,
        objects.etag,
        objects.size_bytes,
        objects.last_modified_at,
        objects.storage_class,
        nullif(lines.target_class, '') as target_class,
        lines.checkpoint_id,
        lines.rule,
        lines.reason,
        (lines.saving_usd_month * objects.size_bytes / greatest(lines.action_bytes, 1))::decimal(18, 6)
            as saving_usd_month,
        case
            when objects.decision = 'delete' or lines.path = 'tag-and-rule' then lines.path
            when objects.scheme = 's3' and objects.size_bytes > {largest} then 'copy-in-parts'
            else 'copy-in-place'
        end as path,
        objects.is_marker
    from objects inner join lines on objects.position = lines.position
    order by objects.number
"""
_SURVIVORS = """
    select
        objects.scheme, objects.bucket, objects.object_key, objects.version_id, objects.etag,
        objects.size_bytes, objects.last_modified_at, objects.storage_class, touched.checkpoint_id
    from part_objects as objects inner join touched on objects.position = touched.position
    -- What is no checkpoint promises no trainer anything: nothing of it has to stay.
    where objects.decision <> 'delete' and objects.state not in ('open', 'hidden')
    order by objects.position, objects.object_key
"""
_SLICES = "select distinct slice from touched order by all"
_PARTS = """
    select
        part as number, min(position) as first, max(position) as last,
        coalesce(list_sort(list(distinct chunk) filter (where chunk is not null)), []) as chunks
    from touched
    group by all
    order by all
"""
_LAID = "laid-down"
_NOTHING = "nothing.parquet"
"""A file without rows: a part of which no object is listed is read all the same."""
_REMAINING = "remaining"


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of the plan, and the chunks in it."""

    number: int
    first: int
    last: int
    chunks: tuple[int, ...]


_EMPTY = _Part(number=0, first=0, last=-1, chunks=())
"""Of a plan in which nothing changes."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Where a plan's lines are, and where its objects come from and go to."""

    connection: duckdb.DuckDBPyConnection
    """The snapshot that the plan was made from."""
    snapshot_id: str
    directory: Path
    """Holds `decisions.parquet`; the files are written beside it."""
    source: str = CHECKPOINT_OBJECTS
    """A table, or a query in parentheses: the objects, by the `checkpoint_id` of their line."""
    part_size: int = OBJECTS_PER_PART
    slice_size: int = CHECKPOINTS_PER_SLICE

    @property
    def decisions(self) -> str:
        """Where the lines are."""
        return str(self.directory / DECISIONS)

    def write(self) -> tuple[tuple[PlanFile, ...], PlanFile]:
        """Write a file per chunk, and one of what must still be there; return them with their hashes.

        Raises:
            Terminal: the objects of a checkpoint do not add up to what was decided on.
        """
        for name in ("actions", _REMAINING):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.connection.execute(
            _TOUCHED,
            {"decisions": self.decisions, "part_size": self.part_size, "slice_size": self.slice_size},
        )
        nothing = f"select * exclude (part) from ({self._objects(0)}) where false"
        copy_to(self.connection, nothing, self.directory, _NOTHING)
        self._lay_down()
        parts = [
            _Part(**{**row, "chunks": tuple(row["chunks"])})
            for row in published.rows(self.connection, _PARTS)
        ]
        actions = tuple(file for part in parts or [_EMPTY] for file in self._write_part(part))
        return actions, self._join_survivors()

    def _objects(self, number: int) -> str:
        # The source comes last: what it quotes of a policy may look like any of these words.
        return _OBJECTS.replace("{slice}", str(number)).replace("{source}", self.source)

    def _lay_down(self) -> None:
        self.connection.execute("set preserve_insertion_order = false")
        directory = quote(str(self.directory / _LAID))
        for (number,) in self.connection.execute(_SLICES).fetchall():
            statement = _LAID_DOWN.replace("{directory}", directory)
            self.connection.execute(statement.replace("{objects}", self._objects(number)))
        self.connection.execute("set preserve_insertion_order = true")

    def _write_part(self, part: _Part) -> list[PlanFile]:
        laid_down = sorted((self.directory / _LAID / f"part={part.number}").glob("*.parquet"))
        files = [str(path) for path in (self.directory / _NOTHING, *laid_down)]
        where = {"decisions": self.decisions, "first": part.first, "last": part.last}
        self.connection.execute(_PART, {**where, "files": files, "smallest": SMALLEST_ARCHIVED_BYTES})
        self._refuse_disagreement(where)
        copy_to(self.connection, _SURVIVORS, self.directory, f"{_REMAINING}/{part.number:06d}.parquet")
        for path in laid_down:
            path.unlink()
        return [self._write_chunk(chunk) for chunk in part.chunks]

    def _refuse_disagreement(self, where: Mapping[str, object]) -> None:
        row = self.connection.execute(_DISAGREEING, where).fetchone()
        if row:
            checkpoint_id, planned, found = row
            raise Terminal(
                f"the snapshot contradicts itself: {planned:,} objects were to change, "
                f"and {found or 0:,} are listed",
                where=f"{checkpoint_id} in snapshot {self.snapshot_id}",
                fix="Nothing was planned. Build and publish the day again: moraine run.",
            )

    def _write_chunk(self, chunk: int) -> PlanFile:
        query = _CHUNK.replace("{chunk}", str(chunk)).replace("{largest}", str(LARGEST_COPY_BYTES))
        query = query.replace("{decisions}", quote(self.decisions))
        return copy_to(self.connection, query, self.directory, f"actions/chunk-{chunk:05d}.parquet")

    def _join_survivors(self) -> PlanFile:
        parts = sorted((self.directory / _REMAINING).glob("*.parquet"))
        listed = ", ".join(quote(str(path)) for path in parts)
        return copy_to(self.connection, f"select * from read_parquet([{listed}])", self.directory, SURVIVORS)
