"""What every store must do, wherever its files live."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import NotFound, Refused
from pipelines.stores import DiscardingStore, Store

HOSTILE_KEYS = ("a b+c%20d%.bin", "línea/😀\t", "'quoted\"/*?[x]", "trailing /space ", "-rf", "a/b/c")


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_what_is_written_is_read_back_under_its_exact_key(store: Store, tmp_path: Path, key: str) -> None:
    store.write(key, b"body")
    assert store.read(key) == b"body"
    assert [blob.key for blob in store.list()] == [key]
    assert store.fetch(key, tmp_path / "scratch").read_bytes() == b"body"


def test_a_key_can_be_written_again(store: Store) -> None:
    store.write("a", b"one")
    store.write("a", b"two")
    assert store.read("a") == b"two"
    assert len(list(store.list())) == 1


def test_a_file_is_uploaded(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)
    store.upload(file, "raw/part.parquet")
    assert store.read("raw/part.parquet") == file.read_bytes()


def test_files_are_listed_below_a_prefix_in_key_order(store: Store) -> None:
    for key in ("a/b", "a/B", "ab", "a/", "b", "a/é", "a/c/d"):
        if not key.endswith("/"):
            store.write(key, key.encode())
    assert [blob.key for blob in store.list("a/")] == ["a/B", "a/b", "a/c/d", "a/é"]
    assert [blob.key for blob in store.list("a")] == ["a/B", "a/b", "a/c/d", "a/é", "ab"]
    assert [blob.key for blob in store.list("a/c/")] == ["a/c/d"]
    assert list(store.list("nothing/here")) == []
    assert list(store.list("ab/nothing")) == []


def test_a_listing_tells_size_time_and_a_name_for_the_content(store: Store) -> None:
    store.write("a", b"12345")
    [before] = store.list()
    assert before.size_bytes == 5
    assert before.modified_at.tzinfo is None
    assert abs(before.modified_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
    store.write("a", b"123456")
    [after] = store.list()
    assert after.etag != before.etag


def test_a_file_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    for ask in (lambda: store.read("no/such"), lambda: store.fetch("no/such", tmp_path / "scratch")):
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.where == f"{store.uri}/no/such"


def test_a_fetched_file_keeps_its_ending(store: Store, tmp_path: Path) -> None:
    store.write("data/part 1.csv.gz", b"x")
    assert store.fetch("data/part 1.csv.gz", tmp_path / "scratch").name.endswith(".csv.gz")


def test_two_files_of_one_name_are_fetched_side_by_side(store: Store, tmp_path: Path) -> None:
    store.write("a/part", b"1")
    store.write("b/part", b"2")
    paths = [store.fetch(key, tmp_path / "scratch") for key in ("a/part", "b/part")]
    assert [path.read_bytes() for path in paths] == [b"1", b"2"]


def test_nothing_in_a_store_can_delete_but_for_old_snapshots(store: Store) -> None:
    public = {name for name in dir(store) if not name.startswith("_")}
    further = {"create", "read_version", "replace", "discard", "peek"}
    assert public <= {"fetch", "list", "read", "root", "upload", "uri", "write"} | further


@pytest.mark.parametrize(
    "key",
    [
        "published/current.json",
        "published/2026-11-19-abcdef012345",
        "published/2026-11-19-abcdef012345/",
        "published/2026-11-19-abcdef012345/marts/",
        "published/2026-11-19-abcdef012345/../../raw/part.parquet",
        "published/../raw/2026-11-19-abcdef012345/part.parquet",
        "published/notes/snapshot.json",
        "raw/2026-11-19-abcdef012345/part.parquet",
        "plans/p/plan.json",
        "/published/2026-11-19-abcdef012345/snapshot.json",
        "",
    ],
)
def test_only_files_of_a_snapshot_are_discarded(store: Store, key: str) -> None:
    assert isinstance(store, DiscardingStore)
    for kept in ("published/current.json", "raw/part.parquet", "plans/p/plan.json"):
        store.write(kept, b"x")
    before = [blob.key for blob in store.list()]

    with pytest.raises(Refused, match="only files of published snapshots"):
        store.discard(key)

    assert [blob.key for blob in store.list()] == before


def test_a_file_of_a_snapshot_is_discarded_once_or_twice(store: Store) -> None:
    assert isinstance(store, DiscardingStore)
    gone = "published/2026-11-19-abcdef012345/marts/a.parquet"
    stays = "published/2026-11-20-abcdef012345/marts/a.parquet"
    store.write(gone, b"x")
    store.write(stays, b"x")

    store.discard(gone)
    store.discard(gone)

    assert [blob.key for blob in store.list()] == [stays]
