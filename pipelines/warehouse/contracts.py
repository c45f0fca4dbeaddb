"""Holds a built model to its yml: columns and types in order, the key unique and never null."""

import duckdb

from pipelines.domain.quoting import quote_name, quote_table
from pipelines.errors import Terminal
from pipelines.warehouse.models import Model

SHOWN_ROWS = 5


def check_contract(connection: duckdb.DuckDBPyConnection, model: Model, *, is_empty: bool = False) -> None:
    """Compare the built table or view with what its yml promises; no row of an empty one breaks its key.

    Raises:
        Terminal: naming the model and the first difference, or the key and up to five rows that break it.
    """
    check_columns(connection, model, model.table)
    if model.description.key_promised_by is None and not is_empty:
        _check_key(connection, model)


def check_columns(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> None:
    """Compare the columns of `table` with the model's yml.

    Raises:
        Terminal: naming the model and the first difference.
    """
    described = connection.execute(f"describe {quote_table(table)}").fetchall()
    made = [(str(name), _spelled(str(kind))) for name, kind, *_ in described]
    promised = [(name, _spelled(column.type)) for name, column in model.description.columns.items()]
    if made == promised:
        return
    position = next(
        (at for at, (left, right) in enumerate(zip(made, promised, strict=False)) if left != right),
        min(len(made), len(promised)),
    )
    raise Terminal(
        f"{model.table} does not have the columns its yml promises: column {position + 1} is "
        f"{_shown(made, position)}, promised is {_shown(promised, position)}",
        where=str(model.path),
        fix="Cast or reorder in the query, or correct the yml if the promise itself should change.",
    )


def _check_key(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    key = ", ".join(quote_name(column) for column in model.description.key)
    missing = " or ".join(f"{quote_name(column)} is null" for column in model.description.key)
    broken = connection.execute(
        f"select {key}, count(*) as times, {missing} as is_missing from {quote_table(model.table)} "
        f"group by {key} having times > 1 or is_missing order by is_missing desc limit {SHOWN_ROWS}"
    ).fetchall()
    nulls = [row[:-2] for row in broken if row[-1]]
    if nulls:
        raise _broken_key(model, "is null", nulls)
    if broken:
        twice = [row[:-1] for row in broken]
        raise _broken_key(model, "is not unique (the last figure is how often it occurs)", twice)


def _broken_key(model: Model, what: str, rows: list[tuple[object, ...]]) -> Terminal:
    shown = "; ".join("(" + ", ".join(str(value) for value in row) + ")" for row in rows)
    return Terminal(
        f"the key ({', '.join(model.description.key)}) of {model.table} {what}: {shown}",
        where=str(model.path),
        fix="Look for these rows in the tables it selects from: one of them holds them twice or incomplete.",
    )


def _spelled(kind: str) -> str:
    return kind.lower().replace(" ", "")


def _shown(columns: list[tuple[str, str]], position: int) -> str:
    return " ".join(columns[position]) if position < len(columns) else "nothing"
