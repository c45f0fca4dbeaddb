"""A directory as a store."""

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
