"""THE DOOR to published facts: typed, read-only access to a snapshot.

A snapshot never changes, so whoever holds one keeps reading the same numbers while the next is published.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.domain.snapshots import Snapshot
from pipelines.domain.uris import BUCKET_SCHEMES
from pipelines.engine import connect
from pipelines.errors import Terminal
from pipelines.snapshots import current, resolve
from pipelines.stores import Store
from pipelines.stores.duckdb_files import FetchedFiles

__all__ = ["Row", "current", "of_day", "open_snapshot", "rows", "warehouse_path"]

Row = Mapping[str, Any]


def of_day(lake: Store, day: date) -> Snapshot:
    """Return the newest whole snapshot of a day.

    Raises:
        NotFound: there is none.
        Refused: it is not whole.
    """
    return resolve(lake, day.isoformat())


def warehouse_path(lake: Store, snapshot: Snapshot, scratch: Path) -> Path:
    """Return the DuckDB file on this machine; of a lake in a bucket, a copy below `scratch`.

    Raises:
        NotFound: the snapshot is no longer there.
    """
    return lake.fetch(snapshot.warehouse, scratch)


def open_snapshot(lake: Store, snapshot: Snapshot, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection; the caller closes it.

    Within one process DuckDB hands out the same instance for the same path. That is safe here, because the
    file of a snapshot never changes and every snapshot has its own path.

    Raises:
        NotFound: the snapshot is no longer there.
        Terminal: the file cannot be read.
    """
    path = warehouse_path(lake, snapshot, scratch)
    try:
        connection = connect(path, read_only=True)
    except duckdb.Error as error:
        raise Terminal(
            f"the published warehouse cannot be read: {error}",
            where=str(path),
            fix="Close programs that have it open for writing, or publish the day again.",
        ) from error
    scheme, _, root = lake.uri.partition("://")
    if scheme in BUCKET_SCHEMES:
        connection.register_filesystem(
            FetchedFiles(lambda file: lake.fetch(file.removeprefix(f"{root}/"), scratch))
        )
    return connection


def rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a query by column name; values are bound, never spliced."""
    answer = connection.execute(query, list(parameters))
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
