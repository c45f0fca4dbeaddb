"""Acts on a chunk of an admitted plan: one journaled change after the other, and stops at any doubt.

Within a checkpoint the marker goes first, and the first object that is not what was planned ends the work on
that checkpoint. Small checkpoints that are deleted share their requests; everything else is done object by
object. What a kill interrupts is gone on with the next time; nothing is done twice.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from lifecycle.apply.act import WORKERS, Hand, Shift, Tell, see_to
from lifecycle.apply.batches import Course, remove
from lifecycle.model import Action, Result
from lifecycle.providers import BATCH
from lifecycle.records.journal import Journal, Standing, is_final

__all__ = ["WORKERS", "ChunkReport", "Hand", "Tell", "apply_chunk", "report_chunk"]
_LOOKED_AT = 100
"""Objects of checkpoints that go together, where each is looked at first: then workers share the looking."""
_log = logging.getLogger(__name__)


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

    `left_out` says of checkpoints why nothing of them must be begun.

    Raises:
        Transient: the store does not answer for too long; what was begun is settled the next time.
        Terminal: the journal cannot be written; nothing is changed from then on.
    """
    shift = Shift(journal, hand)
    courses = (
        Course(tuple(group), left_out.get(checkpoint_id, ""))
        for checkpoint_id, group in groupby(actions, key=attrgetter("checkpoint_id"))
    )
    with ThreadPoolExecutor(max_workers=hand.workers) as pool:
        work = [pool.submit(_see_through, shift, together) for together in _together(courses, hand)]
        for done in wait(work, return_when=FIRST_EXCEPTION).done:
            done.result()
    report = report_chunk(chunk, len(actions), journal.standing)
    _log.info("%s: %s, %d left", chunk, dict(report.results), report.left)
    return report


def report_chunk(chunk: str, action_count: int, standing: Mapping[str, Standing]) -> ChunkReport:
    """Return how a chunk stands, by the newest word about each of its actions."""
    stand = Counter(standing.values())
    results: dict[Result, int] = {stands: count for stands, count in stand.items() if stands != "begun"}
    final = sum(count for stands, count in stand.items() if is_final(stands))
    return ChunkReport(chunk, results, action_count - final)


@dataclass(frozen=True, slots=True)
class _Together:
    """Checkpoints that one worker sees through: one, or small ones whose requests are shared."""

    courses: Sequence[Course]
    shares: bool


def _together(courses: Iterable[Course], hand: Hand) -> Iterator[_Together]:
    """Put small checkpoints together: about one full request each time."""
    found: list[Course] = []
    count = 0
    for course in courses:
        shares, size = course.can_share(hand), len(course.actions)
        if found and not (shares and _is_near(found[0], course) and count + size <= _most(course, hand)):
            yield _Together(found, shares=True)
            found, count = [], 0
        if shares:
            found.append(course)
            count += size
        else:
            yield _Together((course,), shares=False)
    if found:
        yield _Together(found, shares=True)


def _is_near(one: Course, other: Course) -> bool:
    return one.actions[0].place == other.actions[0].place


def _most(course: Course, hand: Hand) -> int:
    return _LOOKED_AT if hand.capabilities[course.actions[0].place].object_lock else BATCH


def _see_through(shift: Shift, together: _Together) -> None:
    try:
        if shift.is_ending():
            return
        if together.shares:
            remove(shift, together.courses)
        else:
            _in_order(shift, together.courses[0])
    except BaseException:
        # At once, and not when somebody asks for the result: the others would begin another checkpoint.
        shift.halt.set()
        raise


def _in_order(shift: Shift, course: Course) -> None:
    for action in course.actions:
        stands = shift.journal.standing.get(action.action_id)
        if not is_final(stands):
            if shift.is_ending():
                return
            stands = see_to(shift, action, course.left_out)
        course.note(action, stands)
        if course.is_ended:
            return
