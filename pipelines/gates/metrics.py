"""The numbers that checks look at, and the rows behind a wrong one: queries that DuckDB answers."""

from dataclasses import dataclass
from decimal import Decimal

import duckdb

from pipelines.gates.check import Check, Shared

SHOWN_ROWS = 20
_LONGEST = 300

Number = int | float | Decimal
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """One number, for one scope. None when there is none: an empty sum, or a query that failed."""

    scope: str
    number: Number | None
    example: str = ""


def share(connection: duckdb.DuckDBPyConnection, shared: Shared) -> str:
    """Make what several checks read; return why it cannot be made, or nothing."""
    try:
        connection.execute(f"create or replace temporary table {shared.name} as {shared.query}")
    except duckdb.Error as error:
        return _first_line(error)
    return ""


def measure(connection: duckdb.DuckDBPyConnection, check: Check) -> list[Measured]:
    """Return the check's numbers; a query that fails is a number that is missing, with the reason."""
    try:
        rows = connection.execute(check.metric).fetchall()
    except duckdb.Error as error:
        return [unmeasured(check, _first_line(error))]
    return [Measured(str(scope), number, str(example or "")) for scope, number, example in rows]


def unmeasured(check: Check, fault: str) -> Measured:
    """Return the number that a check has when it cannot be computed."""
    return Measured("", None, f"{check.table} cannot be checked: {fault}")


def offenders(connection: duckdb.DuckDBPyConnection, check: Check, scope: str) -> tuple[Row, ...]:
    """Return up to 20 rows that are wrong, the worst first: texts by column name, long ones cut."""
    try:
        answer = connection.execute(
            f"select * exclude (scope) from ({check.offenders}) where scope = ? limit {SHOWN_ROWS}", [scope]
        )
        names = [column[0] for column in answer.description or []]
        return tuple(dict(zip(names, map(_cut, row), strict=True)) for row in answer.fetchall())
    except duckdb.Error:
        # The number could not be computed either, and its check has said why.
        return ()


def _cut(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
