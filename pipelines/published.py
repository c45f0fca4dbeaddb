"""THE DOOR to published facts: typed, read-only access to a snapshot.

A snapshot never changes, so whoever holds one keeps reading the same numbers while the next is published.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pipelines.domain.snapshots import POINTER, Snapshot, snapshot_key
from pipelines.errors import NotFound, Terminal
from pipelines.stores import Store
from pipelines.stores.duckdb_files import FetchedFiles

Row = Mapping[str, Any]


def current(lake: Store) -> Snapshot:
    """Return the snapshot that the pointer names.

    Raises:
        NotFound: nothing was published yet.
        Terminal: the pointer names something that is not a snapshot.
    """
    try:
        pointer = lake.read(POINTER)
    except NotFound:
        raise NotFound(
            "nothing was published yet",
            where=f"{lake.uri}/{POINTER}",
            fix="Run 'moraine run' first; it publishes when every blocking check passes.",
        ) from None
    try:
        return _snapshot(lake, str(json.loads(pointer)["snapshot_id"]))
    except (ValueError, KeyError, TypeError, NotFound):
        raise Terminal(
            "the pointer does not name a whole snapshot",
            where=f"{lake.uri}/{POINTER}",
            fix="Run 'moraine publish' again; it writes the snapshot first and the pointer last.",
        ) from None


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
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
        )
    except duckdb.Error as error:
        raise Terminal(
            f"the published warehouse cannot be read: {error}",
            where=str(path),
            fix="Close programs that have it open for writing, or publish the day again.",
        ) from error
    if lake.uri.startswith("s3://"):
        root = lake.uri.removeprefix("s3://") + "/"
        connection.register_filesystem(
            FetchedFiles(lambda file: lake.fetch(file.removeprefix(root), scratch))
        )
    return connection


def rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a query by column name; values are bound, never spliced."""
    answer = connection.execute(query, list(parameters))
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _snapshot(lake: Store, snapshot_id: str) -> Snapshot:
    return Snapshot.from_json(json.loads(lake.read(snapshot_key(snapshot_id, "snapshot.json"))))
