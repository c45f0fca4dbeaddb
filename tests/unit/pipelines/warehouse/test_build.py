"""Building the warehouse file."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Engine
from pipelines.errors import Terminal
from pipelines.warehouse.build import Inputs, ModelBuilt, build_warehouse
from pipelines.warehouse.models import Model, find_models

DAY = date(2026, 1, 31)
GIVEN = ("raw.focus", "reference.prices")


@pytest.fixture
def two_models(root: Path, add_model: Callable[..., Path]) -> tuple[Model, ...]:
    add_model("staging/s/stg_s__a", 'select "BilledCost" as cost from raw.focus', "cost decimal(38,12)")
    add_model(
        "marts/b",
        "select getvariable('as_of') as day, count(*) as n from staging.stg_s__a",
        "day date;n bigint",
        description='"One row per team\'s day."',
    )
    return find_models(root, given=GIVEN)


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_models_see_the_day_and_their_comments_explain_them(
    tmp_path: Path, two_models: tuple[Model, ...], engine: Engine
) -> None:
    path = tmp_path / "it's deep" / "warehouse.duckdb"
    report = build_warehouse(path, inputs=Inputs(), as_of=DAY, engine=engine, models=two_models)
    assert report.models == (ModelBuilt("staging.stg_s__a", None), ModelBuilt("marts.b", 1))
    assert read(path, "select * from marts.b") == [(DAY, 0)]
    assert read(path, "select comment from duckdb_tables() where table_name = 'b'") == [
        ("One row per team's day.",)
    ]
    comments = "select distinct comment from duckdb_columns() where table_name = 'b'"
    assert read(path, comments) == [("What it is.",)]


def test_nothing_but_the_warehouse_is_left_behind(
    tmp_path: Path, two_models: tuple[Model, ...], engine: Engine
) -> None:
    path = tmp_path / "out" / "warehouse.duckdb"
    for _ in range(2):
        build_warehouse(path, inputs=Inputs(), as_of=DAY, engine=engine, models=two_models)
    assert [entry.name for entry in path.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_failed_build_leaves_the_last_one_in_place(
    tmp_path: Path, root: Path, two_models: tuple[Model, ...], add_model: Callable[..., Path], engine: Engine
) -> None:
    path = tmp_path / "out" / "warehouse.duckdb"
    build_warehouse(path, inputs=Inputs(), as_of=DAY, engine=engine, models=two_models)
    broken = add_model("marts/c", "select 'x'::integer as n", "n integer")
    models = find_models(root, given=GIVEN)
    with pytest.raises(Terminal, match=r"marts\.c fails: Conversion Error") as failed:
        build_warehouse(path, inputs=Inputs(), as_of=date(2026, 2, 1), engine=engine, models=models)
    assert failed.value.where == str(broken)
    assert read(path, "select * from marts.b") == [(DAY, 0)]
    assert [entry.name for entry in path.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_model_that_breaks_its_contract_stops_the_build(
    tmp_path: Path, root: Path, add_model: Callable[..., Path], engine: Engine
) -> None:
    add_model("marts/c", "select n % 2 as n from range(3) as t(n)", "n bigint")
    models = find_models(root, given=GIVEN)
    path = tmp_path / "out" / "warehouse.duckdb"
    with pytest.raises(Terminal, match=r"key \(n\) of marts\.c is not unique"):
        build_warehouse(path, inputs=Inputs(), as_of=DAY, engine=engine, models=models)
    assert list(path.parent.iterdir()) == []


def test_too_little_memory_names_the_setting(
    tmp_path: Path, root: Path, add_model: Callable[..., Path]
) -> None:
    sql = "select list(n order by n desc) as numbers from range(20000000) as t(n)"
    add_model("marts/c", sql, "numbers bigint[]")
    models = find_models(root, given=GIVEN)
    small = Engine(memory_limit="20MB", threads=1, temp_directory=str(tmp_path / "spill"))
    with pytest.raises(Terminal) as failed:
        build_warehouse(tmp_path / "w.duckdb", inputs=Inputs(), as_of=DAY, engine=small, models=models)
    assert "engine.memory_limit" in failed.value.fix
