"""What was intended and what came of it: a line before each change and one after, on disk before going on.

Killing the process at any point loses nothing: an action without a line was not begun, one with an intent
and no outcome is looked at again, one with an outcome is over. A line that a kill cut short counts as not
written. Many changes share one write, and what several workers have to say at the same time shares it too.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from lifecycle.model import Action, Receipt, Result
from pipelines.errors import Terminal

Standing = Result | Literal["begun"]
"""How an action stands: begun, without an outcome; or its newest outcome."""
_BLOCK_BYTES = 1 << 16
_RECEIPT = TypeAdapter(Receipt)
_AGE = ', "original_last_modified_at": {}'


class Outcome(NamedTuple):
    """What came of one action."""

    action: Action
    result: Result
    detail: str = ""
    etag: str = ""
    """See `Receipt`."""
    version_id: str = ""


class Journal:
    """The receipts of one chunk, open for adding. `file` writes through: no buffer holds anything back.

    Raises:
        Terminal: what is added cannot be written, for want of room; nothing is added from then on.
    """

    def __init__(self, file: IO[bytes], standing: dict[str, Standing]) -> None:
        self._file, self._standing = file, standing
        self._queueing, self._writing = threading.Lock(), threading.Lock()
        self._queue: list[bytes] = []
        self._queued, self._written = 0, 0
        self._broken: OSError | None = None

    @property
    def standing(self) -> Mapping[str, Standing]:
        """How each action stands that was ever begun or concluded, by its id."""
        return self._standing

    def intend(self, action: Action, at: datetime) -> None:
        """Say what is about to be changed."""
        self.intend_all((action,), at)

    def intend_all(self, actions: Sequence[Action], at: datetime) -> None:
        """Say what is about to be changed by one request; all of it is on disk afterwards."""
        now = _time(at)
        self._add("".join([_intent(action, now) for action in actions]))
        for action in actions:
            self._standing[action.action_id] = "begun"

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
        self.conclude_all((Outcome(action, result, detail, etag, version_id),), at)

    def conclude_all(self, outcomes: Sequence[Outcome], at: datetime) -> None:
        """Say what came of many."""
        now = _time(at)
        self._add("".join([_outcome(outcome, now) for outcome in outcomes]))
        for outcome in outcomes:
            self._standing[outcome.action.action_id] = outcome.result

    def _add(self, lines: str) -> None:
        """Return once the lines are on disk, by this thread's hand or by another's."""
        with self._queueing:
            self._queue.append(lines.encode())
            self._queued += 1
            ticket = self._queued
        with self._writing:
            if self._written < ticket:
                self._write()

    def _write(self) -> None:
        with self._queueing:
            lines, last = b"".join(self._queue), self._queued
            self._queue.clear()
        try:
            if self._broken is not None:
                raise self._broken
            left = memoryview(lines)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            # Whatever follows a line that is half on disk would be lost with it.
            self._broken = error
            raise Terminal(
                f"the journal cannot be written: {error.strerror or error}",
                where=str(getattr(self._file, "name", "the plan's directory")),
                fix="Nothing is changed without a line there. Make room and run apply again: it goes on.",
            ) from error
        self._written = last


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a chunk's journal where it ended.

    Raises:
        Terminal: a line in it is not a receipt.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = standings(path)
    with path.open("ab", buffering=0) as file:
        file.truncate(whole_bytes(path))
        sync_directory(path.parent)
        yield Journal(file, known)


def standings(path: Path) -> dict[str, Standing]:
    """Return how each action of a chunk stands; whoever is writing is not disturbed."""
    return {receipt.action_id: _standing(receipt) for receipt in read_receipts(path)}


def newest_receipts(path: Path) -> dict[str, Receipt]:
    """Return the newest receipt of each action; whoever is writing is not disturbed."""
    return {receipt.action_id: receipt for receipt in read_receipts(path)}


def is_final(standing: Standing | None) -> bool:
    """Tell whether an action that stands so is never taken up again; a failed one may be."""
    return standing not in (None, "begun", "failed")


def is_over(receipt: Receipt | None) -> bool:
    """Tell whether an action has its final outcome; a failed one may be tried again."""
    return receipt is not None and is_final(_standing(receipt))


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Yield the receipts of a chunk, oldest first, without holding them all.

    Raises:
        Terminal: a whole line in it is not a receipt.
    """
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            yield _RECEIPT.validate_json(line)
        except ValidationError:
            raise Terminal(
                "a line of the journal is not a receipt",
                where=f"{path}, line {number}",
                fix="Do not edit journals. Make a new plan; it finds what is left to do.",
            ) from None


def _intent(action: Action, now: str) -> str:
    # What is deleted keeps its age, if it comes back; a copy in place starts it anew.
    age = _AGE.format(_time(action.last_modified_at)) if action.action == "archive" else ""
    return (
        f'{{"action_id": {encode_basestring(action.action_id)}, "event": "intent", "at": {now}, '
        f'"uri": {encode_basestring(action.uri)}{age}}}\n'
    )


def _outcome(outcome: Outcome, now: str) -> str:
    action, result, detail, etag, version_id = outcome
    has_more = detail or etag or version_id
    rest = _filled((("detail", detail), ("etag", etag), ("version_id", version_id))) if has_more else ""
    return (
        f'{{"action_id": {encode_basestring(action.action_id)}, "event": "outcome", "at": {now}, '
        f'"result": "{result}", "uri": {encode_basestring(action.uri)}{rest}}}\n'
    )


def _filled(values: Iterable[tuple[str, str]]) -> str:
    return "".join([f', "{name}": {encode_basestring(text)}' for name, text in values if text])


def _time(moment: datetime) -> str:
    return f'"{moment.isoformat()}Z"'


def _standing(receipt: Receipt) -> Standing:
    return receipt.result or "begun"


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line[:-1] for line in file if line.endswith(b"\n"))


def whole_bytes(path: Path) -> int:
    """Return how many bytes of a journal are whole lines; the rest is one that a kill cut short."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK_BYTES)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0


def sync_directory(directory: Path) -> None:
    """See that a new file is found in its directory, even after the power fails."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
