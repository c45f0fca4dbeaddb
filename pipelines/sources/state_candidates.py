"""Which small files of a listed bucket are worth a request: those of a run's newest checkpoints.

The list may have a hundred million rows and a run ten thousand checkpoints, so DuckDB chooses. Names come
from the catalogue of layouts; keys are compared with them and never become part of a statement.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.domain.deliveries import Landed
from pipelines.domain.quoting import quote
from pipelines.errors import Terminal
from pipelines.reference.layout_catalogue import StateFile, read_frameworks
from pipelines.sources.places import Place
from pipelines.sources.reading import engine_of

NEWEST = 3
"""State files of a run that are read, counted by step and again by time: the newest one counts, and the two
before it where it is damaged or was put there by somebody else. By time, because a run that was set back
writes lower steps later."""

MOST_METRICS = 1_000
"""Where each checkpoint has its metric in a file of its own, so many of a run are read, the highest steps
first. Of a run with more of them the best stays unknown, and so all of it is kept."""

_MARK = re.compile(r"\{[a-z]+\}|\*")
_IS_CURRENT = {
    "s3_inventory": "(lists_versions is not true or is_latest) and is_delete_marker is not true",
    "gcs_inventory": "deleted_at is null and soft_deleted_at is null",
}
_VERSION = {
    "s3_inventory": "nullif(etag, '') as etag, last_modified_at",
    "gcs_inventory": "generation::varchar as etag, updated_at as last_modified_at",
}
_LISTED = """
create temp table listed (
    object_key varchar, directory varchar, leaf varchar, etag varchar, last_modified_at timestamp,
    size_bytes bigint, snapshot_at timestamp
)
"""
_DEEPEST = 2
"""Folders of a checkpoint that its state file may lie in, such as Orbax's `metrics/`."""
_CHOSEN = """
with matched as (
    select *, nullif(regexp_extract(object_key, $in_checkpoint, 1), '') as save
    from listed
    where
        regexp_full_match(leaf, $name)
        and ($beside is null or directory in (select directory from listed where leaf = $beside))
), placed as (
    select *, coalesce(save, directory) as subject, save is not null as is_of_save
    from matched
), grouped as (
    -- What lies beside the saves of a run was written at its end: it is not counted among them.
    select
        *,
        case when is_of_save then regexp_extract(subject, '^((?s:.*/)?)[^/]*/$', 1) else subject end as run,
        case
            when is_of_save then try_cast(regexp_extract(subject, '([0-9]+)[^0-9/]*/$', 1) as hugeint)
        end as step
    from placed
)
select object_key, directory, leaf, subject, etag, size_bytes, last_modified_at, snapshot_at
from grouped
qualify
    row_number() over (
        partition by run, is_of_save order by step desc nulls last, last_modified_at desc, object_key
    ) <= $most
    or row_number() over (
        partition by run, is_of_save order by last_modified_at desc, step desc nulls last, object_key
    ) <= $most
order by last_modified_at desc, object_key
"""
_NOWHERE = r"^(\b\B)$"
"""An expression that nothing matches."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A state file that one framework writes, and how its checkpoints are called."""

    framework: str
    file: StateFile
    checkpoint_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed object that may be a state file, by its name."""

    wanted: Wanted
    object_key: str
    directory: str
    leaf: str
    subject_directory: str
    """The folder that it is about: of the checkpoint, or of the run."""
    etag: str | None
    """What the list calls its content."""
    size_bytes: int | None
    last_modified_at: datetime | None
    listed_at: datetime


def wanted_files() -> tuple[Wanted, ...]:
    """Return what is worth reading.

    A pin keeps by being there, whatever it says; a metric beside the checkpoints is of none of them, unless
    the file says of which.
    """
    return tuple(
        Wanted(
            framework.framework,
            file,
            tuple(name.name for layout in framework.layouts for name in layout.names),
        )
        for framework in read_frameworks()
        for file in framework.state_files
        if file.tells != "pin" and ((file.tells, file.place) != ("metric", "run") or file.about)
    )


def choose(place: Place, listing: Landed, files: Iterable[Path], wanted: Sequence[Wanted]) -> list[Candidate]:
    """Return the state files to read, the newest of each first; `files` are those of the landed list.

    Raises:
        Terminal: the list cannot be read.
    """
    if not wanted:
        return []
    with closing(engine_of(place)) as connection:
        try:
            connection.execute(_LISTED)
            for path in files:
                connection.execute(_sieved(listing.table, path, wanted), {"bucket": listing.scope})
            return [candidate for each in wanted for candidate in _chosen(connection, each)]
        except duckdb.Error as error:
            raise Terminal(
                f"the landed list of the bucket cannot be read: {str(error).splitlines()[0]}",
                where=f"source {place.source.name}, {listing.scope}",
                fix="Raise engine.memory_limit, or ingest the source again.",
            ) from error


def _chosen(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> list[Candidate]:
    file = wanted.file
    is_in_checkpoint = file.place == "checkpoint"
    rows = connection.execute(
        _CHOSEN,
        {
            "name": _expression(file.name),
            "beside": file.beside,
            "in_checkpoint": _in_checkpoint(wanted) if is_in_checkpoint else _NOWHERE,
            "most": MOST_METRICS if file.tells == "metric" else NEWEST,
        },
    ).fetchall()
    return [Candidate(wanted, *row) for row in rows]


def _in_checkpoint(wanted: Wanted) -> str:
    names = "|".join(map(_expression, wanted.checkpoint_names))
    return rf"^((?s:.*/)?(?:{names})/)(?:[^/]+/){{0,{_DEEPEST}}}{_expression(wanted.file.name)}$"


def _sieved(table: str, path: Path, wanted: Sequence[Wanted]) -> str:
    names = {name for each in wanted for name in (each.file.name, each.file.beside) if name}
    exact = sorted(name for name in names if not _MARK.search(name))
    patterns = sorted(_expression(name) for name in names if _MARK.search(name))
    tests = [f"leaf in ({', '.join(map(quote, exact))})"] if exact else []
    tests += [f"regexp_full_match(leaf, {quote(pattern)})" for pattern in patterns]
    return (
        f"insert into listed select object_key, directory, leaf, {_VERSION[table]}, size_bytes, snapshot_at "
        f"from read_parquet({quote(_exactly(path))}, hive_partitioning = false) "
        f"where ({' or '.join(tests)}) and {_IS_CURRENT[table]} and bucket = $bucket"
    )


def _expression(pattern: str) -> str:
    """Return a pattern of the catalogue as a regular expression; it never leaves its folder."""
    pieces, start = [], 0
    for mark in _MARK.finditer(pattern):
        pieces += [re.escape(pattern[start : mark.start()]), "[^/]*" if mark.group() == "*" else "[0-9]+"]
        start = mark.end()
    return "".join([*pieces, re.escape(pattern[start:])])


def _exactly(path: Path) -> str:
    # DuckDB reads a list of patterns: a bracket in a folder's name would start a set of characters.
    return str(path).translate({ord(mark): f"[{mark}]" for mark in "[*?"})
