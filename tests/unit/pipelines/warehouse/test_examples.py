"""Given rows in, expected rows out."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import Terminal
from pipelines.warehouse.descriptions import Example
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.inputs import given_tables
from pipelines.warehouse.models import Model, find_models


@pytest.fixture
def models(root: Path, add_model: Callable[..., Path]) -> tuple[Model, ...]:
    add_model(
        "staging/s/stg_s__a",
        'select "ProviderName" as provider, "BilledCost" as cost from raw.focus',
        "provider varchar;cost decimal(38,12)",
    )
    add_model(
        "marts/b",
        "select provider, sum(cost) as cost, getvariable('as_of') as day, getvariable('share') as share "
        "from staging.stg_s__a group by all",
        "provider varchar;cost decimal(38,12);day date;share integer",
    )
    return find_models(root, given=given_tables())


@pytest.fixture
def mart(models: tuple[Model, ...]) -> Model:
    return models[-1]


def example(expect: list[dict[str, object]], **given: list[dict[str, object]]) -> Example:
    rows = {"staging.stg_s__a": given["charges"]} if "charges" in given else {}
    return Example(as_of=date(2026, 1, 31), variables={"share": 3}, given=rows, expect=expect)


CHARGES: list[dict[str, object]] = [
    {"provider": "aws", "cost": 0.1},
    {"provider": "aws", "cost": "0.000000000001"},
    {"provider": "gcp"},
]


def test_an_example_that_holds_has_no_differences(mart: Model, models: tuple[Model, ...]) -> None:
    expected: list[dict[str, object]] = [
        {"provider": "gcp", "cost": None, "day": date(2026, 1, 31), "share": 3},
        {"provider": "aws", "cost": "0.100000000001", "day": date(2026, 1, 31), "share": 3},
    ]
    assert run_example(mart, example(expected, charges=CHARGES), models) == []


def test_only_the_columns_that_are_named_are_compared(mart: Model, models: tuple[Model, ...]) -> None:
    expected: list[dict[str, object]] = [{"provider": "gcp"}, {"provider": "aws"}]
    assert run_example(mart, example(expected, charges=CHARGES), models) == []


def test_rows_that_differ_are_told_from_both_sides(mart: Model, models: tuple[Model, ...]) -> None:
    expected: list[dict[str, object]] = [{"provider": "aws", "cost": 0.1}, {"provider": "gcp"}]
    assert run_example(mart, example(expected, charges=CHARGES), models) == [
        "missing: provider=aws, cost=0.100000000000",
        "not expected: provider=aws, cost=0.100000000001",
    ]


def test_a_row_that_comes_twice_is_a_difference(models: tuple[Model, ...]) -> None:
    once = Example(
        given={"raw.focus": [{"ProviderName": "aws"}, {"ProviderName": "aws"}]},
        expect=[{"provider": "aws"}],
    )
    assert run_example(models[0], once, models) == ["not expected: provider=aws"]


def test_tables_that_are_not_given_are_empty(mart: Model, models: tuple[Model, ...]) -> None:
    assert run_example(mart, example([]), models) == []


@pytest.mark.parametrize(
    "wrong, problem",
    [
        pytest.param({"given": {"raw.focus": []}, "expect": []}, "not read by marts.b", id="table-not-read"),
        pytest.param(
            {"given": {"staging.stg_s__a": [{"costs": 1}]}, "expect": []}, "no column 'costs'", id="given"
        ),
        pytest.param({"expect": [{"costs": 1}]}, "no column 'costs'", id="expected"),
    ],
)
def test_a_typing_error_in_an_example_is_an_error(
    mart: Model, models: tuple[Model, ...], wrong: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        run_example(mart, Example.model_validate(wrong), models)


def test_a_result_with_other_columns_than_promised_is_refused(
    root: Path, add_model: Callable[..., Path]
) -> None:
    add_model("marts/c", "select 1 as n", "n bigint")
    models = find_models(root, given=given_tables())
    with pytest.raises(Terminal, match="column 1 is n integer, promised is n bigint"):
        run_example(models[0], Example(expect=[]), models)
