"""The journal loses nothing, and a line cut short by a kill counts as not written."""

from datetime import datetime
from pathlib import Path

import pytest

from lifecycle.journal import is_over, newest_receipts, open_journal, read_receipts
from lifecycle.model import Action, Receipt
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
    assert (intent.event, intent.uri, intent.original_last_modified_at) == ("intent", ACTION.uri, AT)
    assert (outcome.result, outcome.etag, outcome.at) == ("done", "f", AT)
    assert len(path.read_text().splitlines()) == 2


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
