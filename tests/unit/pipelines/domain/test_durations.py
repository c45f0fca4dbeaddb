"""Lengths of time as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    "text, span",
    [
        ("48h", timedelta(hours=48)),
        ("3d", timedelta(days=3)),
        ("90m", timedelta(minutes=90)),
        ("2w", timedelta(weeks=2)),
        ("3 d", timedelta(days=3)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_a_length_is_a_whole_number_and_a_unit(text: object, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "3", "d", "-3d", "3.5d", "3days", "3d\n", "3 months", 3, None, "9" * 30 + "w"]
)
def test_anything_else_is_refused_with_a_reason(text: object) -> None:
    with pytest.raises(ValueError, match="write a"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10_000_000))
def test_what_is_written_is_read_back(minutes: int) -> None:
    span = timedelta(minutes=minutes)
    assert parse_duration(format_duration(span)) == span
