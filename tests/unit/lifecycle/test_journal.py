"""The journal loses nothing, and a line cut short by a kill counts as not written."""

import errno
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from lifecycle.model import Action, Receipt
from lifecycle.records.journal import (
    Journal,
    Outcome,
    is_final,
    is_over,
    newest_receipts,
    open_journal,
    read_receipts,
    standings,
)
from pipelines.errors import Terminal

AT = datetime(2026, 11, 21, 6)
ACTION = Action(
    "00000-000001",
    "delete",
    "s3",
    "b",
    "a b\n\x1b/ü",
    None,
    "e",
    1,
    AT,
    "STANDARD",
    "",
    "c",
    "delete-if-match",
)


def test_intent_and_outcome_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "receipts" / "chunk.jsonl"
    with open_journal(path) as journal:
        journal.intend(ACTION, AT)
        assert not is_over(newest_receipts(path)[ACTION.action_id])
        journal.conclude(ACTION, "done", AT, etag="f")
    intent, outcome = read_receipts(path)
    assert (intent.event, intent.uri, intent.at) == ("intent", ACTION.uri, AT)
    assert (outcome.result, outcome.etag, outcome.at) == ("done", "f", AT)
    assert len(path.read_text().splitlines()) == 2


def test_the_age_of_what_is_copied_in_place_is_noted(tmp_path: Path) -> None:
    with open_journal(tmp_path / "chunk.jsonl") as journal:
        journal.intend(replace(ACTION, action="archive", path="copy-in-place"), AT)
    (intent,) = read_receipts(tmp_path / "chunk.jsonl")
    assert intent.original_last_modified_at == ACTION.last_modified_at


def test_a_line_cut_short_is_dropped_and_the_next_one_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "chunk.jsonl"
    with open_journal(path) as journal:
        journal.intend(ACTION, AT)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"action_id": "00000-0000')
    assert len(list(read_receipts(path))) == 1
    with open_journal(path) as journal:
        journal.conclude(ACTION, "done", AT)
    assert [receipt.event for receipt in read_receipts(path)] == ["intent", "outcome"]
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("line", ['{"action_id": 1}', "not json", "[]", ""])
def test_a_whole_line_that_is_no_receipt_stops(tmp_path: Path, line: str) -> None:
    path = tmp_path / "chunk.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(Terminal, match="line 1"):
        list(read_receipts(path))


@pytest.mark.parametrize("result", ["done", "changed", "protected", "skipped"])
def test_an_outcome_is_final_unless_it_failed(result: str) -> None:
    assert is_over(Receipt("a", "outcome", AT, result))  # type: ignore[arg-type]
    assert not is_over(Receipt("a", "outcome", AT, "failed"))
    assert not is_over(Receipt("a", "intent", AT))
    assert not is_over(None)


def test_a_chunk_without_a_journal_has_no_receipts(tmp_path: Path) -> None:
    assert newest_receipts(tmp_path / "none.jsonl") == {}


def numbered(count: int) -> list[Action]:
    return [replace(ACTION, action_id=f"00000-{number:06d}") for number in range(1, count + 1)]


class Disk:
    """A file on a disk with so much room; what is written is there at once, as far as there is room."""

    name = "chunk-00000.jsonl"

    def __init__(self, path: Path, room: int = 1 << 30) -> None:
        self._file = path.open("ab", buffering=0)
        self.room = room
        self.writes: list[bytes] = []
        self.before_write: Callable[[], None] = lambda: None

    def write(self, data: memoryview) -> int:
        self.before_write()
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.writes.append(taken)
        return self._file.write(taken)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


