"""The checks as data: each can fail, each has a reason, and keys are those the models promise."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.domain.configuration import Gates
from pipelines.gates.check import Bounds
from pipelines.gates.suites import checks
from pipelines.gates.tables import KEYS, REQUIRED
from pipelines.warehouse.descriptions import read_description

MARTS = Path(__file__).parents[4] / "sql" / "marts"


@pytest.mark.parametrize(
    "at_least, at_most",
    [
        pytest.param(None, None, id="no bound"),
        pytest.param(None, Decimal("Infinity"), id="at most infinity"),
        pytest.param(Decimal("-Infinity"), None, id="at least minus infinity"),
        pytest.param(Decimal(0), Decimal("NaN"), id="not a number"),
        pytest.param(Decimal(2), Decimal(1), id="upside down"),
    ],
)
def test_bounds_that_decide_nothing_are_refused(at_least: Decimal | None, at_most: Decimal | None) -> None:
    with pytest.raises(ValueError, match="bound"):
        Bounds(at_least, at_most)


@pytest.mark.parametrize(
    "check_id, at_most",
    [
        pytest.param("costs_have_owners", 1, id="a share of everything"),
        pytest.param("inventory_is_fresh", 87_600, id="ten years"),
        pytest.param("bill_is_fresh", 365, id="a year of days"),
        pytest.param("costs_are_like_the_weekday", 1_000, id="a thousand times"),
    ],
)
def test_bounds_that_are_wider_than_the_data_are_refused(check_id: str, at_most: int) -> None:
    (check,) = (check for check in checks(Gates()) if check.check_id == check_id)
    with pytest.raises(ValueError, match=f"{check_id} could never fail"):
        replace(check, bounds=Bounds(at_most=Decimal(at_most)))


def test_every_check_has_a_name_of_its_own_and_a_reason() -> None:
    suite = checks(Gates())

    assert len({check.check_id for check in suite}) == len(suite)
    assert all(len(check.reason) > 30 for check in suite)
    assert all(check.expected for check in suite)


def test_what_only_warns_within_its_bounds_warns_before_it_blocks() -> None:
    for check in checks(Gates()):
        if check.warns_beyond:
            assert check.level == "block"
            assert check.warns_beyond.at_most is not None
            assert check.bounds.at_most is not None
            assert check.warns_beyond.at_most < check.bounds.at_most


def test_every_mart_has_its_keys_and_values_checked() -> None:
    assert set(KEYS) == set(REQUIRED) == {path.stem for path in MARTS.glob("*.sql")}


@pytest.mark.parametrize("table", KEYS)
def test_keys_and_columns_are_those_that_the_models_promise(table: str) -> None:
    description = read_description(MARTS / f"{table}.sql")
    assert KEYS[table] == description.key
    assert set(REQUIRED[table]) <= set(description.columns)
    assert not set(REQUIRED[table]) & set(KEYS[table])


def test_a_change_of_columns_can_be_allowed() -> None:
    levels = {
        allowed: next(
            check.level
            for check in checks(Gates(allow_schema_change=allowed))
            if check.check_id == "columns_are_stable"
        )
        for allowed in (False, True)
    }
    assert levels == {False: "block", True: "warn"}
