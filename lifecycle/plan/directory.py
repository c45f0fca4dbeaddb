"""A plan on disk: `plan.json`, its action files, and beside them what happens to it.

    plan.json   decisions.parquet   actions/chunk-00000.parquet …   survivors.parquet     sealed
    approvals/<n>.json   receipts/<chunk>.jsonl   finished.json   verifications/<n>.json   stop
    undo/record-<n>.json   undo/<chunk>.jsonl     the way back: who wanted it, and its own receipts
    handover/handover.json   handover/job-<n>.csv …   what the engines of the clouds do instead
    rules/put-<n>.json   rules/rules-<n>.json     rules of buckets that move what was tagged, and those beside
    rules/moved-<n>.parquet                       what they have moved, as verifications saw it

Nothing of this is ever written again, but that receipts grow; `../audit.jsonl` seals it. `verification.json`
is the newest verification. Who creates the file `stop` ends an apply, or an undo, between two changes.
"""

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import duckdb
import pyarrow.parquet as pq

from lifecycle.errors import PlanRefused
from lifecycle.model import Action, Line, Plan, PlanFile
from lifecycle.plan.decisions import DECISIONS, read_lines, sha256_of
from lifecycle.plan.document import plan_from_json, plan_to_json
from lifecycle.plan.expand import SURVIVORS
from pipelines.engine import connect
from pipelines.errors import NotFound

_ACTION_COLUMNS = [
    "action_id",
    "action",
    "scheme",
    "bucket",
    "object_key",
    "version_id",
    "etag",
    "size_bytes",
    "last_modified_at",
    "storage_class",
    "target_class",
    "checkpoint_id",
    "path",
    "is_marker",
]
_ROWS_AT_ONCE = 10_000
_REMAINING = """
    select checkpoint_id, object_key, size_bytes
    from read_parquet(?)
    where checkpoint_id in (select unnest(?::varchar[]))
"""
_TAGGED = """
    select bucket, max(target_class), min(object_key), max(object_key)
    from read_parquet(?)
    where path = 'tag-and-rule'
    group by all
    order by all
"""
_WAYS = "select distinct scheme || '://' || bucket, path from read_parquet(?) order by all"


@dataclass(frozen=True, slots=True)
class Tagged:
    """Objects of one bucket that are tagged for its rule."""

    bucket: str
    to: str
    first_key: str
    last_key: str


