"""The step that goes back."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from lifecycle.apply.chunk import Hand
from lifecycle.facts import (
    read_surroundings,
)
from lifecycle.model import (
    PriceList,
    Scheme,
)
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.clean_up import record
from lifecycle.steps.applying import Counter
from lifecycle.steps.run import Run, audit_of, directory_of, measured, published_facts
from lifecycle.undo.journey import Journey, UndoReport
from pipelines.errors import MoraineError

_log = logging.getLogger(__name__)


def undo(run: Run, plan: str, by: str = "", reason: str = "") -> UndoReport:
    """Take back what was done, as far as it can be; run it again after any interruption, or when thawed.

    Raises:
        PlanRefused: the plan was edited, an apply of it is running, or somebody asked to stop.
        Transient: the store does not answer; run it again.
    """
    directory = directory_of(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        directory.refuse_stopped()
        directory.refuse_handed_over()
        counter = Counter(sum(file.rows for file in whole.actions), run.on_progress)
        hand = Hand(
            clouds=run.clouds,
            clock=run.clock,
            is_stopped=lambda: run.is_stopped() or directory.is_stopped,
            on_progress=counter.add,
            workers=run.workers,
        )
        journey = Journey(directory, whole, hand, lambda place: measured(run, place), _prices(run))
        report = _sealed(run, directory, whole.id, by.strip(), lambda: journey.go(by, reason, run.now))
        record(lambda: run.settings.lake, directory, whole)
        return report


def _sealed(
    run: Run, directory: PlanDirectory, plan: str, by: str, go: Callable[[], UndoReport]
) -> UndoReport:
    """Go back, and seal who wanted it, the receipts of the way, and its end."""
    audit, inside = audit_of(directory), directory.path / "undo"
    before, was_finished = set(inside.glob("*.json")), directory.is_finished

    def files() -> list[Path]:
        return sorted({*inside.glob("*.json"), *inside.glob("*.jsonl")} - before)

    with audit.sealing("undone", plan, files, run.clock, by):
        report = go()
    if directory.is_finished and not was_finished:
        audit.append("finished", plan, directory.path / "finished.json", run.clock(), by)
    return report


def _prices(run: Run) -> Mapping[Scheme, PriceList]:
    """Return the prices in force; none where nothing is published any more: going back needs none."""
    try:
        with published_facts(run) as (snapshot, connection, _):
            return read_surroundings(connection, snapshot).prices
    except MoraineError as error:
        _log.warning("what going back costs is not known: %s", error.what)
        return {}
