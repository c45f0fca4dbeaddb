"""What the receipts of a plan tell: what was done, and what may have been.

A kill between a change and its outcome leaves an intent alone, and an error leaves a failure that may have
worked. Both are doubtful: whoever needs to know has to look at the bucket.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lifecycle.model import REVERSIBLE_PATHS, Action, Receipt
from lifecycle.records.journal import read_receipts

CLOCKS_APART = timedelta(minutes=15)
"""S3 refuses whoever's clock is further off: receipts and stores agree to within this."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What the receipts say of one action."""

    began_at: datetime | None
    newest: Receipt

    @property
    def is_done(self) -> bool:
        """Its newest receipt says so."""
        return self.newest.result == "done"

    @property
    def may_be_done(self) -> bool:
        """It was done, or begun and nobody knows."""
        is_open = self.newest.event == "intent" or self.newest.result == "failed"
        return self.is_done or (is_open and self.began_at is not None)

    def is_ours(self, written_at: datetime) -> bool:
        """Tell whether what was written then may be the action's work, as far as clocks can tell."""
        began_at = self.began_at or self.newest.at
        return began_at - CLOCKS_APART <= written_at <= self.newest.at + CLOCKS_APART


@dataclass(frozen=True, slots=True)
class Change:
    """An action that was done, or may have been."""

    action: Action
    trace: Trace

    @property
    def can_be_undone(self) -> bool:
        """Its path leaves a way back; the others were marked in the plan."""
        return self.action.path in REVERSIBLE_PATHS


def read_traces(path: Path) -> dict[str, Trace]:
    """Return what a chunk's receipts say, by action.

    Raises:
        Terminal: a line in it is not a receipt.
    """
    found: dict[str, Trace] = {}
    for receipt in read_receipts(path):
        before = found.get(receipt.action_id)
        began_at = before.began_at if before else None
        if began_at is None and receipt.event == "intent":
            began_at = receipt.at
        found[receipt.action_id] = Trace(began_at, receipt)
    return found


def changes_in(actions: Iterable[Action], traces: Mapping[str, Trace]) -> Iterator[Change]:
    """Yield what was changed, or may have been, in the order of the plan."""
    for action in actions:
        trace = traces.get(action.action_id)
        if trace is not None and trace.may_be_done:
            yield Change(action, trace)
