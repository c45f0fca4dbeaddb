"""A tolerance that could never fail is refused when the settings are read, with its line."""

import pytest

from pipelines.domain.configuration import Gates, parse_configuration
from pipelines.errors import Terminal
from pipelines.gates.suites import checks

SETTINGS = "lake: var/lake\nsources: [{name: a, kind: focus, uri: b}]\ngates:\n  "


@pytest.mark.parametrize(
    "limit, said",
    [
        pytest.param("max_inventory_age: 520w", "could never fail", id="an age of ten years"),
        pytest.param("max_inventory_age: 0h", "never pass", id="no age"),
        pytest.param("max_registry_age: 61d", "up to 60d", id="two months without a registry"),
        pytest.param("max_residual_share: 1", "less than 1", id="all of the bill"),
        pytest.param("max_residual_share: .inf", "finite", id="an infinite share"),
        pytest.param("max_inventory_difference: 1.0", "less than 1", id="all of the bytes"),
        pytest.param("max_inventory_difference: 0", "greater than 0", id="no bytes at all"),
        pytest.param("max_inventory_difference: .nan", "finite", id="no number"),
        pytest.param("max_daily_change: 10", "less than 10", id="what blocks anyway"),
        pytest.param("max_daily_change: 1", "greater than 1", id="every day the same"),
        pytest.param("max_daily_change: .inf", "finite", id="an infinite factor"),
        pytest.param("max_missing_days: 32", "less than or equal to 31", id="a whole window"),
        pytest.param("max_missing_days: -1", "greater than or equal to 0", id="fewer than none"),
    ],
)
def test_a_tolerance_that_cannot_fail_is_refused(limit: str, said: str) -> None:
    with pytest.raises(Terminal, match=said) as caught:
        parse_configuration(SETTINGS + limit + "\n", origin="moraine.yaml")
    assert caught.value.where == f"moraine.yaml, line 4, gates.{limit.partition(':')[0]}"
    assert caught.value.fix


def test_the_widest_tolerances_that_are_accepted_still_make_checks_that_can_fail() -> None:
    widest = parse_configuration(
        SETTINGS + "max_inventory_age: 60d\n  max_registry_age: 60d\n  max_residual_share: 0.999\n"
        "  max_inventory_difference: 0.999\n  max_daily_change: 9.99\n  max_missing_days: 31\n",
        origin="moraine.yaml",
    )
    assert len(checks(widest.gates)) == len(checks(Gates()))
