"""Does one action: look at what it is about, journal the intent, change it, journal the outcome.

An intent without an outcome, left by a kill or a lost answer, is settled by looking: the change has happened,
or it is done now; never twice. A store that is overloaded or does not answer is asked again, ever slower.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Final, Protocol, TypeVar

from lifecycle.apply.identity import difference, is_archived, seconds
from lifecycle.apply.pace import Pace, Paces, Struggle
from lifecycle.apply.tagging import Tagging
from lifecycle.apply.versions import why_it_stays
from lifecycle.errors import AclChanged, ActionRefused, ConditionFailed, Gone
from lifecycle.model import Action, BucketCapability, Result
from lifecycle.providers import ClassChange, Clouds, ObjectState, Provider, UploadState
from lifecycle.records.journal import Journal, Outcome
from pipelines.errors import Transient

WORKERS = 8
"""Requests under way at the same time; the actions of a checkpoint keep their order."""
_FOUND_DONE = "found done when looking again"
_AT_THIS_MOMENT = "it changed at this very moment"
_SLICE_SECONDS = 1.0
"""A word to stop is heard within this time."""
_BATCHED: Final = frozenset({"delete-batch-if-match", "delete-marker", "soft-delete"})

Answer = TypeVar("Answer")
Seen = ObjectState | UploadState


class Tell(Protocol):
    """Somebody who hears how many more actions are over."""

    def __call__(self, count: int = 1) -> None:
        """So many more."""


@dataclass(frozen=True)
class Hand:
    """What acting needs from outside: the cloud, the time, a word to stop, and somebody to tell."""

    clouds: Clouds
    clock: Callable[[], datetime]
    is_stopped: Callable[[], bool] = lambda: False
    on_progress: Tell = lambda count=1: None  # noqa: ARG005  (nobody listens)
    workers: int = WORKERS
    capabilities: Mapping[str, BucketCapability] = field(default_factory=dict)
    """What the buckets enforce, measured just now; nothing is relied on in others."""
    paces: Paces = field(default_factory=lambda: Paces(time.monotonic))
    pause: Callable[[float], None] = time.sleep
    """Lets so many seconds pass."""
    plan_id: str = ""
    """What the tags of the plan say."""
    keep_versions: int = 0
    """So many noncurrent versions of a key stay, the newest."""


@dataclass(frozen=True)
class Shift:
    """A chunk under work: what its workers share, and the word to halt that one of them gives to all."""

    journal: Journal
    hand: Hand
    halt: Event = field(default_factory=Event)

    def is_ending(self) -> bool:
        """Tell whether nothing new is to be begun."""
        return self.halt.is_set() or self.hand.is_stopped()

    def rest(self, length_seconds: float) -> bool:
        """Let time pass; return early, and true, when the shift is to end."""
        while length_seconds > 0:
            self.hand.pause(min(length_seconds, _SLICE_SECONDS))
            length_seconds -= _SLICE_SECONDS
            if length_seconds > 0 and self.is_ending():
                return True
        return self.halt.is_set()

    def provider(self, action: Action) -> Provider:
        """Return the cloud that an action is about."""
        return self.hand.clouds[action.scheme]

    def pace(self, action: Action) -> Pace:
        """Return the pace of an action's bucket."""
        return self.hand.paces.of(action.place)

    def is_begun(self, action: Action) -> bool:
        """Tell whether an action has an intent without an outcome."""
        return self.journal.standing.get(action.action_id) == "begun"

    def intend(self, actions: Sequence[Action]) -> None:
        """Journal what one request is about to change, but for what was begun before."""
        begun = [action for action in actions if not self.is_begun(action)]
        if begun:
            self.journal.intend_all(begun, self.hand.clock())

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Journal what came of actions."""
        if outcomes:
            self.journal.conclude_all(outcomes, self.hand.clock())
            self.hand.on_progress(len(outcomes))


def is_batched(action: Action, capability: BucketCapability | None) -> bool:
    """Tell whether an action shares its request with others: each still has a condition of its own."""
    is_known = action.path in _BATCHED or (action.path, action.scheme) == ("delete-if-match", "gs")
    return action.action == "delete" and is_known and capability is not None and capability.delete_batch


def see_to(shift: Shift, action: Action, left_out: str) -> Result | None:
    """Do one action, or what is left of it; `left_out` says why it must not be begun.

    Returns:
        Its outcome; none when told to stop meanwhile.

    Raises:
        Transient: the store does not answer for too long; what was begun is settled the next time.
    """
    outcome = patiently(shift, action, lambda: _attempt(shift, action, left_out))
    return outcome.result if outcome else None


def patiently(shift: Shift, action: Action, ask: Callable[[], Answer]) -> Answer | None:
    """Ask until the action's bucket answers, with growing pauses; return none when told to stop.

    Raises:
        Transient: it did not answer anybody for too long.
    """
    struggle = Struggle()
    while True:
        try:
            return ask()
        except Transient:
            pause = shift.pace(action).turned_away(struggle)
            if pause is None:
                raise
            if shift.rest(pause) or shift.is_ending():
                return None


def look(shift: Shift, action: Action, left_out: str = "") -> Outcome | Seen:
    """Return what an action is about, as planned; or what has come of it, or what stands against it.

    Raises:
        Transient: the store does not answer.
    """
    try:
        match action.action:
            case "delete_version":
                return _look_at_version(shift, action, left_out)
            case "abort_upload":
                return _look_at_upload(shift, action, left_out)
            case _:
                return _look_at_object(shift, action, left_out)
    except ActionRefused as error:
        return Outcome(action, "failed", error.what)


def settle(shift: Shift, action: Action, result: Result, detail: str) -> Outcome:
    """Return what came of a change that the store says it did not do: it may have done it the first time.

    The client library repeats a request whose answer was lost; what counts is how things look now.
    """
    seen = look(shift, action)
    if isinstance(seen, Outcome):
        return seen if seen.result in ("done", "protected") else Outcome(action, result, detail)
    return Outcome(action, result, detail)


def _attempt(shift: Shift, action: Action, left_out: str) -> Outcome | None:
    if shift.rest(shift.pace(action).delay(1)):
        return None
    is_out = bool(left_out) and not shift.is_begun(action)
    seen = Outcome(action, "skipped", left_out) if is_out else look(shift, action, left_out)
    if not isinstance(seen, Outcome):
        shift.intend((action,))
        seen = _changed(shift, action, seen)
        shift.pace(action).answered(1)
    shift.conclude((seen,))
    return seen


def _changed(shift: Shift, action: Action, seen: Seen) -> Outcome:
    try:
        return _change(shift, action, seen)
    except (ConditionFailed, Gone):
        return settle(shift, action, "changed", _AT_THIS_MOMENT)
    except AclChanged as error:
        return Outcome(action, "done", error.what, etag=error.token)
    except ActionRefused as error:
        return settle(shift, action, "failed", error.what)


def _change(shift: Shift, action: Action, seen: Seen) -> Outcome:
    provider, bucket, key = shift.provider(action), action.bucket, action.object_key
    match action.action, seen:
        case "archive", ObjectState() if action.path == "tag-and-rule":
            return _tagging(shift, action).tag(action, seen)
        case "archive", ObjectState():
            change = ClassChange(
                action.target_class, action.token, action.token, action.path == "copy-in-parts"
            )
            return Outcome(action, "done", etag=provider.change_class(bucket, seen, change))
        case "delete_version", _:
            provider.delete_version(bucket, key, action.version_id or "")
        case "abort_upload", _:
            provider.abort_upload(bucket, key, action.version_id or "")
        case _ if action.path == "delete-batch-if-match":
            raise ActionRefused(
                "conditions on deletes in batches cannot be relied on", where=action.uri, fix="Plan again."
            )
        case _:
            return Outcome(action, "done", version_id=provider.delete(bucket, key, action.token))
    return Outcome(action, "done")


def _look_at_object(shift: Shift, action: Action, left_out: str) -> Outcome | ObjectState:
    is_begun = shift.is_begun(action)
    if is_begun and action.path == "tag-and-rule":
        found = _tagging(shift, action).settle(action)
        return found if isinstance(found, Outcome) else _obstacle(action, "", left_out, found.hold) or found
    try:
        state = shift.provider(action).head(action.bucket, action.object_key)
    except Gone:
        if is_begun and action.action == "delete":
            return Outcome(action, "done", _FOUND_DONE, version_id=_left_behind(shift, action))
        return Outcome(action, "changed", "it is gone")
    if is_begun and is_archived(action, state):
        return Outcome(action, "done", _FOUND_DONE, etag=state.token)
    return _obstacle(action, difference(action, state), left_out, state.hold) or state


def _tagging(shift: Shift, action: Action) -> Tagging:
    known = shift.hand.capabilities.get(action.place)
    today = shift.hand.clock().date()
    return Tagging(shift.provider(action), shift.hand.plan_id, today, is_aws=bool(known and known.is_aws))


def _left_behind(shift: Shift, action: Action) -> str:
    """Return where the way back from a delete begins, whose answer was lost."""
    if action.path == "soft-delete":
        return action.token
    if action.path != "delete-marker":
        return ""
    marked = (v for v in _versions(shift, action) if v.is_current and v.is_delete_marker)
    return next((version.version_id or "" for version in marked), "")


def _look_at_version(shift: Shift, action: Action, left_out: str) -> Outcome | ObjectState:
    versions = [version for version in _versions(shift, action) if not version.is_soft_deleted]
    state = next((version for version in versions if version.version_id == action.version_id), None)
    if state is None:
        return _absent(shift, action)
    stays = why_it_stays(action, state, versions, shift.hand.keep_versions)
    return _obstacle(action, stays, left_out, state.hold) or state


def _look_at_upload(shift: Shift, action: Action, left_out: str) -> Outcome | UploadState:
    uploads = shift.provider(action).uploads(action.bucket, action.object_key)
    wanted = (action.object_key, action.version_id)
    state = next((upload for upload in uploads if (upload.key, upload.upload_id) == wanted), None)
    if state is None:
        return _absent(shift, action)
    is_same = seconds(state.initiated_at) == seconds(action.last_modified_at)
    return (
        _obstacle(action, "" if is_same else f"it was begun at {state.initiated_at}", left_out, "") or state
    )


def _absent(shift: Shift, action: Action) -> Outcome:
    if shift.is_begun(action):
        return Outcome(action, "done", _FOUND_DONE)
    return Outcome(action, "changed", "it is gone")


def _obstacle(action: Action, different: str, left_out: str, hold: str) -> Outcome | None:
    if different:
        return Outcome(action, "changed", different)
    if left_out:
        return Outcome(action, "skipped", left_out)
    return Outcome(action, "protected", hold) if hold else None


def _versions(shift: Shift, action: Action) -> list[ObjectState]:
    found = shift.provider(action).versions(action.bucket, action.object_key)
    return [version for version in found if version.key == action.object_key]
