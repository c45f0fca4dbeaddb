"""The way back: from the receipts of a plan, or what was seen of an engine's work, to how it was.

It needs no approval, and may be gone after a plan has expired; who went it, and why, is noted beside the plan
before the first change. From then on the plan is never applied again. Killed at any point, running again
goes on and does nothing twice: it has journals of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lifecycle.apply.act import Hand
from lifecycle.model import BucketCapability, Path, Plan, PriceList, Receipt, Result, Scheme
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.accounts import FOR_GOOD
from lifecycle.records.journal import newest_receipts
from lifecycle.records.moves import traces_of
from lifecycle.records.traces import Change, changes_in
from lifecycle.undo.costs import Leg, Tally, UndoCost, cost_of
from lifecycle.undo.take_back import OVER, Way, relies_on_conditions, take_back, way_of
from pipelines.domain.text import to_json
from pipelines.errors import Terminal

MOST_SHOWN = 100
"""Objects of a chunk that are told one by one; the counts are always of all."""
_UNENFORCED = "the bucket does not enforce conditions: something newer could be replaced"


@dataclass(frozen=True, slots=True)
class UndoRecord:
    """Who wants it back, and why: `undo/record-<n>.json`."""

    plan_id: str
    fingerprint: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """One object that is not as it was, and why."""

    uri: str
    result: Result | None
    """None: there is no way back."""
    reason: str


@dataclass(frozen=True, slots=True)
class UndoneChunk:
    """How the way back of a chunk stands."""

    chunk: str
    results: Mapping[Result, int] = field(default_factory=dict)
    left: int = 0
    """Changes that another run may take back: stopped before, thawing, held, refused."""
    for_good: int = 0
    """Changes that cannot be undone."""
    left_alone: tuple[LeftAlone, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Everything is as it was."""
        return not self.left and not self.for_good and set(self.results) <= {"done"}


@dataclass(frozen=True, slots=True)
class UndoReport:
    """How the way back of a plan stands."""

    plan_id: str
    chunks: tuple[UndoneChunk, ...]
    """Those in which something was changed; the last one first, as they are gone through."""
    cost: UndoCost
    """What going back costs, of all that is back so far."""

    @property
    def is_clean(self) -> bool:
        """Everything is as it was, or nothing was ever changed."""
        return all(chunk.is_clean for chunk in self.chunks)

    @property
    def left(self) -> int:
        """Changes that another run may take back."""
        return sum(chunk.left for chunk in self.chunks)

    @property
    def thawing(self) -> int:
        """Objects that can be read in some hours, and taken back then."""
        return sum(chunk.results.get("thawing", 0) for chunk in self.chunks)


@dataclass(frozen=True)
class Journey:
    """What the way back of a plan needs; whoever goes it holds the plan's lock."""

    directory: PlanDirectory
    plan: Plan
    hand: Hand
    measure: Callable[[str], BucketCapability]
    """Finds out what a bucket enforces now."""
    prices: Mapping[Scheme, PriceList]
    prepare: Callable[[], None] = lambda: None
    """Takes the plan's rules out of buckets: from then on nothing more is moved."""

    def go(self, by: str, reason: str, at: datetime) -> UndoReport:
        """Take back what is left, the last chunk first.

        Raises:
            Transient: a store does not answer for too long; running again goes on.
        """
        chunks = tuple(reversed(self.plan.chunks))
        if any(self._waiting(chunk) for chunk in chunks):
            self.directory.write_undo_record(
                to_json(UndoRecord(self.plan.id, self.plan.fingerprint, by.strip(), reason.strip(), at))
            )
        self.prepare()
        tally, unenforced = Tally(), _Unenforced(self.measure)
        reports = [self._take_back(chunk, unenforced, tally) for chunk in chunks]
        report = UndoReport(self.plan.id, tuple(filter(None, reports)), cost_of(tally, self.prices))
        if self.directory.is_undone and not report.left and not self.directory.is_finished:
            # Nothing waits for this plan any more, its snapshot neither.
            self.directory.write("finished.json", to_json({"plan_id": self.plan.id, "at": at}))
        return report

    def _take_back(self, chunk: str, unenforced: "_Unenforced", tally: Tally) -> UndoneChunk | None:
        changes = list(self._changes(chunk))
        if not changes:
            return None
        path = self.directory.undo_receipts(chunk)
        if waiting := self._waiting(chunk):
            take_back(path, changes, self.hand, unenforced.at(waiting))
        newest = newest_receipts(path)
        _count_cost(changes, newest, tally)
        return report_undone(chunk, changes, newest)

    def _changes(self, chunk: str) -> Iterator[Change]:
        traces = traces_of(self.directory, chunk)
        return changes_in(self.directory.actions(chunk), traces) if traces else iter(())

    def _waiting(self, chunk: str) -> list[Change]:
        newest = newest_receipts(self.directory.undo_receipts(chunk))
        return [
            change
            for change in self._changes(chunk)
            if change.can_be_undone and _result(newest.get(change.action.action_id)) not in OVER
        ]


