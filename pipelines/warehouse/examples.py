"""Runs the examples of a model's yml: given rows in, expected rows out."""

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from pipelines.domain.quoting import quote, quote_name, quote_table
from pipelines.domain.raw_tables import Columns
from pipelines.domain.teams import Teams
from pipelines.engine import connect
from pipelines.warehouse.build import SCHEMAS, set_as_of
from pipelines.warehouse.contracts import check_columns
from pipelines.warehouse.descriptions import Example, Row
from pipelines.warehouse.inputs import fill_table, given_tables, load_reference
from pipelines.warehouse.models import Model

_OUTCOME = "example_outcome"
_EXPECTED = "example_expected"


def run_example(model: Model, example: Example, models: Sequence[Model]) -> list[str]:
    """Return the differences between what the example expects and what the model makes of the given rows.

    `models` are where the columns of the tables it reads come from.

    Raises:
        Terminal: the model's columns are not those of its yml.
        ValueError: the example names a table or column that the model does not read.
    """
    known = _columns_of_tables(models)
    _check_names(model, example, known)
    connection = connect()
    try:
        _set_variables(connection, example)
        _load_given(connection, model, example, known)
        connection.execute(f"create table {_OUTCOME} as {model.sql}")
        check_columns(connection, model, _OUTCOME)
        return list(_differences(connection, model, example))
    finally:
        connection.close()


def _columns_of_tables(models: Sequence[Model]) -> Mapping[str, Columns]:
    made = {
        model.table: tuple((name, column.type) for name, column in model.description.columns.items())
        for model in models
    }
    return {**given_tables(), **made}


def _check_names(model: Model, example: Example, known: Mapping[str, Columns]) -> None:
    for table, rows in example.given.items():
        if table not in model.depends_on:
            raise ValueError(f"given {table} is not read by {model.table}")
        _check_columns_exist(table, rows, known[table])
    _check_columns_exist(model.table, example.expect, known[model.table])


def _check_columns_exist(table: str, rows: Sequence[Row], columns: Columns) -> None:
    names = {name for name, _ in columns}
    for row in rows:
        unknown = sorted(set(row) - names)
        if unknown:
            raise ValueError(f"{table} has no column {unknown[0]!r}")


def _set_variables(connection: duckdb.DuckDBPyConnection, example: Example) -> None:
    connection.execute("set TimeZone = 'UTC'")
    if example.as_of:
        set_as_of(connection, example.as_of)
    for name, value in example.variables.items():
        spelled = quote(value) if isinstance(value, str) else str(value)
        connection.execute(f"set variable {quote_name(name)} = {spelled}")


def _load_given(
    connection: duckdb.DuckDBPyConnection, model: Model, example: Example, known: Mapping[str, Columns]
) -> None:
    for schema in SCHEMAS:
        connection.execute(f"create schema {quote_name(schema)}")
    if any(table.startswith("reference.") for table in model.depends_on):
        load_reference(connection, Teams())
    for table in model.depends_on:
        if table in example.given or not table.startswith("reference."):
            rows = [_in_order(row, known[table]) for row in example.given.get(table, [])]
            fill_table(connection, table, known[table], rows)


def _in_order(row: Row, columns: Columns) -> list[object]:
    return [_bindable(row.get(name)) for name, _ in columns]


def _bindable(value: object) -> object:
    # YAML's own kinds of text, number and time: DuckDB casts them from how they are written.
    return value if value is None or isinstance(value, (bool, list)) else str(value)


def _differences(connection: duckdb.DuckDBPyConnection, model: Model, example: Example) -> Iterator[str]:
    named = {name for row in example.expect for name in row}
    columns = tuple(
        (name, column.type)
        for name, column in model.description.columns.items()
        if name in named or not named
    )
    fill_table(connection, _EXPECTED, columns, [_in_order(row, columns) for row in example.expect])
    listed = ", ".join(quote_name(name) for name, _ in columns)
    made, expected = f"select {listed} from {_OUTCOME}", f"select {listed} from {quote_table(_EXPECTED)}"
    for label, left, right in (("missing", expected, made), ("not expected", made, expected)):
        for row in connection.execute(f"({left}) except all ({right}) order by all").fetchall():
            shown = ", ".join(f"{name}={value}" for (name, _), value in zip(columns, row, strict=True))
            yield f"{label}: {shown}"
