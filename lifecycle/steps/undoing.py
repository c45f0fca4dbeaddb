"""The step that goes back."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from lifecycle.apply.chunk import Hand
from lifecycle.errors import PlanRefused
from lifecycle.facts.snapshot import read_surroundings
from lifecycle.handover.desk import read_hand_over
from lifecycle.model import Plan, PriceList, Scheme
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.clean_up import record
from lifecycle.steps.applying import Counter
from lifecycle.steps.looking import verify
from lifecycle.steps.ruling import remove_rules
from lifecycle.steps.run import Run, audit_of, directory_of, measured, published_facts
from lifecycle.undo.journey import Journey, UndoReport
from pipelines.errors import MoraineError

_log = logging.getLogger(__name__)


def undo(run: Run, plan: str, by: str = "", reason: str = "", *, jobs_ended: bool = False) -> UndoReport:
    """Take back what was done, as far as it can be; run it again after any interruption, or when thawed.

    Of a plan that was handed over it is what verifying finds done. `jobs_ended` says that no job of it runs,
    and that none will: no store tells, and a job would do again what is taken back.

    Raises:
        PlanRefused: the plan was edited, an apply of it is running, or somebody asked to stop; or it was
            handed over, and nobody said that its jobs have ended.
        Transient: the store does not answer; run it again.
    """
    directory = directory_of(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        directory.refuse_stopped()
        if directory.is_handed_over:
            if not jobs_ended:
                raise _at_work(directory, whole)
            if not directory.is_undone:
                verify(run, plan)
        counter = Counter(sum(file.rows for file in whole.actions), run.on_progress)
        hand = Hand(
            clouds=run.clouds,
            clock=run.clock,
            is_stopped=lambda: run.is_stopped() or directory.is_stopped,
            on_progress=counter.add,
            workers=run.workers,
            pause=run.pause,
            plan_id=whole.id,
        )
        journey = Journey(
            directory,
            whole,
            hand,
            lambda place: measured(run, place),
            _prices(run),
            prepare=lambda: remove_rules(run, directory, whole),
        )
        report = _sealed(run, directory, whole.id, by.strip(), lambda: journey.go(by, reason, run.now))
        record(lambda: run.settings.lake, directory, whole)
        return report


def _at_work(directory: PlanDirectory, plan: Plan) -> PlanRefused:
    jobs = ", ".join(f"{job.name} ({job.place})" for job in read_hand_over(directory, plan).jobs)
    return PlanRefused(
        f"the plan was handed over, and its jobs would do again what is taken back: {jobs}",
        where=str(directory.handover),
        fix="See that each of them has ended, was cancelled, or was never created, and that none will "
        f"be. Then: moraine-lifecycle undo {plan.id} --jobs-ended.",
    )


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
