"""Who did what to which plan, in a log that shows when somebody changed it, or a file it speaks of.

`audit.jsonl` lies beside the plans' folders. Each line names a file of a plan and the hash of its first
bytes, and holds the hash of the line before: no line can be edited, put in or taken out without breaking it.
Receipts grow while a plan is applied; a later line then holds the hash of more of them. That the last lines
are gone no chain can show: who writes the newest hash down elsewhere, and asks for it, finds that too.
"""

import fcntl
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

import simplejson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lifecycle.model import Moment
from lifecycle.records.journal import sync_directory, whole_bytes
from pipelines.errors import MoraineError, NotFound, Terminal

AUDIT = "audit.jsonl"
BEGINNING = "0" * 64
"""What the first line holds instead of a hash of the line before."""
Event = Literal["planned", "approved", "applied", "finished", "verified", "undone", "handed_over", "ruled"]
_BLOCK_BYTES = 1 << 16
_SEALED = (
    *("approvals/*.json", "receipts/*.jsonl", "finished.json", "verifications/*.json", "undo/*.json*"),
    *(
        "handover/handover.json",
        "handover/rules-*.json",
        "handover/moved-*.parquet",
        "rules/put-*.json",
        "rules/rules-*.json",
        "rules/moved-*.parquet",
    ),
)
"""Files of a plan that some line should speak of, besides `plan.json`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    seq: int
    """1, 2, 3 …"""
    at: Moment
    event: Event
    plan_id: str
    by: str
    """Who, where that is known."""
    file: str
    """Relative to the plans' directory."""
    bytes: int
    sha256: str
    """Hash of the file's first `bytes` bytes."""
    previous: str
    """Hash of the line before."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong with a log; line 0 is the log itself."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a log says, and whether it and all that it speaks of is as it was written."""

    directory: str
    newest: str
    """Hash of the last line: write it down elsewhere."""
    broken: Break | None
    unsealed: tuple[str, ...]
    """Files, or ends of files, that no line speaks of: written by a step that was killed before it could say
    so or is still at work, before there was a log, or by hand."""
    entries: tuple[Entry, ...]

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong."""
        return self.broken is None


@dataclass(frozen=True, slots=True)
class Witness:
    """What the lines of a log say that steps of one kind wrote."""

    log: Path
    files: frozenset[tuple[str, str]]
    """Files, relative to the plans' directory, with the hash of all of their bytes."""
    broken: Break | None
    """Where the chain breaks: lines from there on are no witness."""

    def saw(self, plan: Path, file: Path, content: bytes) -> bool:
        """Tell whether a line speaks of this file of a plan, with exactly this content."""
        name = f"{plan.name}/{file.relative_to(plan).as_posix()}"
        return (name, hashlib.sha256(content).hexdigest()) in self.files


_ENTRY = TypeAdapter(Entry)


