"""Which deliveries count on a day."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from pipelines.domain.deliveries import Landed, in_force, in_history

AS_OF = date(2026, 11, 19)


def landed(delivered: str, delivery_id: str = "a", **changes: str) -> Landed:
    """Return a delivery that arrived at a moment."""
    plain = Landed(
        source="bill",
        kind="aws-cur2",
        table="aws_cur2",
        delivery_id=delivery_id,
        delivered_at=datetime.fromisoformat(delivered),
        scope="2026-11",
        checksum="c",
        row_count=1,
        byte_count=1,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_the_newest_of_a_scope_is_in_force_in_any_order() -> None:
    older, newer = landed("2026-11-18", "z"), landed("2026-11-19", "a")
    assert in_force([older, newer], AS_OF) == [newer] == in_force([newer, older], AS_OF)


def test_scopes_tables_and_sources_stand_beside_one_another() -> None:
    entries = [
        landed("2026-11-18"),
        landed("2026-11-18", scope="2026-10"),
        landed("2026-11-18", source="other"),
        landed("2026-11-18", table="focus"),
    ]
    assert len(in_force(entries, AS_OF)) == 4


def test_a_night_that_is_run_again_does_not_see_what_came_later() -> None:
    in_time, too_late = landed("2026-11-20T23:59:59", "a"), landed("2026-11-21T00:00:00", "b")
    assert in_force([in_time, too_late], AS_OF) == [in_time]
    assert in_history([too_late, in_time], AS_OF) == [in_time]


def test_two_of_one_moment_are_ordered_by_their_ids() -> None:
    first, second = landed("2026-11-19", "a"), landed("2026-11-19", "b")
    assert in_force([second, first], AS_OF) == [second]
    assert in_history([second, first], AS_OF) == [first, second]


def test_history_keeps_what_was_replaced() -> None:
    older, newer = landed("2026-11-18"), landed("2026-11-19")
    assert in_history([newer, older], AS_OF) == [older, newer]


@pytest.mark.parametrize("table, scope", [("mlflow_versions", "models"), ("aws_cur2", "2026-11")])
def test_where_nothing_arrived_in_time_the_first_that_came_later_counts(table: str, scope: str) -> None:
    first = landed("2026-11-25", "a", table=table, scope=scope)
    second = landed("2026-11-26", "b", table=table, scope=scope)
    assert in_force([second, first], AS_OF) == [first]
    in_time = landed("2026-11-20", "c", table=table, scope=scope)
    assert in_force([second, in_time, first], AS_OF) == [in_time]


def test_a_listing_of_a_later_moment_says_nothing_about_a_day() -> None:
    assert in_force([landed("2026-11-25", table="s3_inventory", scope="train")], AS_OF) == []


def test_a_bill_of_a_later_month_does_not_belong_to_a_night() -> None:
    assert in_force([landed("2026-12-02", scope="2026-12")], AS_OF) == []
