"""Which snapshots a lake holds, and which one somebody means."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines import snapshots
from pipelines.errors import NotFound, Refused, Terminal
from pipelines.snapshots import point_at, resolve
from pipelines.stores import LocalStore
from tests.fakes.warehouses import put_snapshot

DAY = date(2026, 11, 19)


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    """Three snapshots of two days, the middle one current."""
    store = LocalStore(tmp_path / "lake")
    put_snapshot(store, date(2026, 11, 18), "a")
    point_at(store, put_snapshot(store, DAY, "b", published_at=datetime(2026, 11, 20, 6)))
    put_snapshot(store, DAY, "a", published_at=datetime(2026, 11, 20, 7))
    return store


@pytest.mark.parametrize(
    "name, meant",
    [
        ("2026-11-19-bbbbbbbbbbbb", "2026-11-19-bbbbbbbbbbbb"),
        ("2026-11-19-b", "2026-11-19-bbbbbbbbbbbb"),
        ("2026-11-19", "2026-11-19-aaaaaaaaaaaa"),
        ("2026-11-18", "2026-11-18-aaaaaaaaaaaa"),
        ("current", "2026-11-19-bbbbbbbbbbbb"),
        ("previous", "2026-11-18-aaaaaaaaaaaa"),
    ],
)
def test_a_snapshot_is_meant_by_its_id_its_day_or_its_place(lake: LocalStore, name: str, meant: str) -> None:
    assert resolve(lake, name).snapshot_id == meant


@pytest.mark.parametrize("name", ["2026-12-01", "", "abc", "2026-11-19-bbbbbbbbbbbbb", "..", "current.json"])
def test_what_is_not_there_is_not_guessed(lake: LocalStore, name: str) -> None:
    with pytest.raises(NotFound):
        resolve(lake, name)


def test_the_beginning_of_several_ids_names_them(lake: LocalStore) -> None:
    with pytest.raises(Terminal, match="2026-11-18-aaaaaaaaaaaa, 2026-11-19-bbbbbbbbbbbb, 2026-11-19-a"):
        resolve(lake, "2026-11-1")


def test_there_is_nothing_before_the_first(lake: LocalStore) -> None:
    point_at(lake, resolve(lake, "2026-11-18"))
    with pytest.raises(NotFound, match="before the current one"):
        resolve(lake, "previous")


@pytest.mark.parametrize("name", ["snapshot.json", "warehouse.duckdb", "marts/costs_daily.parquet"])
def test_a_snapshot_without_one_of_its_files_is_not_whole(lake: LocalStore, name: str) -> None:
    (lake.root / "published" / "2026-11-18-aaaaaaaaaaaa" / name).unlink()

    assert [one.snapshot is not None for one in snapshots.find(lake)] == [False, True, True]
    with pytest.raises(Refused, match="not whole"):
        resolve(lake, "2026-11-18")


@pytest.mark.parametrize("contents", [b"", b"[]", b"{}", b"null", b'"x"', b"\xff"])
def test_a_snapshot_that_does_not_say_what_it_is_is_not_whole(lake: LocalStore, contents: bytes) -> None:
    lake.write("published/2026-11-18-aaaaaaaaaaaa/snapshot.json", contents)
    assert [one.snapshot is not None for one in snapshots.find(lake)] == [False, True, True]


def test_a_snapshot_that_says_it_is_another_is_not_whole(lake: LocalStore) -> None:
    contents = lake.read("published/2026-11-19-aaaaaaaaaaaa/snapshot.json")
    lake.write("published/2026-11-18-aaaaaaaaaaaa/snapshot.json", contents)
    assert [one.snapshot is not None for one in snapshots.find(lake)] == [False, True, True]


def test_other_files_beside_snapshots_are_left_alone(lake: LocalStore) -> None:
    for key in (
        "published/notes.txt",
        "published/notes/a",
        "published/2026-11-19/a",
        "publishedx/2026-11-19-a/b",
    ):
        lake.write(key, b"x")
    assert len(snapshots.find(lake)) == 3
    assert snapshots.find(lake)[0].size_bytes > 0


def test_a_pointer_that_moves_on_while_it_is_read_is_read_again(
    lake: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between pointer and snapshot.json the old snapshot may be removed."""
    newest = resolve(lake, "2026-11-19")
    read, answers = LocalStore.read, [json.dumps({"snapshot_id": "2026-11-01-removed"}).encode()]

    def moving(store: LocalStore, key: str) -> bytes:
        point_at(store, newest)
        return answers.pop() if answers and key.endswith("current.json") else read(store, key)

    monkeypatch.setattr(LocalStore, "read", moving)
    assert snapshots.current(lake) == newest
