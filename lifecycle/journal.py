"""What was intended and what came of it: one line before each change and one after, on disk before going on.

Killing the process at any point loses nothing: an action without a line was not begun, one with an intent
and no outcome is looked at again, one with an outcome is over. A line that a kill cut short counts as not
written.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import simplejson
from pydantic import TypeAdapter, ValidationError

from lifecycle.model import Action, Receipt, Result
from pipelines.domain.text import to_json
from pipelines.errors import Terminal

_RECEIPT = TypeAdapter(Receipt)


class Journal:
    """The receipts of one chunk, open for adding."""

    def __init__(self, file: IO[bytes], known: dict[str, Receipt]) -> None:
        self._file, self._last = file, known
        self._writing = threading.Lock()

    @property
    def newest(self) -> Mapping[str, Receipt]:
        """The newest line about each action."""
        return self._last

    def intend(self, action: Action, at: datetime) -> None:
        """Say what is about to be changed."""
        self._add(
            Receipt(
                action.action_id,
                "intent",
                at,
                uri=action.uri,
                original_last_modified_at=action.last_modified_at,
            )
        )

    def conclude(
        self,
        action: Action,
        result: Result,
        at: datetime,
        *,
        detail: str = "",
        etag: str = "",
        version_id: str = "",
    ) -> None:
        """Say what came of it."""
        self._add(Receipt(action.action_id, "outcome", at, result, detail, action.uri, etag, version_id))

    def _add(self, receipt: Receipt) -> None:
        line = " ".join(to_json(_spoken(receipt)).split("\n")).encode() + b"\n"
        with self._writing:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._last[receipt.action_id] = receipt


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a chunk's journal where it ended.

    Raises:
        Terminal: a line in it is not a receipt.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = newest_receipts(path)
    with path.open("ab") as file:
        file.truncate(_whole_bytes(path))
        _sync_directory(path.parent)
        yield Journal(file, known)


def newest_receipts(path: Path) -> dict[str, Receipt]:
    """Return the newest receipt of each action; whoever is writing is not disturbed."""
    return {receipt.action_id: receipt for receipt in read_receipts(path)}


def is_over(receipt: Receipt | None) -> bool:
    """Tell whether an action has its final outcome; a failed one may be tried again."""
    return receipt is not None and receipt.event == "outcome" and receipt.result != "failed"


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Yield the receipts of a chunk, oldest first.

    Raises:
        Terminal: a whole line in it is not a receipt.
    """
    if not path.exists():
        return
    text = path.read_bytes()[: _whole_bytes(path)]
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield _RECEIPT.validate_python(simplejson.loads(line))
        except (ValueError, ValidationError):
            raise Terminal(
                "a line of the journal is not a receipt",
                where=f"{path}, line {number}",
                fix="Do not edit journals. Make a new plan; it finds what is left to do.",
            ) from None


def _spoken(receipt: Receipt) -> dict[str, object]:
    values = _RECEIPT.dump_python(receipt)
    return {name: value for name, value in values.items() if value not in (None, "")}


def _whole_bytes(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
