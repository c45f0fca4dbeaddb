"""Results of checks, kept in the warehouse that they judge: `marts.quality_results`."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from pipelines.domain.snapshots import CheckResult
from pipelines.engine import connect
from pipelines.errors import NotFound, Terminal

TABLE = "marts.quality_results"
COMMENT = (
    "One row per check and scope: what was expected of the warehouse, and what was seen before publishing it."
)
COLUMNS = {
    "check_id": ("varchar", "Stable name of the check."),
    "table_name": ("varchar", "The table it judges."),
    "level": (
        "varchar",
        "block: a failure keeps the build from being published. warn: it is published and says so.",
    ),
    "passed": ("boolean", "True too when the check was skipped; then observed starts with 'skipped'."),
    "observed": ("varchar", "What was measured, and the worst offender."),
    "expected": ("varchar", "What would have passed."),
    "reason": ("varchar", "Why it matters, and the observation behind the bound."),
    "scope": ("varchar", "The bucket or provider the row speaks for; empty for the whole table."),
    "excludes": ("boolean", "True where a failure keeps the bucket that it speaks for out of the clean-up."),
    "offenders": ("varchar", "Up to 20 rows that are wrong, the worst first: a JSON array of objects."),
}


def open_build(warehouse: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Return a connection to a built warehouse; the caller closes it.

    Raises:
        NotFound: nothing was built there.
        Terminal: the file cannot be read.
    """
    if not warehouse.is_file():
        raise NotFound(
            "there is no built warehouse to check", where=str(warehouse), fix="Run 'moraine build' first."
        )
    try:
        return connect(warehouse, read_only=read_only)
    except duckdb.Error as error:
        raise Terminal(
            f"the built warehouse cannot be opened: {str(error).splitlines()[0]}",
            where=str(warehouse),
            fix="Close programs that have the file open, or run 'moraine build' again.",
        ) from error


def write_results(connection: duckdb.DuckDBPyConnection, results: Sequence[CheckResult]) -> None:
    """Replace the table of results, in one transaction."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    connection.execute("begin")
    connection.execute(f"create or replace table {TABLE} ({columns})")
    connection.execute(f"comment on table {TABLE} is '{COMMENT}'")
    for name, (_, meaning) in COLUMNS.items():
        connection.execute(f"comment on column {TABLE}.{name} is '{meaning.replace(chr(39), chr(39) * 2)}'")
    marks = ", ".join("?" * len(COLUMNS))
    connection.executemany(f"insert into {TABLE} values ({marks})", list(map(_row, results)))
    connection.execute("commit")


def read_results(warehouse: Path) -> list[CheckResult]:
    """Return what the last check of this build found; nothing when it was not checked.

    Raises:
        NotFound: nothing was built there.
        Terminal: the file cannot be read.
    """
    with closing(open_build(warehouse, read_only=True)) as connection:
        try:
            rows = connection.execute(f"select {', '.join(COLUMNS)} from {TABLE}").fetchall()
        except duckdb.CatalogException:
            return []
    return list(map(_result, rows))


def _row(result: CheckResult) -> list[object]:
    values = {name: getattr(result, name) for name in COLUMNS}
    return list({**values, "offenders": json.dumps(result.offenders, ensure_ascii=False)}.values())


def _result(row: Sequence[Any]) -> CheckResult:
    values = dict(zip(COLUMNS, row, strict=True))
    return CheckResult(**{**values, "offenders": tuple(json.loads(values["offenders"]))})
