"""Which deliveries count on a day."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from pipelines.domain.deliveries import Landed, Rejected, in_force, in_history, is_replaced

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


LISTED = landed("2026-11-18", table="s3_inventory", scope="train")


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


def test_a_list_that_was_delivered_again_for_one_moment_counts_once_as_written_last() -> None:
    moment = datetime(2026, 11, 18, 1)
    first = replace(LISTED, delivery_id="z", snapshot_at=moment, written_at=datetime(2026, 11, 18, 20))
    again = replace(LISTED, delivery_id="a", snapshot_at=moment, written_at=datetime(2026, 11, 18, 23))
    other = replace(again, scope="other")
    assert in_history([first, other, again], AS_OF) == [other, again]
    assert in_force([again, first], AS_OF) == [again]


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


def load(delivered: str, name: str, day: str | None = None, content: str = "") -> Landed:
    """Return a file of an export that grows; `day` is what its name says."""
    return replace(
        landed(delivered, f"{name} {delivered}", table="gcp_billing", scope=name, checksum=content or name),
        snapshot_at=datetime.fromisoformat(day) if day else None,
    )


def test_loads_add_up_and_a_file_replaces_only_itself() -> None:
    first, second = load("2026-11-17", "a"), load("2026-11-18", "b")
    again = load("2026-11-19", "a", content="other")
    assert in_force([again, second, first], AS_OF) == [again, second]
    assert in_history([again, second, first], AS_OF) == [first, second, again]


def test_a_load_that_came_later_is_not_seen_by_a_night_that_is_run_again() -> None:
    in_time, late = load("2026-11-20T23:59:59", "a"), load("2026-11-21", "b")
    assert in_force([late, in_time], AS_OF) == [in_time]


def test_a_night_that_is_filled_in_later_sees_the_loads_whose_names_say_they_were_in_time() -> None:
    copied = "2027-01-05"
    loads = [load(copied, f"2026-11-{day}", f"2026-11-{day}") for day in (18, 19, 20, 21)]
    assert in_force(loads, AS_OF) == loads[:3]


def test_what_replaced_a_load_later_is_not_seen_by_a_night_that_had_the_load() -> None:
    before = load("2026-11-19", "a", "2026-11-18")
    after = load("2026-12-24", "a", "2026-11-18", content="other")
    assert in_force([before, after], AS_OF) == [before]


def test_where_no_load_was_in_time_those_of_the_first_day_count() -> None:
    first, same_day = load("2026-12-01T03:00", "a"), load("2026-12-01T23:00", "b")
    next_day = load("2026-12-02", "c")
    assert in_force([next_day, same_day, first], AS_OF) == [first, same_day]


def test_a_load_that_was_moved_to_another_name_counts_once() -> None:
    first, moved = load("2026-11-18", "new/a"), load("2026-11-19", "archive/a", content="new/a")
    assert in_force([moved, first], AS_OF) == [first]
    assert in_history([moved, first], AS_OF) == [first]


def test_a_load_that_is_put_back_as_it_was_is_the_last_word_on_itself() -> None:
    days = [("2026-11-17", "x"), ("2026-11-18", "y"), ("2026-11-19", "x")]
    versions = [load(day, "a", content=content) for day, content in days]
    assert in_force(versions, AS_OF) == [versions[-1]]
    assert in_history(versions, AS_OF) == versions


@pytest.mark.parametrize(
    "other, replaces",
    [
        (landed("2026-11-19"), True),
        (landed("2026-11-17"), False),
        (landed("2026-11-19", scope="2026-10"), False),
        (landed("2026-11-19", source="other"), False),
        (landed("2026-11-19", table="focus"), False),
    ],
    ids=["newer", "older", "another-month", "another-source", "another-table"],
)
def test_a_damaged_delivery_is_history_once_a_newer_one_of_its_scope_is_whole(
    other: Landed,
    *,
    replaces: bool,
) -> None:
    damaged = Rejected(
        source="bill",
        kind="aws-cur2",
        table="aws_cur2",
        delivery_id="damaged",
        scope="2026-11",
        delivered_at=datetime(2026, 11, 18),
        checksum="c",
        reason="a data file is cut",
        where="s3://bills/x",
        fix="Copy it again.",
    )
    assert is_replaced(damaged, [other]) is replaces


def test_a_bill_that_came_late_is_in_the_history_of_the_night_that_uses_it() -> None:
    late = landed("2026-11-25")
    assert in_force([late], AS_OF) == in_history([late], AS_OF) == [late]
