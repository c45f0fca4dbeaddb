"""The checks as data: each can fail, each has a reason, and keys are those the models promise."""

from decimal import Decimal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.domain.configuration import Gates
from pipelines.gates.suites import KEYS, Bounds, checks

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


def test_every_check_has_a_name_of_its_own_and_a_reason() -> None:
    suite = checks(Gates())

    assert len({check.check_id for check in suite}) == len(suite)
    assert all(len(check.reason) > 30 for check in suite)


@pytest.mark.parametrize("table", [table for table, _, _ in KEYS])
def test_unique_keys_are_the_keys_that_the_models_promise(table: str) -> None:
    key = next(key for name, key, _ in KEYS if name == table)

    description = YAML(typ="safe").load((MARTS / f"{table}.yml").read_text(encoding="utf-8"))
    assert list(key) == list(description["key"])