class PlanDirectory:
    """One plan's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def survivors(self) -> Path:
        """Objects of the touched runs that must still be there afterwards."""
        return self.path / SURVIVORS

    @property
    def decisions(self) -> Path:
        """A line per checkpoint."""
        return self.path / DECISIONS

    @property
    def is_finished(self) -> bool:
        """Every action has its final outcome."""
        return (self.path / "finished.json").exists()

    @property
    def is_undone(self) -> bool:
        """Somebody went back, at least in part: what was planned is no longer to be done."""
        return any((self.path / "undo").glob("record-*.json"))

    @property
    def handover(self) -> Path:
        """What was written for the engines of the clouds."""
        return self.path / "handover"

    @property
    def is_handed_over(self) -> bool:
        """The engines of the clouds were asked to do it: nothing else is to act on it."""
        return (self.handover / "handover.json").exists()

    @property
    def is_begun(self) -> bool:
        """An apply changed something, or was about to."""
        return any((self.path / "receipts").glob("*.jsonl"))

    @property
    def is_stopped(self) -> bool:
        """Somebody asked to stop."""
        return (self.path / "stop").exists()

    def write_plan(self, plan: Plan) -> None:
        """Write `plan.json`, last of all: without it the directory is no plan."""
        self.write("plan.json", plan_to_json(plan))

    def read_plan(self, chunk: str | None = None) -> Plan:
        """Return the plan, if it and its files are exactly what was sealed.

        All bytes of these files are read, so a step asks once. Of a chunk only its own actions are looked
        at, beside the decisions and what must remain: with a thousand chunks in tasks of their own, each
        would read the files of all.

        Raises:
            NotFound: there is no plan.
            PlanRefused: something was edited.
        """
        plan = self.read_document()
        others = {f"actions/{name}.parquet" for name in plan.chunks if chunk not in (None, name)}
        self._refuse_edited(file for file in plan.files if file.name not in others)
        return plan

    def read_document(self) -> Plan:
        """Return the plan, if `plan.json` is exactly what was sealed; its other files are not looked at.

        Raises:
            NotFound: there is no plan.
            PlanRefused: it was edited.
        """
        try:
            text = (self.path / "plan.json").read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(
                "there is no plan here",
                where=str(self.path / "plan.json"),
                fix="Name a plan's directory or its id; 'moraine-lifecycle plan' prints both.",
            ) from None
        except UnicodeDecodeError:
            raise PlanRefused("this is not a plan", where=str(self.path), fix="Make a new one.") from None
        return plan_from_json(text, origin=str(self.path / "plan.json"))

    def _refuse_edited(self, files: Iterable[PlanFile]) -> None:
        for file in files:
            path = self.path / file.name
            if not path.is_file() or sha256_of(path) != file.sha256:
                raise PlanRefused(
                    "the plan was edited: a file is missing or not the one that was planned",
                    where=str(path),
                    fix="Plans are not edited. Make a new plan and have that approved.",
                )

    def lines(self, chunk: str | None = None) -> Iterator[Line]:
        """Yield what becomes of each checkpoint, in order: of all, or of those that a chunk changes."""
        if chunk is None:
            return self._lines("true", {})
        return self._lines("chunk = $chunk", {"chunk": int(chunk.removeprefix("chunk-"))})

    def changes(self) -> Iterator[Line]:
        """Yield the checkpoints in which something happens, in order."""
        return self._lines("decision <> 'keep'", {})

    def staying(self, place: str, run: str) -> Iterator[Line]:
        """Yield the checkpoints of a run that are not deleted."""
        where = "place = $place and run = $run and decision <> 'delete'"
        return self._lines(where, {"place": place, "run": run})

    def remaining(self, checkpoints: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return what must still be there of these checkpoints afterwards: sizes by key, by checkpoint."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        if checkpoints:
            cursor = self._reader.cursor().execute(_REMAINING, [str(self.survivors), list(checkpoints)])
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                for checkpoint_id, key, size_bytes in rows:
                    found[checkpoint_id][key] = size_bytes
        return found

    def ways(self, chunks: Iterable[str]) -> Mapping[str, set[str]]:
        """Return the paths that these chunks rely on, by the URI of their bucket."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        files = [str(self.path / "actions" / f"{chunk}.parquet") for chunk in chunks]
        if files:
            for place, path in self._reader.cursor().execute(_WAYS, [files]).fetchall():
                found[place].add(path)
        return found

    def tagged(self, chunks: Iterable[str]) -> Iterator[Tagged]:
        """Yield where these chunks tag objects for a rule of their bucket; a plan has one class to go to."""
        files = [str(self.path / "actions" / f"{chunk}.parquet") for chunk in chunks]
        if files:
            for row in self._reader.cursor().execute(_TAGGED, [files]).fetchall():
                yield Tagged(*row)

    def line_at(self, uri: str) -> Line | None:
        """Return the line of the checkpoint that an object or a folder belongs to, if there is one."""
        bucket, *folders = uri.rstrip("/").partition("://")[2].split("/")
        start = f"{uri.partition('://')[0]}://{bucket}"
        above = ["/".join((start, *folders[:count])) for count in range(len(folders) + 1)]
        found = self._lines("list_contains($uris, rtrim(uri, '/'))", {"uris": above})
        # A folder with a slash is about what lies right in it, not below.
        holding = (line for line in found if line.uri[-1] != "/" or line.uri in (uri, _folder_of(uri)))
        return max(holding, key=lambda line: len(line.uri), default=None)

    def _lines(self, condition: str, values: dict[str, object]) -> Iterator[Line]:
        return read_lines(self._reader, self.decisions, condition, values)

    @cached_property
    def _reader(self) -> duckdb.DuckDBPyConnection:
        return connect(threads=1)

    def actions(self, chunk: str) -> Iterator[Action]:
        """Yield the actions of a chunk in their order."""
        with pq.ParquetFile(self.path / "actions" / f"{chunk}.parquet") as file:
            for batch in file.iter_batches(columns=_ACTION_COLUMNS):
                for row in batch.to_pylist():
                    yield Action(**{**row, "target_class": row["target_class"] or ""})

    def receipts(self, chunk: str) -> Path:
        """Return where the journal of a chunk is."""
        return self.path / "receipts" / f"{chunk}.jsonl"

    def refuse_stopped(self) -> None:
        """Refuse to begin while somebody's word to stop is still there.

        Raises:
            PlanRefused: it is.
        """
        if self.is_stopped:
            raise PlanRefused(
                "somebody asked to stop, and nobody took it back",
                where=str(self.path / "stop"),
                fix="Remove this file and run the same command again.",
            )

    def refuse_handed_over(self) -> None:
        """Refuse to act on what the engine of a cloud is at work on.

        Raises:
            PlanRefused: it was handed over.
        """
        if self.is_handed_over:
            raise PlanRefused(
                "the plan was handed over: the engines of the clouds act on it, and nothing else does",
                where=str(self.handover),
                fix="Follow README.md there, and see with 'moraine-lifecycle verify' how far they are. "
                "What has to come back is told there, too.",
            )

    def undo_receipts(self, chunk: str) -> Path:
        """Return where the journal of a chunk's way back is."""
        return self.path / "undo" / f"{chunk}.jsonl"

    def write_undo_record(self, text: str) -> Path:
        """Note who goes back, and why; every run of undo that finds something to do adds one."""
        return self.add("undo", text, "record-")

    def add(self, folder: str, text: str, prefix: str = "") -> Path:
        """Write a small file that is numbered after those before it; two at once get two numbers."""
        number = len(list((self.path / folder).glob(f"{prefix}*.json"))) + 1
        while (added := self.write_once(f"{folder}/{prefix}{number:04d}.json", text)) is None:
            number += 1
        return added

    def write_once(self, name: str, text: str) -> Path | None:
        """Write a small file, whole or not at all; None when there is one already, which stays."""
        path = self.path / name
        beside = self._write_beside(path, text)
        try:
            os.link(beside, path)
        except FileExistsError:
            return None
        finally:
            beside.unlink()
        return path

    def write(self, name: str, text: str) -> Path:
        """Write a small file, whole or not at all."""
        path = self.path / name
        self._write_beside(path, text).replace(path)
        return path

    def _write_beside(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return beside

    @contextmanager
    def locked(self, chunk: str | None) -> Iterator[None]:
        """Hold the plan, or one chunk of it: chunks may run side by side, but nothing twice.

        Raises:
            PlanRefused: another apply holds it.
        """
        (self.path / "locks").mkdir(exist_ok=True)
        with ExitStack() as held:
            plan = held.enter_context((self.path / "locks" / "plan").open("w"))
            self._hold(plan, fcntl.LOCK_SH if chunk else fcntl.LOCK_EX)
            if chunk:
                part = held.enter_context((self.path / "locks" / chunk).open("w"))
                self._hold(part, fcntl.LOCK_EX)
            yield

    def _hold(self, file: IO[str], kind: int) -> None:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlanRefused(
                "another apply, or undo, of this plan is running",
                where=str(self.path),
                fix="Wait for it, or stop it with the file 'stop' in the plan's directory.",
            ) from None


def _folder_of(uri: str) -> str:
    return uri[: uri.rindex("/") + 1]
