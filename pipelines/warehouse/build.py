"""Builds the warehouse: one DuckDB file, a schema per layer, made anew and put in place whole."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine
from pipelines.domain.quoting import quote, quote_name, quote_table
from pipelines.domain.snapshots import STORAGE_VERSION
from pipelines.engine import connect
from pipelines.errors import Terminal
from pipelines.warehouse.contracts import check_contract
from pipelines.warehouse.inputs import Inputs, load_inputs
from pipelines.warehouse.models import Model, shipped_models

__all__ = ["BuildReport", "Engine", "Inputs", "ModelBuilt", "build_warehouse"]

MANY_ROWS = 1_000
SCHEMAS = ("raw", "reference", "staging", "intermediate", "marts")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelBuilt:
    """One model that was built and kept its contract."""

    table: str
    row_count: int | None
    """None for a view."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built, in build order."""

    path: Path
    as_of: date
    models: tuple[ModelBuilt, ...]


def build_warehouse(
    path: Path,
    *,
    inputs: Inputs,
    as_of: date,
    engine: Engine,
    models: Sequence[Model] | None = None,
) -> BuildReport:
    """Build every model from `inputs` into the DuckDB file `path`, replacing what was there in one step.

    Raises:
        Terminal: a model fails or breaks its contract; the file at `path` stays as it was.
    """
    ordered = shipped_models() if models is None else models
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.building")
    _remove(unfinished)
    try:
        with _writing(unfinished, engine) as connection:
            set_as_of(connection, as_of)
            with _at_once(connection):
                load_inputs(connection, inputs)
                built = tuple(_in_turn(connection, ordered))
        _flush(unfinished)
        unfinished.replace(path)
    finally:
        _remove(unfinished)
    _log.info("built %s as of %s: %d models", path, as_of, len(built))
    return BuildReport(path, as_of, built)


def open_engine(engine: Engine) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB that keeps to its share of the machine and never fetches extensions."""
    connection = connect()
    spill = Path(engine.temp_directory)
    spill.mkdir(parents=True, exist_ok=True)
    connection.execute(f"set memory_limit = {quote(engine.memory_limit)}")
    connection.execute(f"set threads = {engine.threads:d}")
    connection.execute(f"set temp_directory = {quote(str(spill))}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set TimeZone = 'UTC'")
    return connection


def set_as_of(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Let the models see the run's date."""
    connection.execute(f"set variable as_of = date {quote(as_of.isoformat())}")


@contextmanager
def _writing(path: Path, engine: Engine) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_engine(engine)
    try:
        connection.execute(f"attach {quote(str(path))} as warehouse (storage_version '{STORAGE_VERSION}')")
        connection.execute("use warehouse")
        for schema in SCHEMAS:
            connection.execute(f"create schema {quote_name(schema)}")
        yield connection
        connection.execute("checkpoint warehouse")
        connection.execute("use memory")
        connection.execute("detach warehouse")
    finally:
        connection.close()


@contextmanager
def _at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    # Each statement alone would be written to the disk alone, which takes longer than most of them.
    connection.execute("begin")
    yield
    connection.execute("commit")


def _in_turn(connection: duckdb.DuckDBPyConnection, models: Sequence[Model]) -> Iterator[ModelBuilt]:
    for model in models:
        built = _build(connection, model)
        if (built.row_count or 0) >= MANY_ROWS:
            # Of rows that are not committed DuckDB has no statistics, and later joins begin at the wrong end.
            connection.execute("commit")
            connection.execute("begin")
        yield built


def _build(connection: duckdb.DuckDBPyConnection, model: Model) -> ModelBuilt:
    kind = "view" if model.is_view else "table"
    try:
        made = connection.execute(f"create {kind} {quote_table(model.table)} as {model.sql}").fetchall()
        row_count = None if model.is_view else int(made[0][0])
        check_contract(connection, model, is_empty=row_count == 0)
    except duckdb.Error as error:
        raise _failed(model, error) from error
    if model.layer == "marts":
        _comment(connection, model, kind)
    return ModelBuilt(model.table, row_count)


def _failed(model: Model, error: duckdb.Error) -> Terminal:
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "Raise engine.memory_limit in moraine.yaml, or give engine.temp_directory more room."
    else:
        fix = "Look at the rows that this model reads; its yml says what they should be."
    return Terminal(f"{model.table} fails: {error}", where=str(model.path), fix=fix)


def _comment(connection: duckdb.DuckDBPyConnection, model: Model, kind: str) -> None:
    table = quote_table(model.table)
    connection.execute(f"comment on {kind} {table} is {quote(model.description.description)}")
    for name, column in model.description.columns.items():
        text = f"{column.meaning} ({column.unit})" if column.unit else column.meaning
        connection.execute(f"comment on column {table}.{quote_name(name)} is {quote(text)}")


def _flush(path: Path) -> None:
    with path.open("rb") as built:
        os.fsync(built.fileno())


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
