"""The step that acts: everything is asked before the first change, then chunk by chunk."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from threading import Lock

from lifecycle import settings as settings_
from lifecycle.apply.admission import Present, admit
from lifecycle.apply.campaign import Campaign, Refuse
from lifecycle.apply.chunk import ChunkReport, Hand
from lifecycle.apply.pace import Paces
from lifecycle.facts.snapshot import read_failed_gates
from lifecycle.model import (
    Plan,
)
from lifecycle.pins import refuse_listed
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.clean_up import record
from lifecycle.registry import claims_now, refuse_claimed
from lifecycle.steps.ruling import put_rules
from lifecycle.steps.run import Run, audit_of, directory_of, measured, published_facts
from pipelines.domain.text import to_json
from pipelines.errors import NotFound
from pipelines.reference.pin_file import read_pins


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What became of a plan so far."""

    plan_id: str
    chunks: tuple[ChunkReport, ...]
    is_finished: bool
    """Every action has its final outcome."""
    by_rule: tuple[str, ...] = ()
    """Buckets whose own rule moves what was tagged, within days."""

    @property
    def is_clean(self) -> bool:
        """Everything that was asked for was done."""
        return all(chunk.is_clean for chunk in self.chunks)


def chunks(run: Run, plan: str) -> list[str]:
    """Return the names of a plan's chunks: the units that tasks apply side by side."""
    return list(directory_of(run, plan).read_plan().chunks)


def apply(run: Run, plan: str) -> ApplyReport:
    """Do everything that is left of an approved plan.

    Raises:
        Refused: it must not be applied; nothing was changed.
        Transient: the store does not answer; run it again.
    """
    directory = directory_of(run, plan)
    directory.read_document()
    return _apply(run, directory, None)


def apply_chunk(run: Run, plan: str, chunk: str) -> ApplyReport:
    """Do what is left of one chunk; other chunks may be applied at the same time.

    Raises:
        Refused, Transient: see `apply`.
        NotFound: the plan has no such chunk.
    """
    directory = directory_of(run, plan)
    if chunk not in directory.read_document().chunks:
        raise NotFound("the plan has no such chunk", where=chunk, fix="Use a name that 'chunks' gave.")
    return _apply(run, directory, chunk)


def _apply(run: Run, directory: PlanDirectory, chunk: str | None) -> ApplyReport:
    """Ask everything before the first change; then act, chunk by chunk."""
    with directory.locked(chunk):
        plan = admit(directory, present(run), chunk)
        names = plan.chunks if chunk is None else (chunk,)
        audit = audit_of(directory)
        audit.refuse_damaged()
        rows = {file.name: file.rows for file in plan.actions}
        counter = Counter(sum(rows[f"actions/{name}.parquet"] for name in names), run.on_progress)
        campaign = campaign_of(run, directory, plan, counter)
        reports = campaign.go(names)
        is_finished = campaign.is_finished()
        finished = {"plan_id": plan.id, "at": run.clock()}
        if is_finished and (path := directory.write_once("finished.json", to_json(finished))):
            audit.append("finished", plan.id, path, run.clock())
        if is_finished or chunk is None:
            # Of chunks side by side, the last one tells of all.
            record(lambda: run.settings.lake, directory, plan)
        return ApplyReport(plan.id, reports, is_finished, tuple(plan.rules_seen))


def campaign_of(run: Run, directory: PlanDirectory, plan: Plan, counter: "Counter") -> Campaign:
    """Return the work of a plan, with everything that it asks on the way."""
    return Campaign(
        directory,
        plan,
        Hand(
            clouds=run.clouds,
            clock=run.clock,
            is_stopped=lambda: run.is_stopped() or directory.is_stopped,
            on_progress=counter.add,
            workers=run.workers,
            paces=Paces(run.monotonic),
            pause=run.pause,
            plan_id=plan.id,
            keep_versions=plan.policy.keep.versions if plan.policy.match.kind == "noncurrent" else 0,
        ),
        ask=lambda: _refuse_named(run),
        measure=lambda place: measured(run, place),
        sealing=lambda path: audit_of(directory).sealing(
            "applied", plan.id, partial(tuple, (path,)), run.clock
        ),
        today=run.now.date(),
        monotonic=run.monotonic,
        prepare=lambda names: put_rules(run, directory, plan, names),
    )


class Counter:
    """Counts what several workers have done."""

    def __init__(self, of: int, tell: Callable[[int, int], None]) -> None:
        self._done, self._of, self._tell = 0, of, tell
        self._counting = Lock()

    def add(self, count: int = 1) -> None:
        """So many more."""
        with self._counting:
            self._done += count
            self._tell(self._done, self._of)


def _refuse_named(run: Run) -> Refuse:
    """Ask the registry and the list of pins; return what refuses the checkpoints that they name."""
    settings = run.settings
    claims = claims_now(settings.configuration, settings.base, settings.registry_token)
    pins = read_pins(settings.base, settings.configuration.pins)

    def refuse(uris: Iterable[str]) -> None:
        known = tuple(uris)
        refuse_claimed(claims, known)
        refuse_listed(pins, run.now.date(), known)

    return refuse


def present(run: Run) -> Present:
    """Return what a plan is held against before anything of it is done."""
    with published_facts(run) as (snapshot, connection, _):
        return Present(run.now, snapshot, settings_.code_version(), read_failed_gates(connection))
