"""Deletes many objects with one request: first the markers of several checkpoints, then what is left of them.

A checkpoint without its marker is not complete to a trainer, so a request that is done in part, or never
followed by the next one, leaves nothing that only looks whole. Each object has a condition of its own.
Intents of a request are on disk before it is sent, and its outcomes with one more write.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lifecycle.apply.act import Hand, Shift, is_batched, look, patiently, settle
from lifecycle.errors import ActionRefused
from lifecycle.model import Action
from lifecycle.providers import BATCH, Removal, Target
from lifecycle.records.journal import Outcome, Standing, is_final
from pipelines.errors import Transient

_NOT_AS_PLANNED = frozenset({"changed", "protected", "skipped"})
_ALONE = frozenset({"delete_version", "abort_upload"})
"""Actions on things that are no parts of one whole: what becomes of one says nothing about the next."""


@dataclass
class Course:
    """One checkpoint on its way: the actions that are left, and why it goes no further."""

    actions: Sequence[Action]
    left_out: str = ""
    """Why nothing of it is begun any more."""
    is_ended: bool = False
    """A failure ended it for this time."""
    left: list[Action] = field(default_factory=list)

    def can_share(self, hand: Hand) -> bool:
        """Tell whether all that is left to do may go in requests together with that of others."""
        first = self.actions[0]
        kinds = {(action.action, action.path, action.bucket) for action in self.actions}
        return len(kinds) == 1 and is_batched(first, hand.capabilities.get(first.place))

    def note(self, action: Action, result: Standing | None) -> None:
        """Take in how an action stands now; without an outcome the work was stopped."""
        is_alone = action.action in _ALONE
        if result in (None, "begun") or (result == "failed" and not is_alone):
            self.is_ended = True
        elif result in _NOT_AS_PLANNED and not (self.left_out or is_alone):
            self.left_out = f"an object before it was not what was planned: {action.object_key}"

    def resume(self, shift: Shift) -> None:
        """Find out what is left; what an earlier attempt began is looked at."""
        standing = shift.journal.standing
        for action in self.actions:
            stands = standing.get(action.action_id)
            if is_final(stands):
                self.note(action, stands)
            elif stands != "begun" or self.is_free(shift, action):
                self.left.append(action)

    def take(self, *, markers: bool) -> list[Action]:
        """Return what goes in the first request, or in the later ones."""
        count = sum(action.is_marker for action in self.left)
        if not count and len(self.left) == len(self.actions):
            # Where no marker is known, the first object goes alone: what is missing shows at once.
            count = 1
        return self.left[:count] if markers else self.left[count:]

    def is_free(self, shift: Shift, action: Action) -> bool:
        """Look whether the object is as planned, and not held; journal what speaks against it."""
        seen = patiently(shift, action, lambda: look(shift, action, self.left_out))
        if isinstance(seen, Outcome):
            shift.conclude((seen,))
            self.note(action, seen.result)
        elif seen is None:
            self.note(action, None)
        return seen is not None and not isinstance(seen, Outcome)


_Member = tuple[Course, Action]


def remove(shift: Shift, courses: Sequence[Course]) -> None:
    """Delete what is left of these checkpoints of one bucket.

    Raises:
        Transient: the store does not answer for too long; what was begun is settled the next time.
    """
    for course in courses:
        course.resume(shift)
    for markers in (True, False):
        members = [(course, action) for course in courses for action in course.take(markers=markers)]
        for number, part in enumerate(_parts(members)):
            # Once markers are gone, a word to stop waits for the rest: nothing half gone is left for long.
            is_ending = shift.halt.is_set() if not (markers or number) else shift.is_ending()
            if is_ending:
                return
            _remove_part(shift, part)


def _parts(members: Sequence[_Member]) -> Iterator[Sequence[_Member]]:
    for first in range(0, len(members), BATCH):
        yield members[first : first + BATCH]


def _remove_part(shift: Shift, part: Sequence[_Member]) -> None:
    if _may_be_held(shift, part[0][1]):
        part = [
            (course, action)
            for course, action in part
            if course.left_out or course.is_ended or course.is_free(shift, action)
        ]
    shift.conclude(
        [Outcome(action, "skipped", course.left_out) for course, action in part if course.left_out]
    )
    going = [(course, action) for course, action in part if not (course.left_out or course.is_ended)]
    if not going:
        return
    shift.intend([action for _, action in going])
    waiting = {action.object_key: (course, action) for course, action in going}
    if patiently(shift, going[0][1], lambda: _ask(shift, waiting)) is None:
        for course, action in waiting.values():
            course.note(action, None)


def _may_be_held(shift: Shift, action: Action) -> bool:
    """Tell whether objects of this bucket may be locked: no listing shows that."""
    capability = shift.hand.capabilities.get(action.place)
    return capability is None or capability.object_lock


def _ask(shift: Shift, waiting: dict[str, _Member]) -> bool | None:
    """Send one request for all that wait; take out those that have an outcome. None when told to stop.

    Raises:
        Transient: some are still waiting: the store was overloaded, or did not answer.
    """
    action = next(iter(waiting.values()))[1]
    pace = shift.pace(action)
    if shift.rest(pace.delay(len(waiting))):
        return None
    targets = [Target(key, member[1].token) for key, member in waiting.items()]
    try:
        answers = shift.provider(action).delete_batch(action.bucket, targets)
    except ActionRefused as error:
        answers = [Removal(target.key, "refused", detail=error.what) for target in targets]
    pace.answered(_conclude(shift, waiting, answers))
    if waiting:
        raise Transient(
            "the store is overloaded", where=action.place, fix="Run apply again in an hour: it goes on."
        )
    return True


def _conclude(shift: Shift, waiting: dict[str, _Member], answers: Sequence[Removal]) -> int:
    outcomes: list[Outcome] = []
    settled = (removal for removal in answers if removal.key in waiting and removal.result != "busy")
    try:
        outcomes.extend(_outcome(shift, waiting[removal.key][1], removal) for removal in settled)
    finally:
        shift.conclude(outcomes)
        for outcome in outcomes:
            course, action = waiting.pop(outcome.action.object_key)
            if outcome.result != "done":
                course.note(action, outcome.result)
    return len(outcomes)


def _outcome(shift: Shift, action: Action, removal: Removal) -> Outcome:
    match removal.result:
        case "done":
            return Outcome(action, "done", version_id=removal.version_id)
        case "refused":
            return settle(shift, action, "failed", removal.detail)
        case _:
            return settle(shift, action, "changed", "it changed at this very moment")
