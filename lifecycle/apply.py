"""Acts on an admitted plan: a chunk at a time, one journaled change after the other, and stops at any doubt.

Each change: look at the object (is it what was planned? is it held?), journal the intent, change it under
the condition that it is still the same, journal the outcome. Within a checkpoint the first object that is
not what was planned ends the work on that checkpoint. An intent without an outcome, left by a kill, is
settled by looking: the change has happened, or it is done now; never twice.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from threading import Event

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.journal import Journal, is_over
from lifecycle.model import Action, Receipt, Result
from lifecycle.providers import ClassChange, Clouds, ObjectState

WORKERS = 8
"""Checkpoints worked on at the same time; each of them strictly in order."""
_FOUND_DONE = "found done when looking again"
_NOT_AS_PLANNED = frozenset({"changed", "protected", "skipped"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hand:
    """What acting needs from outside: the cloud, the clock, a word to stop, and somebody to tell."""

    clouds: Clouds
    clock: Callable[[], datetime]
    is_stopped: Callable[[], bool] = lambda: False
    on_progress: Callable[[], None] = lambda: None
    workers: int = WORKERS


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What became of a chunk's actions."""

    chunk: str
    results: Mapping[Result, int] = field(default_factory=dict)
    left: int = 0
    """Actions without a final outcome: a stop or a failure left them for the next time."""

    @property
    def is_clean(self) -> bool:
        """Everything was done."""
        return not self.left and set(self.results) <= {"done"}


def apply_chunk(
    chunk: str, actions: Sequence[Action], journal: Journal, hand: Hand, left_out: Mapping[str, str]
) -> ChunkReport:
    """Do what is left of a chunk. Running it again does nothing twice.

    Raises:
        Transient: the store does not answer; what was begun is settled the next time.
    """
    worker = _Worker(journal, hand, Event())
    groups = [list(group) for _, group in groupby(actions, key=lambda action: action.checkpoint_id)]
    with ThreadPoolExecutor(max_workers=hand.workers) as pool:
        work = [
            pool.submit(worker.see_through, group, left_out.get(group[0].checkpoint_id, ""))
            for group in groups
        ]
        for done in wait(work, return_when=FIRST_EXCEPTION).done:
            done.result()
    report = report_chunk(chunk, actions, journal.newest)
    _log.info("%s: %s, %d left", chunk, dict(report.results), report.left)
    return report


def report_chunk(chunk: str, actions: Iterable[Action], newest: Mapping[str, Receipt]) -> ChunkReport:
    """Return how a chunk stands, by the newest receipt of each action."""
    results: dict[Result, int] = {}
    left = 0
    for action in actions:
        last = newest.get(action.action_id)
        if last is not None and last.result is not None:
            results[last.result] = results.get(last.result, 0) + 1
        left += not is_over(last)
    return ChunkReport(chunk, results, left)