class _Unenforced:
    """What buckets do not enforce: measured once, and only where the way back relies on it."""

    def __init__(self, measure: Callable[[str], BucketCapability]) -> None:
        self._measure = measure
        self._known: dict[str, BucketCapability | Terminal] = {}

    def at(self, changes: Iterable[Change]) -> Mapping[Way, str]:
        """Return by bucket and path why nothing can be taken back there, where that is so."""
        relying = (change.action for change in changes if relies_on_conditions(change.action))
        ways = sorted({way_of(action) for action in relying})
        return {way: why for way in ways if (why := self._why_not(*way))}

    def _why_not(self, place: str, path: Path) -> str:
        if place not in self._known:
            try:
                self._known[place] = self._measure(place)
            except Terminal as error:
                self._known[place] = error
        found = self._known[place]
        if isinstance(found, Terminal):
            return f"what the bucket enforces cannot be measured: {found.what}"
        is_kept = {"soft-delete": found.delete, "copy-in-parts": found.can_copy and found.copy_in_parts}
        return "" if is_kept.get(path, found.can_copy) else _UNENFORCED


def report_undone(chunk: str, changes: Iterable[Change], newest: Mapping[str, Receipt]) -> UndoneChunk:
    """Return how the way back of a chunk stands, by the newest receipt of each change."""
    results: dict[Result, int] = {}
    left_alone: list[LeftAlone] = []
    left = for_good = 0
    for change in changes:
        back = newest.get(change.action.action_id)
        result, reason = (back.result, back.detail) if back else (None, "")
        if not change.can_be_undone:
            for_good, reason = for_good + 1, f"{FOR_GOOD} ({change.action.path})"
        else:
            left += result not in OVER
            if result is not None:
                results[result] = results.get(result, 0) + 1
        if reason and result != "done" and len(left_alone) < MOST_SHOWN:
            left_alone.append(LeftAlone(change.action.uri, result, reason))
    return UndoneChunk(chunk, results, left, for_good, tuple(left_alone))


def _count_cost(changes: Iterable[Change], newest: Mapping[str, Receipt], into: Tally) -> None:
    """Count what is back, for its cost; what lay behind a delete marker was billed all the time."""
    for change in changes:
        action, back = change.action, newest.get(change.action.action_id)
        # A tag that came off before anything was moved costs nothing.
        moved = action.path != "tag-and-rule" or (back is not None and back.etag)
        if back is not None and back.result == "done" and action.path != "delete-marker" and moved:
            days = max(0, (back.at - change.trace.newest.at).days)
            into.add(Leg(action.scheme, action.target_class, action.storage_class, days), action.size_bytes)


def _result(said: Receipt | None) -> Result | None:
    return said.result if said else None
