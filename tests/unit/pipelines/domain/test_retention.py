"""Which snapshots stay, and why."""

from datetime import date, datetime, timedelta

import pytest

from pipelines.domain.configuration import Retention
from pipelines.domain.retention import Reasons, keep
from pipelines.domain.snapshots import Snapshot

NOW = datetime(2026, 11, 21, 6)
TODAY = date(2026, 11, 20)
MONTH = Retention(keep_days=30)


def snapshot(day: date, build: str = "a", published_at: datetime | None = None) -> Snapshot:
    at = published_at or datetime(day.year, day.month, day.day, 23)
    return Snapshot(f"{day}-{build}", day, at, "", "0.1.0")


NIGHTS = [snapshot(TODAY - timedelta(days=ago)) for ago in range(99, -1, -1)]


def judge(
    snapshots: list[Snapshot],
    current: Snapshot,
    plans: dict[str, str] | None = None,
    rules: Retention = MONTH,
) -> Reasons:
    return keep(snapshots, current, plans or {}, rules, NOW)


def kept(reasons: Reasons) -> set[str]:
    return {name for name, why in reasons.items() if why}


def test_the_newest_days_and_the_ends_of_months_stay() -> None:
    reasons = judge(NIGHTS, NIGHTS[-1])

    month_ends = {"2026-08-31-a", "2026-09-30-a", "2026-10-31-a"}
    assert kept(reasons) == {one.snapshot_id for one in NIGHTS[-30:]} | month_ends
    assert reasons["2026-09-30-a"] == ("month end",)
    assert reasons["2026-11-20-a"] == ("current", "newest 30 days", "published lately", "month end")
    assert reasons["2026-11-19-a"] == ("the one before it", "newest 30 days", "published lately")
    assert reasons["2026-10-21-a"] == ()


def test_month_ends_go_when_nobody_wants_them() -> None:
    reasons = judge(NIGHTS, NIGHTS[-1], rules=Retention(keep_days=2, keep_month_ends=False))
    assert kept(reasons) == {"2026-11-20-a", "2026-11-19-a"}


def test_days_count_that_have_a_snapshot() -> None:
    weekly = NIGHTS[::-7][::-1]
    reasons = judge(weekly, weekly[-1], rules=Retention(keep_days=3, keep_month_ends=False))
    assert kept(reasons) == {one.snapshot_id for one in weekly[-3:]}


def test_of_a_day_the_newest_stays_and_the_one_before_the_current() -> None:
    builds = [
        snapshot(TODAY, build, NOW - timedelta(hours=hours))
        for build, hours in (("a", 3), ("b", 2), ("c", 1))
    ]
    assert kept(judge(builds, builds[-1])) == {"2026-11-20-b", "2026-11-20-c"}


@pytest.mark.parametrize("current", [0, 40, 99])
def test_the_current_one_and_the_one_before_it_stay_wherever_somebody_went_back_to(current: int) -> None:
    reasons = judge(NIGHTS, NIGHTS[current], rules=Retention(keep_days=1, keep_month_ends=False))
    before = NIGHTS[current - 1 : current]
    assert kept(reasons) == {one.snapshot_id for one in (NIGHTS[current], *before, NIGHTS[-1])}


def test_what_a_plan_was_made_from_stays() -> None:
    reasons = judge(NIGHTS, NIGHTS[-1], {"p1": "2026-08-20-a", "p2": "2026-08-20-a", "p3": "gone"})
    assert reasons["2026-08-20-a"] == ("plan p1", "plan p2")


def test_a_past_night_that_was_published_today_stays_as_long_as_a_new_one() -> None:
    late = snapshot(date(2026, 1, 5), published_at=NOW)
    assert judge([late, *NIGHTS], NIGHTS[-1])[late.snapshot_id] == ("published lately", "month end")
