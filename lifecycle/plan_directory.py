"""A plan on disk: `plan.json`, its action files, and beside them what happens to it.

    plan.json  actions/chunk-00000.parquet …  survivors.parquet     sealed: bound by the fingerprint
    approvals/<n>.json   receipts/<chunk>.jsonl   finished.json   verification.json   stop

Somebody who creates the file `stop` ends an apply between two changes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

from lifecycle.errors import PlanRefused
from lifecycle.expand import SURVIVORS, sha256_of
from lifecycle.model import Action, Plan
from lifecycle.plan import plan_from_json, plan_to_json
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
]


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
    def is_finished(self) -> bool:
        """Every action has its final outcome."""
        return (self.path / "finished.json").exists()

    @property
    def is_stopped(self) -> bool:
        """Somebody asked to stop."""
        return (self.path / "stop").exists()

    def write_plan(self, plan: Plan) -> None:
        """Write `plan.json`, last of all: without it the directory is no plan."""
        self.write("plan.json", plan_to_json(plan))

    def read_plan(self) -> Plan:
        """Return the plan, if it and its files are exactly what was sealed.

        Raises:
            NotFound: there is no plan.
            PlanRefused: something was edited.
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
        plan = plan_from_json(text, origin=str(self.path / "plan.json"))
        for file in (*plan.actions, *((plan.survivors,) if plan.survivors else ())):
            path = self.path / file.name
            if not path.is_file() or sha256_of(path) != file.sha256:
                raise PlanRefused(
                    "the plan was edited: a file is missing or not the one that was planned",
                    where=str(path),
                    fix="Plans are not edited. Make a new plan and have that approved.",
                )
        return plan

    def actions(self, chunk: str) -> Iterator[Action]:
        """Yield the actions of a chunk in their order."""
        with pq.ParquetFile(self.path / "actions" / f"{chunk}.parquet") as file:
            for batch in file.iter_batches(columns=_ACTION_COLUMNS):
                for row in batch.to_pylist():
                    yield Action(**{**row, "target_class": row["target_class"] or ""})

    def receipts(self, chunk: str) -> Path:
        """Return where the journal of a chunk is."""
        return self.path / "receipts" / f"{chunk}.jsonl"

    def write(self, name: str, text: str) -> Path:
        """Write a small file, whole or not at all."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        return path

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
                "another apply of this plan is running",
                where=str(self.path),
                fix="Wait for it, or stop it with the file 'stop' in the plan's directory.",
            ) from None
