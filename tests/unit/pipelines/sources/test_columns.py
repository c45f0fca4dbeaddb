"""Columns of files as columns of raw tables: a moment is the same moment however a provider spells it."""

import duckdb
import pytest

from pipelines.sources.columns import utc

MOMENT = "2024-05-06 22:37:48.123"


@pytest.mark.parametrize(
    "value, kind",
    [
        ("'2024-05-06T22:37:48.123Z'", "VARCHAR"),
        ("'2024-05-06 22:37:48.123'", "VARCHAR"),
        ("'2024-05-07T00:37:48.123+02:00'", "VARCHAR"),
        ("'2024-05-06T15:07:48.123-07:30'", "VARCHAR"),
        ("'2024-05-06 18:37:48.123 America/New_York'", "VARCHAR"),
        ("'1715035068123'", "VARCHAR"),
        ("1715035068123", "BIGINT"),
        ("timestamptz '2024-05-07 00:37:48.123+02'", "TIMESTAMP WITH TIME ZONE"),
        ("timestamp '2024-05-06 22:37:48.123'", "TIMESTAMP"),
    ],
)
def test_every_spelling_of_a_moment_is_the_same_utc(value: str, kind: str) -> None:
    assert spelled(value, kind) == MOMENT


@pytest.mark.parametrize("kind", ["VARCHAR", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "BIGINT"])
def test_no_moment_stays_none(kind: str) -> None:
    assert spelled("null", kind) is None


def test_a_moment_that_never_comes_is_not_lost() -> None:
    assert spelled("timestamptz 'infinity'", "TIMESTAMP WITH TIME ZONE") == "infinity"
    with pytest.raises(duckdb.ConversionException):
        spelled("'-infinity'", "VARCHAR")


def spelled(value: str, kind: str) -> str | None:
    """Return the text of a value of a file as a UTC timestamp."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        made = connection.execute(
            f"select typeof(moment), moment::varchar from (select {utc('value', kind)} as moment "
            f"from (select {value}::{kind} as value))"
        ).fetchone()
    assert made is not None
    assert made[0] == "TIMESTAMP"
    return None if made[1] is None else str(made[1])
