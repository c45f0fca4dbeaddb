"""What is removed, what never is, and what a killed removal leaves."""

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import retention, snapshots
from pipelines.domain.configuration import Retention
from pipelines.domain.snapshots import POINTER, Snapshot
from pipelines.errors import Terminal, Transient
from pipelines.snapshots import point_at
from pipelines.stores import LocalStore
from tests.fakes.warehouses import put_snapshot

NOW = datetime(2026, 11, 21, 6)
TODAY = date(2026, 11, 20)
TWO_DAYS = Retention(keep_days=2, keep_month_ends=False)


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def nights(lake: LocalStore) -> list[Snapshot]:
    """Five nights, the oldest first; the newest is current."""
    made = [put_snapshot(lake, TODAY - timedelta(days=ago)) for ago in (4, 3, 2, 1, 0)]
    point_at(lake, made[-1])
    return made


def left(lake: LocalStore) -> list[str]:
    return [str(one.snapshot.as_of) if one.snapshot else "half" for one in snapshots.find(lake)]


def put_plan(lake: LocalStore, snapshot: Snapshot, expires_at: str, key: str = "plans/p/plan.json") -> None:
    plan = {"id": "p", "snapshot_id": snapshot.snapshot_id, "expires_at": expires_at}
    lake.write(key, json.dumps(plan).encode())


def test_what_nothing_keeps_is_removed_with_its_folder(lake: LocalStore, nights: list[Snapshot]) -> None:
    lake.write("raw/part.parquet", b"x")

    removed = retention.prune(lake, TWO_DAYS, NOW)

    assert removed == tuple(night.snapshot_id for night in nights[:3])
    assert left(lake) == ["2026-11-19", "2026-11-20"]
    assert not (lake.root / "published" / removed[0]).exists()
    assert lake.read("raw/part.parquet") == b"x"
    assert retention.prune(lake, TWO_DAYS, NOW) == ()


def test_after_going_back_the_current_one_stays_however_old(lake: LocalStore, nights: list[Snapshot]) -> None:
    point_at(lake, nights[1])

    retention.prune(lake, Retention(keep_days=1, keep_month_ends=False), NOW)

    assert left(lake) == ["2026-11-16", "2026-11-17", "2026-11-20"]
    assert snapshots.current(lake) == nights[1]


@pytest.mark.parametrize("key", ["plans/p/plan.json", "plans/p.json"])
@pytest.mark.parametrize(
    "expires_at, is_kept",
    [("2026-11-22T00:00:00Z", True), ("2026-11-20T12:00:00", True), ("2026-11-20T05:59:00Z", False)],
)
def test_what_a_plan_was_made_from_stays_until_the_plan_expired_for_sure(
    lake: LocalStore, nights: list[Snapshot], key: str, expires_at: str, *, is_kept: bool
) -> None:
    put_plan(lake, nights[0], expires_at, key)

    retention.prune(lake, TWO_DAYS, NOW)

    assert ("2026-11-16" in left(lake)) is is_kept


def test_a_finished_plan_needs_nothing_and_a_begun_one_everything(
    lake: LocalStore, nights: list[Snapshot]
) -> None:
    put_plan(lake, nights[0], "2026-11-01T00:00:00Z")
    lake.write("plans/p/receipts/chunk-00000.jsonl", b"{}")
    retention.prune(lake, TWO_DAYS, NOW)
    assert left(lake)[0] == "2026-11-16"

    lake.write("plans/p/finished.json", b"{}")
    retention.prune(lake, TWO_DAYS, NOW)
    assert left(lake) == ["2026-11-19", "2026-11-20"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"snapshot_id": "x", "expires_at": "soon"}', b"\xff"])
def test_a_plan_that_cannot_be_read_keeps_everything(
    lake: LocalStore, nights: list[Snapshot], body: bytes
) -> None:
    lake.write("plans/p/plan.json", body)

    with pytest.raises(Terminal, match="nobody knows which snapshot it needs"):
        retention.prune(lake, TWO_DAYS, NOW)

    assert len(left(lake)) == len(nights)


@pytest.mark.parametrize("pointer", [None, b"", b'{"snapshot_id": "2026-11-20-gone"}'])
def test_nothing_goes_while_nobody_knows_what_is_current(
    lake: LocalStore, nights: list[Snapshot], pointer: bytes | None
) -> None:
    (lake.root / POINTER).unlink()
    if pointer is not None:
        lake.write(POINTER, pointer)

    assert retention.prune(lake, TWO_DAYS, NOW) == ()
    assert len(left(lake)) == len(nights)


def test_what_an_interruption_left_goes_when_nobody_can_be_writing_it(
    lake: LocalStore, nights: list[Snapshot]
) -> None:
    for night in nights[:2]:
        (lake.root / "published" / night.snapshot_id / "snapshot.json").unlink()
    for file in (lake.root / "published" / nights[0].snapshot_id).rglob("*"):
        long_ago = (NOW - timedelta(days=2)).timestamp()
        os.utime(file, (long_ago, long_ago))
    for file in (lake.root / "published" / nights[1].snapshot_id).rglob("*"):
        os.utime(file, (NOW.timestamp(), NOW.timestamp()))

    removed = retention.prune(lake, Retention(keep_days=30), NOW)

    assert removed == (nights[0].snapshot_id,)
    assert left(lake) == ["half", "2026-11-18", "2026-11-19", "2026-11-20"]


@pytest.mark.parametrize("dies_at", range(3))
def test_a_killed_removal_leaves_no_half_snapshot_that_looks_whole(
    lake: LocalStore, nights: list[Snapshot], dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    discard, calls = LocalStore.discard, list[str]()

    def dying(store: LocalStore, key: str) -> None:
        if len(calls) == dies_at:
            raise Transient("killed", where=key, fix="Run again.")
        calls.append(key)
        discard(store, key)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "discard", dying)
        with pytest.raises(Transient):
            retention.prune(lake, TWO_DAYS, NOW)

    oldest = next(one for one in snapshots.find(lake) if one.snapshot_id == nights[0].snapshot_id)
    assert (oldest.snapshot is None) is (dies_at > 0)
    mark = lake.root / "published" / oldest.snapshot_id / "snapshot.json"
    # Readers who come by its id find out at once.
    assert mark.exists() is (dies_at == 0)
    assert oldest.snapshot_id in retention.prune(lake, TWO_DAYS, NOW + timedelta(days=400))
    assert left(lake)[-1] == "2026-11-20"


def test_one_who_lost_the_lock_removes_nothing_more(lake: LocalStore, nights: list[Snapshot]) -> None:
    answers = iter([None, Transient("the lock was lost", where="here", fix="Run again.")])

    def still_alone() -> None:
        if lost := next(answers):
            raise lost

    with pytest.raises(Transient):
        retention.prune(lake, TWO_DAYS, NOW, still_alone=still_alone)

    assert len(left(lake)) == len(nights) - 1
