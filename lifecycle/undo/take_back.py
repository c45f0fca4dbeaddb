"""Takes the changes of a chunk back, object by object, with the same care as they were made.

Receipts tell what was done; what is there now decides. A delete marker is taken away while it is the newest
word about its key, a generation is brought back where nothing lives, a copy goes back to its class while it
is the copy that was made. Whatever somebody wrote since is left alone.

A checkpoint comes back in reverse order: its completeness marker last, and only when all else is there, so
that one that is half back never looks complete.
"""

import os.path
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path as FilePath

from lifecycle.apply.act import Hand, Shift, patiently
from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.decide.checkpoints import LARGEST_COPY_BYTES
from lifecycle.errors import AclChanged, ActionRefused, ConditionFailed, Gone
from lifecycle.model import REVERSIBLE_PATHS, Action, Path, Receipt, Result
from lifecycle.providers import ClassChange, KeepsRules, ObjectState, Provider
from lifecycle.records.journal import open_journal
from lifecycle.records.traces import Change, Trace, read_traces
from lifecycle.undo.way_back import is_as_it_was, is_our_copy, is_our_move, left_behind, markers_among
from pipelines.errors import Terminal

OVER: frozenset[Result | None] = frozenset({"done", "changed"})
"""Outcomes that are final: it is back, or it is no longer ours to take back."""
READABLE_DAYS = 7
"""How long a thawed copy can be read: undo has to be run again within this time."""
_FOUND_BACK = "found as it was"
_ANEW = "somebody wrote it since"
_NOT_MOVED = "its tag is off, and the bucket's rule had not moved it"
_MOVED = "the bucket's rule has moved it to"
_BY_HAND = "While nobody writes it, a person can copy it onto itself in its old class"
_HALF_BACK = "another object of its checkpoint is not back, and without this one it does not look complete"
Way = tuple[str, Path]
"""A bucket's URI, and how something was done there."""
_Versions = Mapping[str, Sequence[ObjectState]]
"""Versions by key, the newest of each kind first."""


def take_back(
    journal_path: FilePath, changes: Sequence[Change], hand: Hand, unenforced: Mapping[Way, str]
) -> None:
    """Take back what is left of a chunk. Running it again does nothing twice.

    `unenforced` tells of buckets why the way back is closed there: conditions that it relies on.

    Raises:
        Transient: the store does not answer for too long; what was begun is settled the next time.
    """
    ways = [change for change in changes if change.can_be_undone]
    groups = [list(group) for _, group in groupby(ways, key=lambda change: change.action.checkpoint_id)]
    with open_journal(journal_path) as journal, ThreadPoolExecutor(max_workers=hand.workers) as pool:
        worker = _Worker(Shift(journal, hand), unenforced, read_traces(journal_path))
        work = [pool.submit(worker.see_through, group) for group in reversed(groups)]
        for done in wait(work, return_when=FIRST_EXCEPTION).done:
            done.result()


def relies_on_conditions(action: Action) -> bool:
    """Tell whether the way back hits the right object only where conditions are enforced."""
    # A delete marker is named by its own version: taking it away hits nothing else.
    return action.path in REVERSIBLE_PATHS and action.path != "delete-marker"


def way_of(action: Action) -> Way:
    """Return where an action was done, and how its way back goes: a rule moves objects of any size."""
    is_large = action.path == "tag-and-rule" and action.size_bytes > LARGEST_COPY_BYTES
    return action.place, "copy-in-parts" if is_large else action.path


