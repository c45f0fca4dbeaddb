"""Publishes a checked build: an immutable snapshot first, then the pointer, last and in one step.

`snapshot.json` is written after all other files. Files without it are what an interrupted publication left:
nobody reads them, and publishing that build again replaces them.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines import snapshots
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.snapshots import STORAGE_VERSION, BuildMeta, CheckResult, Snapshot, snapshot_key
from pipelines.engine import connect
from pipelines.errors import Refused, Terminal
from pipelines.stores import Store
from pipelines.stores.duckdb_files import FetchedFiles

LEFT_IN_PARQUET = frozenset({"checkpoint_objects", "dataset_objects", "object_versions"})
"""Marts as long as a bucket: the DuckDB file holds a view over their Parquet, not their rows."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    name: str

    @property
    def is_viewed(self) -> bool:
        return self.schema == "marts" and self.name in LEFT_IN_PARQUET

    @property
    def parquet(self) -> str:
        return f"marts/{self.name}.parquet"

    def __str__(self) -> str:
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"


@dataclass(frozen=True, slots=True)
class _Publication:
    """A snapshot on its way: the build is attached as `build`, the new file as `published`."""

    lake: Store
    snapshot: Snapshot
    meta: BuildMeta
    beside: Path
    """Where files are made before they are uploaded; gone afterwards."""
    connection: duckdb.DuckDBPyConnection