Opened = Callable[..., tuple[Journal, Disk]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as disks:

        def make(room: int = 1 << 30) -> tuple[Journal, Disk]:
            disk = disks.enter_context(closing(Disk(tmp_path / "chunk.jsonl", room)))
            return Journal(disk, {}), disk  # type: ignore[arg-type]

        yield make


def on_disk(path: Path) -> list[str]:
    return [receipt.action_id for receipt in read_receipts(path)]


def test_a_thousand_intents_are_one_write_and_each_is_a_line_of_its_own(
    tmp_path: Path, opened: Opened
) -> None:
    (journal, disk), actions = opened(), numbered(1000)
    journal.intend_all(actions, AT)
    journal.conclude_all([Outcome(action, "done", version_id="v1") for action in actions], AT)
    assert len(disk.writes) == 2
    assert [json.loads(line)["uri"] for line in disk.writes[0].splitlines()] == [ACTION.uri] * 1000
    receipts = list(read_receipts(tmp_path / "chunk.jsonl"))
    assert [receipt.action_id for receipt in receipts[1000:]] == [action.action_id for action in actions]
    assert {receipt.version_id for receipt in receipts[1000:]} == {"v1"}
    assert (
        journal.standing
        == standings(tmp_path / "chunk.jsonl")
        == dict.fromkeys(on_disk(tmp_path / "chunk.jsonl"), "done")
    )


@pytest.mark.parametrize(
    "key", ["a\nb", "a\r\u2028\x85b", "\x00\x1f", '"}', "\\", "/..", "ü" * 512, " ", "😀"]
)
def test_a_key_is_read_back_as_it_was(tmp_path: Path, key: str) -> None:
    action = replace(ACTION, object_key=key, etag=key)
    with open_journal(tmp_path / "chunk.jsonl") as journal:
        journal.intend(action, AT)
        journal.conclude(action, "changed", AT, detail=key, etag=key, version_id=key)
    intent, outcome = read_receipts(tmp_path / "chunk.jsonl")
    assert intent.uri == outcome.uri == f"s3://b/{key}"
    assert (outcome.detail, outcome.etag, outcome.version_id) == (key, key, key)


@pytest.mark.parametrize("room, whole", [(0, 0), (1, 0), (500, 4)])
def test_a_full_disk_stops_before_the_change_and_what_is_whole_stays(
    tmp_path: Path, opened: Opened, room: int, whole: int
) -> None:
    path = tmp_path / "chunk.jsonl"
    journal, _ = opened(room)
    with pytest.raises(Terminal, match="No space left") as caught:
        journal.intend_all(numbered(1000), AT)
    assert "apply again" in caught.value.fix
    assert not journal.standing
    assert on_disk(path) == [action.action_id for action in numbered(whole)]


def test_after_a_full_disk_nothing_is_added_even_if_there_is_room_again(
    tmp_path: Path, opened: Opened
) -> None:
    path = tmp_path / "chunk.jsonl"
    journal, disk = opened(20)
    with pytest.raises(Terminal):
        journal.intend(ACTION, AT)
    disk.room = 1 << 30
    with pytest.raises(Terminal):
        journal.intend(ACTION, AT)
    assert on_disk(path) == []
    with open_journal(path) as again:
        again.intend(ACTION, AT)
    assert on_disk(path) == [ACTION.action_id]


def test_what_workers_say_while_one_is_writing_shares_the_next_write(tmp_path: Path, opened: Opened) -> None:
    (journal, disk), actions = opened(), numbered(9)
    writing, others_wait = threading.Event(), threading.Event()

    def hold() -> None:
        writing.set()
        assert others_wait.wait(60)

    disk.before_write = hold
    first = threading.Thread(target=journal.intend, args=(actions[0], AT))
    first.start()
    assert writing.wait(60)
    others = [threading.Thread(target=journal.intend, args=(action, AT)) for action in actions[1:]]
    for thread in others:
        thread.start()
    while journal._queued < len(actions):
        threading.Event().wait(0.001)
    others_wait.set()
    for thread in (first, *others):
        thread.join(60)
    assert len(disk.writes) == 2
    assert sorted(on_disk(tmp_path / "chunk.jsonl")) == [action.action_id for action in actions]


def test_all_who_share_a_write_that_fails_hear_of_it(opened: Opened) -> None:
    journal, _ = opened(0)
    failed: list[str] = []

    def intend(action: Action) -> None:
        try:
            journal.intend(action, AT)
        except Terminal:
            failed.append(action.action_id)

    threads = [threading.Thread(target=intend, args=(action,)) for action in numbered(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(failed) == 8
    assert not journal.standing


@pytest.mark.parametrize("standing", ["done", "changed", "protected", "skipped"])
def test_what_is_final_is_never_taken_up_again(standing: str) -> None:
    assert is_final(standing)  # type: ignore[arg-type]
    assert not any(map(is_final, (None, "begun", "failed")))


def test_a_journal_longer_than_a_block_without_a_line_break_is_cut_to_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "chunk.jsonl"
    with open_journal(path) as journal:
        journal.intend(ACTION, AT)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"action_id": "' + b"x" * 200_000)
    with open_journal(path):
        assert path.read_bytes() == whole