@dataclass(frozen=True)
class _Worker:
    """Takes checkpoints back, object by object."""

    shift: Shift
    unenforced: Mapping[Way, str]
    said: dict[str, Trace]
    """The newest word about each change, of earlier runs and of this one."""

    def see_through(self, changes: Sequence[Change]) -> None:
        """Take back the changes of one checkpoint, the last one first."""
        try:
            self._in_reverse(changes)
        except BaseException:
            # At once, and not when somebody asks for the result: the others would begin another checkpoint.
            self.shift.halt.set()
            raise

    def _in_reverse(self, changes: Sequence[Change]) -> None:
        waiting = [change for change in changes if self._result(change) not in OVER]
        deletes = [change.action for change in waiting if _is_delete(change)]
        if self.shift.is_ending() or not waiting:
            return
        is_whole = all(self._result(change) != "changed" for change in changes)
        markers = markers_among(changes)
        versions = patiently(self.shift, waiting[0].action, lambda: self._versions_of(deletes))
        for change in reversed(waiting):
            if self.shift.is_ending() or versions is None:
                return
            if _is_delete(change) and change.action.action_id in markers and not is_whole:
                self._conclude(change, "skipped", _HALF_BACK)
            else:
                self._one(change, versions)
            is_whole = is_whole and self._result(change) == "done"

    def _result(self, change: Change) -> Result | None:
        last = self.said.get(change.action.action_id)
        return last.newest.result if last else None

    def _versions_of(self, actions: Sequence[Action]) -> _Versions | Terminal:
        """List the versions of these keys afresh; they are all of one checkpoint."""
        found: dict[str, list[ObjectState]] = {action.object_key: [] for action in actions}
        if not actions:
            return found
        provider, bucket = self.shift.provider(actions[0]), actions[0].bucket
        try:
            # Keys are no paths.
            for state in provider.versions(bucket, os.path.commonprefix(list(found))):  # noqa: RUF071
                if state.key in found:
                    found[state.key].append(state)
        except Terminal as error:
            return error
        return found

    def _one(self, change: Change, versions: _Versions | Terminal) -> None:
        action, unenforced = change.action, self.unenforced.get(way_of(change.action), "")
        if action.path == "tag-and-rule":
            patiently(self.shift, action, lambda: self._back_from_rule(change, unenforced))
        elif unenforced and relies_on_conditions(action):
            self._conclude(change, "failed", unenforced)
        elif not _is_delete(change):
            patiently(self.shift, action, lambda: self._back_in_class(change))
        elif isinstance(versions, Terminal):
            self._conclude(change, "failed", versions.what)
        else:
            known = versions[action.object_key]
            patiently(self.shift, action, lambda: self._bring_back(change, known))

    def _bring_back(self, change: Change, versions: Sequence[ObjectState]) -> None:
        """Take a delete back, if nothing was written since and what it left behind is still there."""
        action = change.action
        live = next((v for v in versions if v.is_current and not v.is_delete_marker), None)
        left, missing = left_behind(change, versions)
        if live is not None:
            self._judge(change, live)
        elif missing:
            self._conclude(change, "changed", missing)
        else:
            self._change(change, lambda provider: _restored(provider, action, left))

    def _back_from_rule(self, change: Change, unenforced: str) -> None:
        """Take our tag off; what the rule has moved goes back by a copy, where that is safe."""
        action = change.action
        try:
            state = self.shift.provider(action).head(action.bucket, action.object_key)
            # First of all: with it, the rule would move again what a copy brings back.
            self._take_tag_off(change, state)
        except Gone:
            self._conclude(change, "changed", "it is gone")
        except ActionRefused as error:
            self._conclude(change, "failed", error.what)
        else:
            if not is_our_move(change, state, self._begun_at(change)):
                is_same = is_as_it_was(action, state, None)
                self._conclude(change, *(("done", _NOT_MOVED) if is_same else ("changed", _ANEW)))
            elif unenforced:
                self._conclude(change, "failed", f"{_MOVED} {action.target_class}: {unenforced}. {_BY_HAND}")
            else:
                self._back_in_class(change)

    def _take_tag_off(self, change: Change, state: ObjectState) -> None:
        action, plan_id = change.action, self.shift.hand.plan_id
        provider = self.shift.provider(action)
        if not isinstance(provider, KeepsRules):
            raise ActionRefused("no rule goes by tags here", where=action.uri, fix="Leave it.")
        if provider.tags(action.bucket, action.object_key).get(ARCHIVE_TAG) == plan_id:
            self._intend(change)
            provider.untag(action.bucket, state, ARCHIVE_TAG, plan_id)

    def _back_in_class(self, change: Change) -> None:
        """Move a copy back to the class the object had, if it is still the copy that was made."""
        action = change.action
        try:
            state = self.shift.provider(action).head(action.bucket, action.object_key)
        except Gone:
            self._conclude(change, "changed", "it is gone")
            return
        except ActionRefused as error:
            self._conclude(change, "failed", error.what)
            return
        is_rule = action.path == "tag-and-rule"
        is_ours = (
            is_our_move(change, state, self._begun_at(change)) if is_rule else is_our_copy(change, state)
        )
        if not is_ours:
            self._judge(change, state)
        elif state.hold:
            self._conclude(change, "protected", state.hold)
        elif state.thaw in ("frozen", "thawing"):
            self._thaw(change, state)
        else:
            in_parts = way_of(action)[1] == "copy-in-parts"
            back = ClassChange(action.storage_class, state.token, state.token, in_parts)
            self._change(change, lambda provider: provider.change_class(action.bucket, state, back))

    def _thaw(self, change: Change, state: ObjectState) -> None:
        """Ask once for a readable copy; it takes hours, so another run goes on."""
        action = change.action
        if state.thaw == "frozen":
            self._intend(change)
            try:
                self.shift.provider(action).thaw(action.bucket, action.object_key, READABLE_DAYS)
            except Gone:
                self._conclude(change, "changed", "it is gone")
                return
            except ActionRefused as error:
                self._conclude(change, "failed", error.what)
                return
        self._conclude(change, "thawing", f"a readable copy of it is on its way out of {state.storage_class}")

    def _change(self, change: Change, act: Callable[[Provider], str]) -> None:
        """Change under conditions; an answer that says no may belong to a request that was repeated."""
        pace = self.shift.pace(change.action)
        if self.shift.rest(pace.delay(1)):
            return
        self._intend(change)
        try:
            token = act(self.shift.provider(change.action))
            pace.answered(1)
        except (ConditionFailed, Gone):
            self._look(change, otherwise=("changed", "it was written anew, or removed, at this very moment"))
        except AclChanged as error:
            self._conclude(change, "done", error.what, error.token)
        except ActionRefused as error:
            self._look(change, otherwise=("failed", error.what))
        else:
            self._conclude(change, "done", token=token)

    def _look(self, change: Change, otherwise: tuple[Result, str]) -> None:
        action = change.action
        try:
            state = self.shift.provider(action).head(action.bucket, action.object_key)
        except (Gone, ActionRefused):
            self._conclude(change, *otherwise)
            return
        self._judge(change, state, otherwise)

    def _judge(
        self, change: Change, state: ObjectState, otherwise: tuple[Result, str] = ("changed", _ANEW)
    ) -> None:
        """Conclude about an object that nothing has to be done to."""
        if is_as_it_was(change.action, state, self._begun_at(change)):
            self._conclude(change, "done", _FOUND_BACK, state.token)
        else:
            self._conclude(change, *otherwise)

    def _begun_at(self, change: Change) -> datetime | None:
        """Return when an attempt to take it back began of which nobody knows how it ended."""
        last = self.said.get(change.action.action_id)
        return last.newest.at if last and last.newest.event == "intent" else None

    def _intend(self, change: Change) -> None:
        at = self.shift.hand.clock()
        self.shift.journal.intend(change.action, at)
        self.said[change.action.action_id] = Trace(at, Receipt(change.action.action_id, "intent", at))

    def _conclude(self, change: Change, result: Result, detail: str = "", token: str = "") -> None:
        """Note what came of it; the same word as last time is not said again."""
        action_id, at = change.action.action_id, self.shift.hand.clock()
        last = self.said.get(action_id)
        if not last or (last.newest.result, last.newest.detail) != (result, detail):
            self.shift.journal.conclude(change.action, result, at, detail=detail, etag=token)
            self.said[action_id] = Trace(at, Receipt(action_id, "outcome", at, result, detail, etag=token))
        self.shift.hand.on_progress(1)


def _is_delete(change: Change) -> bool:
    return change.action.action == "delete"


def _restored(provider: Provider, action: Action, version_id: str) -> str:
    state = provider.restore(action.bucket, action.object_key, version_id)
    if state.size_bytes != action.size_bytes:
        raise ConditionFailed(action.uri)
    return state.token
