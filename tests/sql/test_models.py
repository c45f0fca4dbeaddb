"""Every model of `sql/` against the house rules and against the examples of its own yml."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Engine
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.descriptions import Example, read_description
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.inputs import Inputs, given_tables
from pipelines.warehouse.models import Model, find_models, shipped_models, sql_root
from pipelines.warehouse.portability import unportable

MODELS = shipped_models()
EXAMPLES = [
    pytest.param(model, example, id=f"{model.name}:{name}")
    for model in MODELS
    for name, example in read_description(model.path).tests.items()
]
every_model = pytest.mark.parametrize("model", [pytest.param(model, id=model.table) for model in MODELS])


@pytest.mark.parametrize("model, example", EXAMPLES)
def test_the_example_comes_out_as_expected(model: Model, example: Example) -> None:
    assert run_example(model, example, MODELS) == []


def test_what_is_read_fast_is_what_is_read_strictly() -> None:
    strict = find_models(sql_root(), given=given_tables())
    assert [model.table for model in MODELS] == [model.table for model in strict]
    for fast, whole in zip(MODELS, strict, strict=True):
        assert (fast.sql, fast.depends_on) == (whole.sql, whole.depends_on)
        assert fast.description.model_dump() == whole.description.model_dump(exclude={"tests"})


@every_model
def test_a_model_opens_with_its_grain_and_ends_with_one_select(model: Model) -> None:
    lines = model.sql.rstrip().splitlines()
    assert lines[0].startswith("-- One row per ")
    assert lines[-1].startswith("select * from ")


@every_model
def test_a_model_means_the_same_on_both_engines(model: Model) -> None:
    assert unportable(model.sql) == []


@every_model
def test_a_model_lies_in_the_folder_of_its_kind(model: Model) -> None:
    if model.layer == "staging":
        assert model.name.startswith(f"stg_{model.path.parent.name}__")
    else:
        assert model.path.parent.name == model.layer
        assert model.name.startswith("int_") == (model.layer == "intermediate")


def test_every_model_below_the_marts_has_a_reader() -> None:
    read = {table for model in MODELS for table in model.depends_on}
    unread = [model.table for model in MODELS if model.layer != "marts" and model.table not in read]
    assert unread == []


def test_what_a_view_of_the_marts_reads_later_asks_for_no_variable_of_the_build() -> None:
    views = {model.table: model for model in MODELS if model.is_view}
    read_later = [model for model in views.values() if model.layer == "marts"]
    for model in read_later:
        read_later += [views[table] for table in model.depends_on if table in views]
    assert "intermediate.int_objects_grouped_to_checkpoints" in {model.table for model in read_later}
    assert [model.table for model in read_later if "getvariable" in model.sql] == []


def test_a_build_without_any_delivery_makes_every_table_empty(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    engine = Engine(temp_directory=str(tmp_path / "spill"))
    report = build_warehouse(path, inputs=Inputs(), as_of=date(2026, 1, 31), engine=engine)
    assert [built.table for built in report.models] == [model.table for model in MODELS]
    with duckdb.connect(str(path), read_only=True) as connection:
        uncommented = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where schema_name = 'marts' and comment is null"
        ).fetchall()
    assert uncommented == []