class AuditLog:
    """The log of all plans in one directory; several processes may add to it at the same time."""

    def __init__(self, plans: Path) -> None:
        self.plans = plans
        self.path = plans / AUDIT

    def append(self, event: Event, plan_id: str, file: Path, at: datetime, by: str = "") -> str:
        """Seal a file of a plan as it is now, in a new last line; return the hash of that line.

        Raises:
            Terminal: the log is damaged, or cannot be written.
        """
        size = whole_bytes(file) if file.suffix == ".jsonl" else file.stat().st_size
        sealed = _hashes(file, (size,))[size]
        name = file.relative_to(self.plans).as_posix()
        with self._alone() as (log, end):
            last = _last_line(log, end)
            before = self._read(last) if last else None
            entry = Entry(
                seq=before.seq + 1 if before else 1,
                at=at,
                event=event,
                plan_id=plan_id,
                by=by,
                file=name,
                bytes=size,
                sha256=sealed,
                previous=_hash(last) if last else BEGINNING,
            )
            line = _line(entry)
            self._write(log, end, line)
        return _hash(line)

    @contextmanager
    def sealing(
        self,
        event: Event,
        plan_id: str,
        files: Callable[[], Iterable[Path]],
        clock: Callable[[], datetime],
        by: str = "",
    ) -> Iterator[None]:
        """Seal what a step leaves in these files, however it ends.

        Raises:
            Terminal: see `append`.
        """
        try:
            yield
        except BaseException:
            with suppress(MoraineError, OSError):
                self._seal(event, plan_id, files(), clock(), by)
            raise
        self._seal(event, plan_id, files(), clock(), by)

    def _seal(self, event: Event, plan_id: str, files: Iterable[Path], at: datetime, by: str) -> None:
        for file in files:
            if file.exists():
                self.append(event, plan_id, file, at, by)

    def refuse_damaged(self) -> None:
        """Refuse to begin what could not be written down afterwards.

        Raises:
            Terminal: nothing can be added.
        """
        with self._alone() as (log, end):
            if last := _last_line(log, end):
                self._read(last)

    def witness(self, event: Event) -> Witness:
        """Return what the log saw of one kind of step; after an edit it is a witness of nothing."""
        entries, broken = _chain(_lines(self.path))
        files = frozenset((entry.file, entry.sha256) for entry in entries if entry.event == event)
        return Witness(self.path, files, next(iter(broken), None))

    @contextmanager
    def _alone(self) -> Iterator[tuple[IO[bytes], int]]:
        """Open the log for nobody else, and tell where its whole lines end."""
        try:
            self.plans.mkdir(parents=True, exist_ok=True)
            log = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        with log:
            fcntl.flock(log, fcntl.LOCK_EX)
            yield log, whole_bytes(self.path)

    def _write(self, log: IO[bytes], end: int, line: bytes) -> None:
        """Put a line at the end of the whole ones; what a kill left of another one goes."""
        try:
            log.truncate(end)
            left = memoryview(line + b"\n")
            while left:
                left = left[log.write(left) :]
            os.fsync(log.fileno())
            if not end:
                sync_directory(self.plans)
        except OSError as error:
            raise self._unwritable(error) from error

    def _read(self, line: bytes) -> Entry:
        try:
            return _ENTRY.validate_json(line)
        except ValidationError:
            raise Terminal(
                "the audit log is damaged: its last line is none of ours, so nothing can be added",
                where=str(self.path),
                fix="See 'moraine-lifecycle audit'. Move the file to a safe place: then a new one is begun.",
            ) from None

    def _unwritable(self, error: OSError) -> Terminal:
        return Terminal(
            f"the audit log cannot be written: {error.strerror or error}",
            where=str(self.path),
            fix="Make room, or give the right to write there; then run the same command again.",
        )


def check(plans: Path, expected: str = "") -> AuditReport:
    """Check the whole chain, and every file that it speaks of; of several breaks the first one is told.

    Args:
        plans: the directory of the plans and their log.
        expected: the hash of a line that has to be there.

    Raises:
        NotFound: there is no such directory.
    """
    if not plans.is_dir():
        raise NotFound(
            "there are no plans here",
            where=str(plans),
            fix="Name the directory that holds the plans' folders.",
        )
    lines = _lines(plans / AUDIT)
    entries, broken = _chain(lines)
    hashes = [_hash(line) for line in lines]
    breaks = [*broken, *_broken_files(plans, entries), *_lost(plans, hashes, expected)]
    return AuditReport(
        directory=str(plans),
        newest=hashes[-1] if hashes else BEGINNING,
        broken=min(breaks, key=lambda found: found.line, default=None),
        unsealed=tuple(_unsealed(plans, entries)),
        entries=tuple(entries),
    )


def _lost(plans: Path, hashes: Sequence[str], expected: str) -> Iterator[Break]:
    if expected and expected.strip().lower() not in (BEGINNING, *hashes):
        yield Break(
            len(hashes) + 1,
            "no line has the expected hash: the log was shortened, or is not the one the hash was taken from",
        )
    if not hashes and any(plans.glob("*/plan.json")):
        yield Break(0, "there are plans, and no log of them")


