"""Conditions mean what S3 says they mean."""

from datetime import datetime

import pytest

from pipelines.demo.conditions import Conditions, State

STATE = State('"abc"', datetime(2026, 11, 1, 12, 0, 0, 900_000))
BEFORE = "Sun, 01 Nov 2026 11:59:59 GMT"
SAME_SECOND = "Sun, 01 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "conditions, failed",
    [
        pytest.param(Conditions(), "", id="nothing asked"),
        pytest.param(Conditions(match='"abc"'), "", id="right, quoted"),
        pytest.param(Conditions(match="abc"), "", id="right, bare"),
        pytest.param(Conditions(match="*"), "", id="any"),
        pytest.param(Conditions(match='"other"'), "If-Match", id="wrong"),
        pytest.param(Conditions(none_match='"abc"'), "If-None-Match", id="must differ, is the same"),
        pytest.param(Conditions(none_match="*"), "If-None-Match", id="must not exist, exists"),
        pytest.param(Conditions(none_match='"other"'), "", id="must differ, differs"),
        pytest.param(Conditions(unmodified_since=BEFORE), "If-Unmodified-Since", id="changed since"),
        pytest.param(Conditions(unmodified_since=SAME_SECOND), "", id="seconds, not fractions, count"),
        pytest.param(Conditions(match='"abc"', unmodified_since=BEFORE), "", id="a match outweighs the time"),
        pytest.param(Conditions(modified_since=SAME_SECOND), "If-Modified-Since", id="not changed since"),
        pytest.param(Conditions(modified_since=BEFORE), "", id="changed, as asked"),
    ],
)
def test_a_condition_on_what_exists(conditions: Conditions, failed: str) -> None:
    assert conditions.failed(STATE) == failed


@pytest.mark.parametrize(
    "conditions, failed",
    [
        pytest.param(Conditions(match='"abc"'), "If-Match", id="a match needs an object"),
        pytest.param(Conditions(match="*"), "If-Match", id="any needs an object"),
        pytest.param(Conditions(none_match="*"), "", id="must not exist, does not"),
    ],
)
def test_a_condition_on_what_does_not_exist(conditions: Conditions, failed: str) -> None:
    assert conditions.failed(None) == failed
