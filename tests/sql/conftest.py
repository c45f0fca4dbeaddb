"""Rows in their landed form, and the warehouse that is built from them."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import duckdb
import pytest

from pipelines.domain.clean_ups import CleanUp
from pipelines.domain.configuration import Engine
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.domain.teams import Teams
from pipelines.warehouse.build import Inputs, build_warehouse
from pipelines.warehouse.inputs import fill_table
from pipelines.warehouse.models import Model, shipped_models

Rows = Sequence[Mapping[str, object]]


class Build(Protocol):
    def __call__(
        self,
        rows: Mapping[str, Rows | str],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
        clean_ups: Sequence[CleanUp] = (),
    ) -> duckdb.DuckDBPyConnection: ...


@pytest.fixture
def build(tmp_path: Path, request: pytest.FixtureRequest) -> Build:
    """Land rows (or what a query returns), build some marts and all they rest on, open the result."""

    def run(
        rows: Mapping[str, Rows | str],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
        clean_ups: Sequence[CleanUp] = (),
    ) -> duckdb.DuckDBPyConnection:
        folder = tmp_path / f"build-{sum(1 for _ in tmp_path.iterdir())}"
        folder.mkdir()
        inputs = Inputs(
            files={table: (landed(folder, table, given),) for table, given in rows.items()},
            teams=teams or Teams(),
            clean_ups=clean_ups,
        )
        path = folder / "warehouse.duckdb"
        engine = Engine(memory_limit="1GB", temp_directory=str(folder / "spill"))
        build_warehouse(path, inputs=inputs, as_of=as_of, engine=engine, models=needed_for(marts))
        connection = duckdb.connect(str(path), read_only=True)
        request.addfinalizer(connection.close)
        return connection

    return run


def landed(folder: Path, table: str, given: Rows | str) -> Path:
    path = folder / f"{table}.parquet"
    with duckdb.connect() as writer:
        if isinstance(given, str):
            missing = ", ".join(f"null::{kind} as {name}" for name, kind in RAW_TABLES[table])
            columns = ", ".join(f"{name}::{kind} as {name}" for name, kind in RAW_TABLES[table])
            writer.execute(f"create view given as {given}")
            writer.execute(
                f"create view landed as select {columns} from "
                f"(select {missing} where false union all by name select * from given)"
            )
        else:
            values = [[row.get(name) for name, _ in RAW_TABLES[table]] for row in given]
            writer.execute("create schema raw")
            fill_table(writer, "raw.landed", RAW_TABLES[table], values)
            writer.execute("create view landed as from raw.landed")
        writer.execute(f"copy landed to '{path}' (format parquet)")
    return path


def needed_for(marts: Sequence[str]) -> tuple[Model, ...]:
    needed = set(marts)
    chosen = []
    for model in reversed(shipped_models()):
        if model.table in needed:
            needed.update(model.depends_on)
            chosen.append(model)
    return tuple(reversed(chosen))
