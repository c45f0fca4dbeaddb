"""The door: what it opens, and what it says when there is nothing behind it."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines import published
from pipelines.domain.snapshots import POINTER, Snapshot, snapshot_key
from pipelines.errors import NotFound, Terminal
from pipelines.stores import LocalStore

SNAPSHOT = Snapshot(
    "2026-11-19-aaaaaaaaaaaa",
    date(2026, 11, 19),
    datetime(2026, 11, 20, 6, 30),
    "published/2026-11-19-aaaaaaaaaaaa/warehouse.duckdb",
    "0.1.0",
)


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "lake")
    (store.root / SNAPSHOT.warehouse).parent.mkdir(parents=True)
    with closing(duckdb.connect(str(store.root / SNAPSHOT.warehouse))) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.teams as select 'nlp' as team, 3 as people")
    return store


def test_an_empty_lake_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="moraine run"):
        published.current(LocalStore(tmp_path))


def test_a_day_is_found_by_its_newest_whole_snapshot(lake: LocalStore) -> None:
    lake.write(snapshot_key(SNAPSHOT.snapshot_id, "snapshot.json"), json.dumps(SNAPSHOT.to_json()).encode())
    again = replace(SNAPSHOT, snapshot_id="2026-11-19-bbbbbbbbbbbb", published_at=datetime(2026, 11, 20, 9))
    again = replace(again, warehouse=snapshot_key(again.snapshot_id, "warehouse.duckdb"))
    lake.write(snapshot_key(again.snapshot_id, "snapshot.json"), json.dumps(again.to_json()).encode())
    assert published.of_day(lake, SNAPSHOT.as_of) == SNAPSHOT, "the newer one has no warehouse"
    lake.write(again.warehouse, b"whatever")
    assert published.of_day(lake, SNAPSHOT.as_of) == again
    with pytest.raises(NotFound, match="2026-11-18"):
        published.of_day(lake, date(2026, 11, 18))


@pytest.mark.parametrize("pointer", [b"", b"[]", b"{}", b'{"snapshot_id": "2026-01-01-gone"}'])
def test_a_pointer_to_nothing_is_explained(lake: LocalStore, pointer: bytes) -> None:
    lake.write(POINTER, pointer)

    with pytest.raises(Terminal, match="moraine publish"):
        published.current(lake)


def test_facts_cannot_be_changed_through_the_door(lake: LocalStore, tmp_path: Path) -> None:
    with (
        closing(published.open_snapshot(lake, SNAPSHOT, tmp_path)) as connection,
        pytest.raises(duckdb.Error, match="read-only"),
    ):
        connection.execute("insert into marts.teams values ('cv', 1)")


def test_rows_come_by_name_and_values_are_bound(lake: LocalStore, tmp_path: Path) -> None:
    query = "select * from marts.teams where team = ?"

    with closing(published.open_snapshot(lake, SNAPSHOT, tmp_path)) as connection:
        assert published.rows(connection, query, ["nlp"]) == [{"team": "nlp", "people": 3}]
        assert published.rows(connection, query, ["' or true --"]) == []


def test_a_snapshot_that_was_removed_is_not_found(lake: LocalStore, tmp_path: Path) -> None:
    gone = Snapshot("gone", SNAPSHOT.as_of, SNAPSHOT.published_at, "published/gone/warehouse.duckdb", "0")

    with pytest.raises(NotFound):
        published.open_snapshot(lake, gone, tmp_path)


def test_a_broken_file_is_explained(lake: LocalStore, tmp_path: Path) -> None:
    (lake.root / SNAPSHOT.warehouse).write_bytes(b"broken" * 1000)

    with pytest.raises(Terminal, match="cannot be read"):
        published.open_snapshot(lake, SNAPSHOT, tmp_path)


def test_the_path_of_a_local_snapshot_is_the_file_itself(lake: LocalStore, tmp_path: Path) -> None:
    assert published.warehouse_path(lake, SNAPSHOT, tmp_path) == lake.root / SNAPSHOT.warehouse