def _chain(lines: Sequence[bytes]) -> tuple[list[Entry], list[Break]]:
    """Return the entries up to the first one that is not as it was written."""
    entries: list[Entry] = []
    previous = BEGINNING
    for number, line in enumerate(lines, start=1):
        try:
            entry = _ENTRY.validate_json(line)
        except ValidationError:
            return entries, [Break(number, "this is no entry: it was edited, or put in")]
        if entry.seq != number:
            return entries, [Break(number, f"entry {number} is missing: this is entry {entry.seq}")]
        if entry.previous != previous:
            # The line before may be the edited one, so it vouches for no file.
            return entries[:-1], [
                Break(number - 1, "it was edited: the next line was written after another one")
                if entries
                else Break(number, "this is not how a log begins: the lines before it are gone")
            ]
        entries.append(entry)
        previous = _hash(line)
    return entries, []


def _broken_files(plans: Path, entries: Iterable[Entry]) -> Iterator[Break]:
    """Compare every file with what was sealed of it; each is read once, however often it was sealed."""
    by_file: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_file[entry.file].append(entry)
    for name, sealed in by_file.items():
        path = plans / name
        if not path.is_file():
            yield Break(sealed[0].seq, f"{name} is gone")
            continue
        found = _hashes(path, sorted(entry.bytes for entry in sealed))
        wrong = next((entry for entry in sealed if found.get(entry.bytes) != entry.sha256), None)
        if wrong:
            yield Break(wrong.seq, f"{name} {_what_is_wrong(wrong, found)}")
        elif sealed[0].event == "planned":
            yield from _broken_parts(sealed[0], path)


def _what_is_wrong(entry: Entry, found: Mapping[int, str]) -> str:
    if entry.bytes not in found:
        return f"was shortened: it had {entry.bytes:,} bytes"
    return f"was edited: its first {entry.bytes:,} bytes are not those of then"


def _broken_parts(entry: Entry, plan: Path) -> Iterator[Break]:
    """Compare the Parquet files of a plan with what its `plan.json` binds them by."""
    for part in _parts(plan):
        path = plan.parent / part["name"]
        said = f"{path.relative_to(plan.parents[1]).as_posix()}, a part of the plan,"
        if not path.is_file():
            yield Break(entry.seq, f"{said} is gone")
        elif _hashes(path, (path.stat().st_size,)).popitem()[1] != part["sha256"]:
            yield Break(entry.seq, f"{said} was edited")


def _parts(plan: Path) -> list[Mapping[str, Any]]:
    document = simplejson.loads(plan.read_bytes())
    found = (document.get("decisions"), *document.get("actions", ()), document.get("survivors"))
    return [part for part in found if part]


def _unsealed(plans: Path, entries: Iterable[Entry]) -> Iterator[str]:
    sealed: dict[str, int] = {}
    for entry in entries:
        sealed[entry.file] = max(entry.bytes, sealed.get(entry.file, 0))
    for plan in sorted(plans.glob("*/plan.json")):
        inside = (path for pattern in _SEALED for path in sorted(plan.parent.glob(pattern)))
        for path in (plan, *inside):
            name = path.relative_to(plans).as_posix()
            if name not in sealed:
                yield name
            elif path.suffix == ".jsonl" and path.stat().st_size > sealed[name]:
                yield f"{name} after {sealed[name]:,} bytes"


def _hashes(path: Path, sizes: Sequence[int]) -> dict[int, str]:
    """Return the hash of a file's first bytes for each of these sizes, ascending, that the file has."""
    found: dict[int, str] = {}
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        for size in sizes:
            while done < size and (block := file.read(min(_BLOCK_BYTES, size - done))):
                digest.update(block)
                done += len(block)
            if done < size:
                break
            found[size] = digest.hexdigest()
    return found


def _lines(path: Path) -> list[bytes]:
    """Return the whole lines; one that a kill cut short counts as not written."""
    if not path.exists():
        return []
    return path.read_bytes().split(b"\n")[:-1]


def _last_line(log: IO[bytes], end: int) -> bytes:
    """Return the line that ends at `end`, without its end; nothing when there is none."""
    found, start = b"", max(0, end - 1)
    while start and b"\n" not in found:
        step = min(_BLOCK_BYTES, start)
        start -= step
        log.seek(start)
        found = log.read(step) + found
    return found.rpartition(b"\n")[2]


def _line(entry: Entry) -> bytes:
    values = {**asdict(entry), "at": entry.at.isoformat() + "Z"}
    return simplejson.dumps(values, separators=(",", ":")).encode()


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