def publish(
    lake: Store,
    *,
    warehouse: Path,
    results: Sequence[CheckResult],
    meta: BuildMeta,
    published_at: datetime,
    still_alone: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Make a built warehouse a snapshot, and the current one unless that is about a newer day.

    The same build again writes no file of its snapshot a second time.

    Args:
        lake: where it is published.
        warehouse: the built file.
        results: of its checks.
        meta: which build it is.
        published_at: UTC, without a zone.
        still_alone: raises when another run may be publishing; asked before the pointer moves.

    Raises:
        Refused: a blocking check failed, or nothing was checked; the previous snapshot stays in force.
        Terminal: the build cannot be read, or the disk is full.
    """
    _refuse_failures(results, str(warehouse))
    snapshot_id = f"{meta.as_of}-{meta.build_id[:12]}"
    snapshot = _existing(lake, snapshot_id)
    if snapshot is None:
        file = snapshot_key(snapshot_id, "warehouse.duckdb")
        snapshot = Snapshot(snapshot_id, meta.as_of, published_at, file, meta.code_version)
        _write_snapshot(lake, warehouse, snapshot, meta)
    still_alone()
    current = snapshots.pointed_at(lake)
    if current is None or current.as_of <= snapshot.as_of:
        snapshots.point_at(lake, snapshot)
    else:
        _log.info("%s stays current: %s is about an older day", current.snapshot_id, snapshot_id)
    return snapshot


def blocking(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return the results that keep a build from being published."""
    return [result for result in results if not result.passed and result.level == "block"]


@dataclass(frozen=True, slots=True)
class Rollback:
    """Which snapshot is current, and which one was."""

    before: Snapshot | None
    current: Snapshot

    @property
    def has_moved(self) -> bool:
        """The pointer named another one."""
        return self.before != self.current


def roll_back(lake: Store, name: str) -> Rollback:
    """Make a whole snapshot the current one: an id or how it begins, a day, or `previous`.

    Raises:
        NotFound: there is none.
        Refused: it is not whole; the pointer stays.
    """
    snapshot, before = snapshots.resolve(lake, name), snapshots.pointed_at(lake)
    if before != snapshot:
        snapshots.point_at(lake, snapshot)
    return Rollback(before, snapshot)


def _refuse_failures(results: Sequence[CheckResult], where: str) -> None:
    if not results:
        raise Refused("nothing was checked", where=where, fix="Run 'moraine check' first.")
    failed = blocking(results)
    if failed:
        raise Refused(
            f"not published: {len(failed)} of {len(results)} checks failed; "
            f"the previous snapshot stays in force{''.join(map(_line, failed))}",
            where=where,
            fix="Mend the delivery or the limit that the check names, then run 'moraine run' again.",
        )


def _line(result: CheckResult) -> str:
    scope = f" ({result.scope})" if result.scope else ""
    return f"\n  - {result.check_id}{scope}: {result.observed}, expected {result.expected}. {result.reason}"


def _existing(lake: Store, snapshot_id: str) -> Snapshot | None:
    found = snapshots.whole(snapshots.find(lake, snapshot_id))
    return found[0] if found else None


def _write_snapshot(lake: Store, warehouse: Path, snapshot: Snapshot, meta: BuildMeta) -> None:
    with _neighbour(warehouse, snapshot.snapshot_id) as beside:
        with _files_open(warehouse, beside) as connection:
            publication = _Publication(lake, snapshot, meta, beside, connection)
            tables = _tables(connection)
            counts = {table.name: _upload_rows(publication, table) for table in tables if _is_mart(table)}
            _fill(publication, tables)
        lake.upload(beside / "warehouse.duckdb", snapshot.warehouse)
    contents = {**snapshot.to_json(), "build_id": meta.build_id, "tables": counts}
    lake.write(snapshot_key(snapshot.snapshot_id, "snapshot.json"), json.dumps(contents, indent=2).encode())
    _log.info("wrote snapshot %s: %d tables", snapshot.snapshot_id, len(tables))


@contextmanager
def _neighbour(warehouse: Path, snapshot_id: str) -> Iterator[Path]:
    """Make a directory beside the build; its name is fixed, so that a killed publication leaves nothing."""
    beside = warehouse.with_name(f".publish-{snapshot_id}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _files_open(warehouse: Path, beside: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach the build and the new file; on the way out the new file is complete, with no log beside it."""
    fresh = beside / "warehouse.duckdb"
    connection = connect()
    try:
        connection.execute(f"set temp_directory = {quote(str(beside / 'spill'))}")
        connection.execute(f"attach {quote(str(warehouse))} as build (read_only)")
        connection.execute(f"attach {quote(str(fresh))} as published (storage_version '{STORAGE_VERSION}')")
        yield connection
        connection.execute("checkpoint published")
        connection.execute("detach published")
    except duckdb.Error as error:
        raise Terminal(
            f"the build cannot be published: {error}",
            where=str(warehouse),
            fix="See that the disk has room and nobody else has the file open; then run 'moraine run' again.",
        ) from error
    finally:
        connection.close()


def _tables(connection: duckdb.DuckDBPyConnection) -> list[_Table]:
    answer = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = 'build' and table_schema in ('marts', 'reference') order by all"
    )
    return [_Table(schema, name) for schema, name in answer.fetchall()]


def _is_mart(table: _Table) -> bool:
    return table.schema == "marts"


def _upload_rows(publication: _Publication, table: _Table) -> int:
    path = publication.beside / table.parquet
    path.parent.mkdir(exist_ok=True)
    copied = publication.connection.execute(
        f"copy build.{table} to {quote(str(path))} (format parquet, compression zstd, compression_level 1)"
    ).fetchall()
    publication.lake.upload(path, snapshot_key(publication.snapshot.snapshot_id, table.parquet))
    return int(copied[0][0])


def _fill(publication: _Publication, tables: Sequence[_Table]) -> None:
    connection, rows = publication.connection, publication.beside / "marts"
    # DuckDB opens a view's file while it makes the view. Its copy here answers, so nothing is downloaded.
    connection.register_filesystem(FetchedFiles(lambda file: rows / file.rpartition("/")[2]))
    connection.execute("create schema published.marts")
    connection.execute("create schema published.reference")
    for table in tables:
        connection.execute(_definition(publication, table))
        _copy_comments(connection, table)
    _sign(publication)


def _definition(publication: _Publication, table: _Table) -> str:
    if not table.is_viewed:
        return f"create table published.{table} as select * from build.{table}"
    key = snapshot_key(publication.snapshot.snapshot_id, table.parquet)
    source = quote(f"{publication.lake.uri}/{key}")
    return f"create view published.{table} as select * from read_parquet({source})"


def _copy_comments(connection: duckdb.DuckDBPyConnection, table: _Table) -> None:
    kind = "view" if table.is_viewed else "table"
    described = connection.execute(
        "select comment from (select schema_name, table_name, comment from duckdb_tables() "
        "where database_name = 'build' union all select schema_name, view_name, comment from duckdb_views() "
        "where database_name = 'build') where comment is not null and (schema_name, table_name) = (?, ?)",
        [table.schema, table.name],
    ).fetchall()
    for (comment,) in described:
        connection.execute(f"comment on {kind} published.{table} is {quote(comment)}")
    described = connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'build' "
        "and comment is not null and (schema_name, table_name) = (?, ?)",
        [table.schema, table.name],
    ).fetchall()
    for column, comment in described:
        name = f"published.{table}.{quote_name(column)}"
        connection.execute(f"comment on column {name} is {quote(comment)}")


def _sign(publication: _Publication) -> None:
    """Write into the file which snapshot it is, for readers who are handed the file alone."""
    connection, snapshot = publication.connection, publication.snapshot
    connection.execute(
        "create table published.reference.snapshot as select "
        "?::varchar as snapshot_id, ?::varchar as build_id, ?::varchar as code_version, "
        "?::date as as_of, ?::timestamp as published_at",
        [
            snapshot.snapshot_id,
            publication.meta.build_id,
            snapshot.code_version,
            snapshot.as_of,
            snapshot.published_at,
        ],
    )
    for name, comment in _SIGNATURE.items():
        connection.execute(f"comment on {name} is {quote(comment)}")


_SIGNATURE = {
    "table published.reference.snapshot": "One row per snapshot: the one this file is.",
    "column published.reference.snapshot.snapshot_id": "Day and build; the name of the folder in the lake.",
    "column published.reference.snapshot.build_id": "Hash of deliveries, settings and code.",
    "column published.reference.snapshot.code_version": "Version of Moraine that built it.",
    "column published.reference.snapshot.as_of": "The day it is about (UTC).",
    "column published.reference.snapshot.published_at": "When it was first published (UTC).",
}
