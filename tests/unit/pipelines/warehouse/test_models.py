"""Finding and ordering models."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import Terminal
from pipelines.warehouse.models import find_models, sql_root, tables_read

GIVEN = ("raw.things", "reference.prices")


def test_models_come_after_the_tables_they_select_from(root: Path, add_model: Callable[..., Path]) -> None:
    add_model("marts/a", "select * from intermediate.int_b", "x bigint")
    add_model("intermediate/int_b", "select * from staging.stg_s__c", "x bigint")
    add_model("staging/s/stg_s__c", "select * from raw.things", "x bigint")
    tables = [model.table for model in find_models(root, given=GIVEN)]
    assert tables == ["staging.stg_s__c", "intermediate.int_b", "marts.a"]


def test_staging_models_are_views_and_others_tables_unless_they_say_otherwise(
    root: Path, add_model: Callable[..., Path]
) -> None:
    add_model("staging/s/stg_s__a", "select * from raw.things", "x bigint")
    add_model("staging/s/stg_s__b", "select * from raw.things", "x bigint", materialized="table")
    add_model("marts/c", "select 1 as x", "x integer")
    views = {model.name: model.is_view for model in find_models(root, given=GIVEN)}
    assert views == {"stg_s__a": True, "stg_s__b": False, "c": False}


def test_a_ctes_name_is_no_table() -> None:
    sql = "with a as (select * from raw.things), b as (select * from a) select * from b, range(3) as numbers"
    assert tables_read(sql, origin="x.sql") == ("raw.things",)


@pytest.mark.parametrize(
    "table, sql, problem",
    [
        pytest.param("marts/a", "select * from raw.things", "selects from raw.things", id="mart-reads-raw"),
        pytest.param(
            "staging/s/a", "select * from staging.b", "selects from staging.b", id="staging-reads-staging"
        ),
        pytest.param(
            "intermediate/a", "select * from marts.b", "selects from marts.b", id="against-the-flow"
        ),
        pytest.param("marts/a", "select * from staging.none", "which nothing makes", id="unknown-table"),
        pytest.param("staging/s/a", "select * from raw.thing", "which nothing makes", id="unknown-raw-table"),
        pytest.param("marts/a", "select * from things", "has no schema", id="bare-table"),
        pytest.param("marts/a", "select 1; select 2", "not one bare select", id="two-statements"),
        pytest.param("marts/a", "create table x as select 1", "not one bare select", id="not-a-select"),
        pytest.param(
            "marts/a",
            "-- One\nwith x as (select 1 as n) insert into raw.things select n from x",
            "not one bare select",
            id="changes-something",
        ),
        pytest.param("marts/a", "select from where", "not readable as SQL", id="no-sql"),
        pytest.param("attic/a", "select 1 as x", "is not a layer", id="no-layer"),
    ],
)
def test_a_model_that_breaks_the_law_is_refused(
    root: Path, add_model: Callable[..., Path], table: str, sql: str, problem: str
) -> None:
    path = add_model(table, sql, "x bigint")
    with pytest.raises(Terminal, match=problem) as refused:
        find_models(root, given=GIVEN)
    assert refused.value.where == str(path)


def test_a_circle_is_named(root: Path, add_model: Callable[..., Path]) -> None:
    add_model("marts/a", "select * from marts.b", "x bigint")
    add_model("marts/b", "select * from marts.c", "x bigint")
    add_model("marts/c", "select * from marts.a", "x bigint")
    with pytest.raises(Terminal, match="in a circle: marts") as refused:
        find_models(root, given=GIVEN)
    for name in ("marts.a", "marts.b", "marts.c"):
        assert name in refused.value.what


def test_a_model_without_yml_is_refused(root: Path, add_model: Callable[..., Path]) -> None:
    add_model("marts/a", "select 1 as x", "x integer").with_suffix(".yml").unlink()
    with pytest.raises(Terminal, match="model a has no yml"):
        find_models(root, given=GIVEN)


def test_two_models_of_one_name_are_refused(root: Path, add_model: Callable[..., Path]) -> None:
    add_model("staging/s/stg_a", "select * from raw.things", "x bigint")
    add_model("staging/t/stg_a", "select * from raw.things", "x bigint")
    with pytest.raises(Terminal, match=r"two models are called staging\.stg_a"):
        find_models(root, given=GIVEN)


def test_the_models_of_the_checkout_are_found() -> None:
    assert (sql_root() / "marts" / "costs_daily.sql").is_file()
