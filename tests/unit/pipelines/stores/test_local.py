"""A directory as a store."""

import errno
import os
import stat
from pathlib import Path

import pytest

from pipelines.errors import NotFound, Terminal
from pipelines.stores import LocalStore


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "/etc/passwd", "a\0b", ".."])
def test_a_key_cannot_lead_out_of_the_directory(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("x")
    store = LocalStore(tmp_path / "store")
    for ask in (lambda: store.read(key), lambda: store.write(key, b""), lambda: list(store.list(key + "/"))):
        with pytest.raises(NotFound, match="leads out"):
            ask()


def test_what_a_killed_write_left_is_no_file(tmp_path: Path) -> None:
    (tmp_path / f".part.parquet.{'0' * 32}").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"x")
    assert [blob.key for blob in LocalStore(tmp_path).list()] == [".hidden"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Terminal, match="refuses"):
        LocalStore(tmp_path).write("folder", b"x")
    with pytest.raises(Terminal, match="refuses"):
        LocalStore(tmp_path).upload(tmp_path / "not there", "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_file_that_is_linked_into_the_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "link").symlink_to(tmp_path / "elsewhere")
    assert LocalStore(tmp_path / "store").read("link") == b"x"


def test_a_name_longer_than_a_file_s_can_be_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="refuses"):
        LocalStore(tmp_path).read("x" * 1000)


def test_a_key_may_hold_a_line_break(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("a\nb/c\rd", b"x")
    assert [blob.key for blob in store.list("a\n")] == ["a\nb/c\rd"]


def test_a_discarded_snapshot_leaves_no_folder_and_no_half_written_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    folder = "published/2026-11-19-abcdef012345"
    for name in ("snapshot.json", "marts/a.parquet"):
        store.write(f"{folder}/{name}", b"x")
    for name in ("", "marts/"):
        (tmp_path / folder / f"{name}.a.parquet.{'0' * 32}").write_bytes(b"half")
    store.write("published/current.json", b"x")

    with (tmp_path / folder / "marts" / "a.parquet").open("rb") as held:
        for name in ("snapshot.json", "marts/a.parquet"):
            store.discard(f"{folder}/{name}")
        assert held.read() == b"x"

    assert [path.name for path in (tmp_path / "published").iterdir()] == ["current.json"]


def test_names_are_durable_when_a_write_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[str]()
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )

    LocalStore(tmp_path / "lake").write("a/b/c", b"x")

    beside, *folders = synced
    assert beside.startswith(f"{tmp_path}/lake/a/b/.c.")
    assert folders == [str(tmp_path / folder) for folder in ("lake/a/b", "lake/a", "lake", "")]


def test_a_file_system_that_cannot_sync_folders_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    LocalStore(tmp_path).write("a/b", b"x")
    assert LocalStore(tmp_path).read("a/b") == b"x"