@dataclass(frozen=True)
class _Worker:
    """Sees checkpoints through, object by object."""

    journal: Journal
    hand: Hand
    halt: Event

    def see_through(self, actions: Sequence[Action], left_out: str) -> None:
        """Do the actions of one checkpoint in their order, up to the first that is not as planned."""
        try:
            self._in_order(actions, left_out)
        except BaseException:
            # At once, and not when somebody asks for the result: the others would begin another checkpoint.
            self.halt.set()
            raise

    def _in_order(self, actions: Sequence[Action], left_out: str) -> None:
        for action in actions:
            if self.halt.is_set() or self.hand.is_stopped():
                return
            result = self._one(action, left_out)
            if result == "failed":
                return
            if result in _NOT_AS_PLANNED and not left_out:
                left_out = f"an object before it was not what was planned: {action.object_key}"

    def _one(self, action: Action, left_out: str) -> Result | None:
        last = self.journal.newest.get(action.action_id)
        if last is not None and is_over(last):
            return last.result
        is_begun = last is not None and last.event == "intent"
        try:
            if left_out and not is_begun:
                return self._conclude(action, "skipped", left_out)
            return self._act(action, left_out, is_begun=is_begun)
        finally:
            self.hand.on_progress()

    def _act(self, action: Action, left_out: str, *, is_begun: bool) -> Result:
        """Look, then change; what an interrupted attempt may have done already is looked for first."""
        try:
            state = self.hand.clouds[action.scheme].head(action.bucket, action.object_key)
        except Gone:
            return self._conclude(action, *(_gone(action) if is_begun else ("changed", "it is gone")))
        except ActionRefused as error:
            return self._conclude(action, "failed", error.what)
        if is_begun and _is_archived(action, state):
            return self._conclude(action, "done", _FOUND_DONE, etag=state.etag)
        obstacle = _obstacle(action, state, left_out)
        if obstacle:
            return self._conclude(action, *obstacle)
        if not is_begun:
            self.journal.intend(action, self.hand.clock())
        return self._change(action, state)

    def _change(self, action: Action, state: ObjectState) -> Result:
        """Change the object under its conditions; what counts is how it looks afterwards."""
        provider = self.hand.clouds[action.scheme]
        in_parts = action.path == "copy-in-parts"
        change = ClassChange(action.target_class, action.token, action.token, in_parts)
        try:
            if action.action == "archive":
                return self._conclude(
                    action, "done", etag=provider.change_class(action.bucket, state, change)
                )
            left = provider.delete(action.bucket, action.object_key, action.token)
            return self._conclude(action, "done", version_id=left)
        except (ConditionFailed, Gone):
            # The client library repeats a request whose answer was lost: the first one may have worked.
            return self._look(action, otherwise=("changed", "it changed at this very moment"))
        except ActionRefused as error:
            return self._look(action, otherwise=("failed", error.what))

    def _look(self, action: Action, otherwise: tuple[Result, str]) -> Result:
        try:
            state = self.hand.clouds[action.scheme].head(action.bucket, action.object_key)
        except Gone:
            return self._conclude(action, *_gone(action))
        except ActionRefused:
            return self._conclude(action, *otherwise)
        if _is_archived(action, state):
            return self._conclude(action, "done", _FOUND_DONE, etag=state.etag)
        return self._conclude(action, *otherwise)

    def _conclude(
        self, action: Action, result: Result, detail: str = "", *, etag: str = "", version_id: str = ""
    ) -> Result:
        at = self.hand.clock()
        self.journal.conclude(action, result, at, detail=detail, etag=etag, version_id=version_id)
        return result


def _gone(action: Action) -> tuple[Result, str]:
    return ("done", _FOUND_DONE) if action.action == "delete" else ("changed", "it is gone")


def _obstacle(action: Action, state: ObjectState, left_out: str) -> tuple[Result, str] | None:
    difference = _difference(action, state)
    if difference:
        return "changed", difference
    if left_out:
        return "skipped", left_out
    return ("protected", state.hold) if state.hold else None


def _is_archived(action: Action, state: ObjectState) -> bool:
    """Tell whether an archive has happened: same bytes, target class. A copy in parts has another ETag."""
    same = state.size_bytes == action.size_bytes and _same_etag(action, state)
    return action.action == "archive" and state.storage_class == action.target_class and same


def _same_etag(action: Action, state: ObjectState) -> bool:
    was_in_parts = "-" in action.etag or action.path == "copy-in-parts"
    return was_in_parts or state.etag == action.etag


def _difference(action: Action, state: ObjectState) -> str:
    """Return in what the object is not what was planned; an ETag alone does not identify it."""
    planned: dict[str, tuple[object, object]] = {
        "ETag": (action.etag, state.etag),
        "size": (action.size_bytes, state.size_bytes),
        "time": (_seconds(action.last_modified_at), _seconds(state.last_modified_at)),
        "storage class": (action.storage_class, state.storage_class),
    }
    if action.version_id not in (None, "", "null"):
        planned["version"] = (action.version_id, state.version_id)
    found = [f"its {name} is {now}, not {then}" for name, (then, now) in planned.items() if then != now]
    return "; ".join(found)


def _seconds(moment: datetime) -> datetime:
    # An inventory may know milliseconds where HEAD knows seconds.
    return moment.replace(microsecond=0)
