"""The lifecycle on one page: one function per step. The command line and the DAGs call nothing else.

    plan → show, why → approve → apply (or apply_chunk for each chunk) → verify, undo

Steps meet in a plan's directory. Facts come from the published snapshot, the present from the clouds
themselves.
"""

import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import cast

import duckdb

from lifecycle import approve as approving
from lifecycle import audit as auditing
from lifecycle import preview as previewing
from lifecycle import settings as settings_
from lifecycle import verify as verifying
from lifecycle.admission import Present, admit, refuse_old_facts
from lifecycle.apply import WORKERS, ChunkReport, Hand
from lifecycle.audit import AuditLog, AuditReport
from lifecycle.campaign import Campaign, Refuse
from lifecycle.canary import measure
from lifecycle.decide import decide
from lifecycle.decisions import DECISIONS, order_lines, write_lines
from lifecycle.errors import PlanRefused
from lifecycle.expand import CHECKPOINT_OBJECTS, SURVIVORS, Expansion
from lifecycle.facts import (
    UPLOADS,
    keep_within,
    read_failed_gates,
    read_places,
    read_runs,
    read_surroundings,
    read_uploads,
)
from lifecycle.handover import HANDOVER, Desk, Examined, HandOver, read_hand_over, refuse_begun
from lifecycle.jobs import Errand
from lifecycle.leftovers import decide_uploads
from lifecycle.model import (
    Approval,
    BucketCapability,
    Line,
    Plan,
    PriceList,
    Scheme,
    Surroundings,
    Totals,
)
from lifecycle.pace import Paces
from lifecycle.pins import refuse_listed
from lifecycle.plan import MOST_SHOWN, Tally, Terms, chunk_size, make_plan, priced, seal
from lifecycle.plan_directory import PlanDirectory
from lifecycle.policy import Policy, parse_policy
from lifecycle.preview import Preview
from lifecycle.providers import BucketSettings, Clouds, GcsProvider, KeepsRules, S3Provider
from lifecycle.record import record
from lifecycle.registry import claims_now, refuse_claimed
from lifecycle.rules import RuleBook, RulesReport, Wish
from lifecycle.settings import Settings
from lifecycle.undo import Journey, UndoReport
from lifecycle.verify import Verification
from pipelines import published
from pipelines.domain.snapshots import Snapshot
from pipelines.domain.text import to_json
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import MoraineError, NotFound, Terminal
from pipelines.reference.pin_file import read_pins

Tell = Callable[[int, int], None]
"""Hears how many actions of how many are over."""
_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the time, UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Run:
    """One run of a command or a task: the settings, the moment, and what it may listen and talk to."""

    settings: Settings
    now: datetime
    clouds: Clouds
    clock: Callable[[], datetime] = utc_now
    is_stopped: Callable[[], bool] = lambda: False
    on_progress: Tell = lambda _done, _of: None
    workers: int = WORKERS
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never go back."""
    pause: Callable[[float], None] = time.sleep
    """Lets so many seconds pass, where a store is overloaded."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan that was made, in short."""

    id: str
    path: str
    fingerprint: str
    snapshot_id: str
    expires_at: datetime
    totals: Totals
    chunks: tuple[str, ...]
    warnings: tuple[str, ...]
    is_trial: bool = False
    """Made from a past night, to be read only."""

    @property
    def has_changes(self) -> bool:
        """Something would be done."""
        return bool(self.chunks)


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What became of a plan so far."""

    plan_id: str
    chunks: tuple[ChunkReport, ...]
    is_finished: bool
    """Every action has its final outcome."""

    @property
    def is_clean(self) -> bool:
        """Everything that was asked for was done."""
        return all(chunk.is_clean for chunk in self.chunks)


def open_run(
    config: Path,
    now: datetime | None = None,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Tell = lambda _done, _of: None,
) -> Run:
    """Return a run with the settings in `config`."""
    settings = settings_.load(config)
    endpoints = settings.configuration.endpoints
    clouds: Clouds = {
        "s3": S3Provider(endpoints, clock=utc_now),
        "gs": GcsProvider(endpoints, clock=utc_now),
    }
    return Run(settings, now or utc_now(), clouds, utc_now, is_stopped, on_progress)


def policies(run: Run) -> list[str]:
    """Return the paths of the policy files that `moraine.yaml` names a directory of.

    Raises:
        NotFound: there is no such directory, or no policy in it.
    """
    directory = run.settings.base / run.settings.configuration.policies
    found = sorted(str(path) for path in directory.glob("*.yaml"))
    if not found:
        raise NotFound(
            "there are no policies",
            where=str(directory),
            fix="Write one there (lifecycle/policies has an example), or mend 'policies:' in moraine.yaml.",
        )
    return found


def read_policy(path: Path) -> Policy:
    """Return the policy in a file.

    Raises:
        Terminal: it is missing or wrong.
        UnsafePolicy: it could clear away too much.
    """
    text = settings_.read_text(path, what="policy", fix="Name a policy's YAML file with --policy.")
    return parse_policy(text, origin=str(path))


def plan(run: Run, policy_path: Path, out: Path | None = None, as_of: date | None = None) -> PlanReport:
    """Decide, and write the plan. Nothing is changed, but for canaries that come and go.

    With `as_of` the facts are those of a past night; such a plan is to be read, and cannot be applied.

    Raises:
        Refused: the policy is unsafe, a limit is passed, the facts are too old.
        NotFound: nothing was published yet, or not for that day.
    """
    policy = read_policy(policy_path)
    parent = out or run.settings.plans()
    with _published(run, as_of) as (snapshot, connection, scratch):
        is_trial = as_of is not None and snapshot != published.current(run.settings.lake)
        if not is_trial:
            refuse_old_facts(snapshot, policy, run.now)
        whole = _made(run, snapshot, policy, connection, scratch, is_trial=is_trial)
        path = (parent / whole.id).absolute()
        if not is_trial:
            _note(run, whole)
        _move_in(scratch, path)
    PlanDirectory(path).write_plan(whole)
    AuditLog(path.parent).append("planned", whole.id, path / "plan.json", run.clock())
    return PlanReport(
        id=whole.id,
        path=str(path),
        fingerprint=whole.fingerprint,
        snapshot_id=whole.snapshot_id,
        expires_at=whole.expires_at,
        totals=whole.totals,
        chunks=whole.chunks,
        warnings=whole.warnings,
        is_trial=is_trial,
    )


def _made(
    run: Run,
    snapshot: Snapshot,
    policy: Policy,
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    *,
    is_trial: bool,
) -> Plan:
    """Decide run by run, write what was decided, and seal it; its files are in `scratch`."""
    around = _with_capabilities(
        run, connection, read_surroundings(connection, snapshot), policy, partial(_measured, run)
    )
    warnings = (f"this is a trial on {snapshot.as_of}: it cannot be applied",) if is_trial else ()
    tally, terms = Tally(), Terms(run.now, settings_.code_version(), warnings=warnings)
    decided = scratch / "decided.parquet"
    write_lines(decided, tally.counting(_lines(connection, snapshot, around, policy)))
    draft = make_plan(tally, around, policy, terms)
    lines = order_lines(connection, decided, scratch, chunk_size(tally, terms))
    source = f"({UPLOADS})" if policy.match.kind == "upload" else CHECKPOINT_OBJECTS
    return seal(draft, lines, *Expansion(connection, snapshot.snapshot_id, scratch, source).write())


def _lines(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, around: Surroundings, policy: Policy
) -> Iterator[Line]:
    """Yield what becomes of each checkpoint, run after run; or of each upload."""
    if policy.match.kind == "upload":
        uploads = read_uploads(connection, snapshot, policy)
        return priced(decide_uploads(uploads, around, policy, snapshot.as_of), around)
    runs = read_runs(connection, snapshot, policy.match)
    return priced(decide(runs, around, policy, snapshot.as_of), around)


def try_policy(run: Run, policy: Policy, as_of: date | None = None) -> Preview:
    """Return what a policy would touch today, or on a past night. Nothing is written anywhere.

    A limit that is passed, and facts that are too old, are told and do not refuse.

    Raises:
        NotFound: nothing was published yet, or not for that day.
    """
    assumed: list[str] = []

    def assume(place: str) -> BucketCapability:
        capability, said = previewing.assume(*_settings(run, place))
        assumed.extend(said)
        return capability

    with _published(run, as_of) as (snapshot, connection, _):
        known = read_surroundings(connection, snapshot)
        around = _with_capabilities(run, connection, known, policy, assume)
        try:
            refuse_old_facts(snapshot, policy, run.now)
        except PlanRefused as error:
            assumed.append(f"a plan would be refused: {error.what}")
        tally = Tally()
        lines = tally.counting(_lines(connection, snapshot, around, policy))
        return previewing.preview(lines, tally, around, policy, assumed)


def _settings(run: Run, place: str) -> tuple[Scheme, str, BucketSettings | None]:
    """Return what a bucket is set to; no answer where nobody answers."""
    scheme, bucket = _parts(place)
    try:
        return scheme, bucket, run.clouds[scheme].settings(bucket)
    except MoraineError as error:
        _log.info("%s could not be asked: %s", place, error.what)
        return scheme, bucket, None


def _note(run: Run, plan: Plan) -> None:
    """Tell the lake about a plan, before there is one: its snapshot stays at least until the plan expires."""
    note = {"plan_id": plan.id, "snapshot_id": plan.snapshot_id, "expires_at": plan.expires_at}
    run.settings.lake.write(f"plans/{plan.id}.json", to_json(note).encode())


def show(run: Run, plan: str) -> Plan:
    """Return a plan, if nobody edited it."""
    return _directory(run, plan).read_plan()


def changes(run: Run, plan: str, most: int = MOST_SHOWN) -> list[Line]:
    """Return the first lines of a plan in which something happens."""
    return list(islice(_directory(run, plan).changes(), most))


def why(run: Run, plan: str, uri: str) -> Line:
    """Return the line of the checkpoint that an object or a folder belongs to.

    Raises:
        NotFound: the plan is not about it; whatever it is, it is not touched.
    """
    directory = _directory(run, plan)
    directory.read_plan()
    found = directory.line_at(uri)
    if found is None:
        raise NotFound(
            "the plan holds no checkpoint there, so nothing there is touched",
            where=uri,
            fix="Name an object or a checkpoint as s3://bucket/key; 'moraine why' tells what else is known.",
        )
    return found


def approve(
    run: Run,
    plan: str,
    by: str,
    reason: str = "",
    *,
    lasting: timedelta | None = None,
    is_second: bool = False,
) -> Approval:
    """Bind somebody's yes to a plan's fingerprint, until the plan expires or for a shorter time.

    With `is_second`, whoever said yes already is refused.

    Raises:
        PlanRefused: the plan was edited, has expired, or was used up; or it is not a second person.
    """
    directory = _directory(run, plan)
    whole = directory.read_plan()
    if is_second:
        approving.refuse_same_person(directory, whole, by, run.now)
    approval, path = approving.approve(directory, by, reason, run.now, lasting)
    _audit(directory).append("approved", whole.id, path, run.clock(), approval.by)
    return approval


def second_needed(run: Run, plan: str) -> str:
    """Return why one more person has to approve a plan; empty when nobody has to.

    Raises:
        PlanRefused: the plan was edited.
    """
    directory = _directory(run, plan)
    whole = directory.read_plan()
    given = approving.approvals_in_force(directory, whole, run.now)
    return approving.needs_two(whole) if len(given) == 1 else ""


def chunks(run: Run, plan: str) -> list[str]:
    """Return the names of a plan's chunks: the units that tasks apply side by side."""
    return list(_directory(run, plan).read_plan().chunks)


def apply(run: Run, plan: str) -> ApplyReport:
    """Do everything that is left of an approved plan.

    Raises:
        Refused: it must not be applied; nothing was changed.
        Transient: the store does not answer; run it again.
    """
    directory = _directory(run, plan)
    return _apply(run, directory, directory.read_plan().chunks, None)


def apply_chunk(run: Run, plan: str, chunk: str) -> ApplyReport:
    """Do what is left of one chunk; other chunks may be applied at the same time.

    Raises:
        Refused, Transient: see `apply`.
        NotFound: the plan has no such chunk.
    """
    directory = _directory(run, plan)
    if chunk not in directory.read_plan(chunk).chunks:
        raise NotFound("the plan has no such chunk", where=chunk, fix="Use a name that 'chunks' gave.")
    return _apply(run, directory, (chunk,), chunk)


def hand_over(run: Run, plan: str, errand: Errand) -> HandOver:
    """Write down what the engines of the clouds are to do of an approved plan; nothing is changed.

    Raises:
        Refused: it must not be applied, was begun by hand, or holds nothing that an engine can do.
        Transient: the store does not answer; run it again.
    """
    directory = _directory(run, plan)
    with directory.locked(None):
        whole = admit(directory, _present(run))
        refuse_begun(directory, whole)
        audit = _audit(directory)
        audit.refuse_damaged()
        campaign = _campaign(run, directory, whole, _Counter(0, run.on_progress))
        examined = Examined(*campaign.examine(whole.chunks))
        with _scratch(run) as scratch, duckdb.connect() as connection:
            keep_within(connection, run.settings.configuration.engine, scratch)
            desk = Desk(directory, whole, run.clouds, connection)
            found = desk.hand_over(examined, errand, run.clock())
        audit.append("handed_over", whole.id, directory.handover / HANDOVER, run.clock())
        if book := _rule_book(run, directory, found):
            audit.append("handed_over", whole.id, book.look(run.clock())[1], run.clock())
        return found


def _rule_book(run: Run, directory: PlanDirectory, handed: HandOver) -> RuleBook | None:
    """Return the rules of the buckets in which objects are tagged, if there are any."""
    cloud = run.clouds.get("s3")
    return (
        RuleBook(directory, handed, cloud)
        if handed.tagged_buckets and isinstance(cloud, KeepsRules)
        else None
    )


def rules(run: Run, plan: str, wish: Wish = "look") -> RulesReport:
    """Look at the rules of the buckets in which a handed-over plan tags objects, put its own, or remove them.

    What others have there is written down when looking. It is never changed.

    Raises:
        PlanRefused: the plan was not handed over; to put, it is not approved, or others' rules changed.
    """
    directory = _directory(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        book = _rule_book(run, directory, read_hand_over(directory, whole))
        if book is None:
            return RulesReport(whole.id, wish, ())
        match wish:
            case "put":
                approving.refuse_over(directory, whole, run.now)
                approving.require_approval(directory, whole, run.now)
                return book.put()
            case "remove":
                return book.remove()
        report, path = book.look(run.clock())
        _audit(directory).append("handed_over", whole.id, path, run.clock())
        return report


def undo(run: Run, plan: str, by: str = "", reason: str = "") -> UndoReport:
    """Take back what was done, as far as it can be; run it again after any interruption, or when thawed.

    Raises:
        PlanRefused: the plan was edited, an apply of it is running, or somebody asked to stop.
        Transient: the store does not answer; run it again.
    """
    directory = _directory(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        directory.refuse_stopped()
        directory.refuse_handed_over()
        counter = _Counter(sum(file.rows for file in whole.actions), run.on_progress)
        hand = Hand(
            clouds=run.clouds,
            clock=run.clock,
            is_stopped=lambda: run.is_stopped() or directory.is_stopped,
            on_progress=counter.add,
            workers=run.workers,
        )
        journey = Journey(directory, whole, hand, lambda place: _measured(run, place), _prices(run))
        report = _sealed(run, directory, whole.id, by.strip(), lambda: journey.go(by, reason, run.now))
        record(lambda: run.settings.lake, directory, whole)
        return report


def verify(run: Run, plan: str) -> Verification:
    """List the buckets again and compare with the plan; the answer is kept beside it.

    After an undo they are compared with how things were before.
    """
    directory = _directory(run, plan)
    whole = directory.read_plan()
    with _scratch(run) as scratch:
        memory_limit = run.settings.configuration.engine.memory_limit
        found = verifying.verify(run.clouds, directory, whole, run.now, scratch, memory_limit)
    text = to_json(found)
    _audit(directory).append("verified", whole.id, directory.add("verifications", text), run.clock())
    directory.write("verification.json", text)
    record(lambda: run.settings.lake, directory, whole)
    return found


def audit(config: Path, plans: Path | None = None, expected: str = "") -> AuditReport:
    """Check the log of all plans in a directory, by default where the settings keep plans.

    Raises:
        Terminal: there is no such directory.
    """
    return auditing.check(plans or settings_.load(config).plans(), expected)


def canary(run: Run, uri: str) -> BucketCapability:
    """Measure what an endpoint enforces on a bucket, with objects of our own that are removed again.

    Raises:
        Terminal: this is no bucket, or it may not be written to.
    """
    match parse_uri(uri):
        case BucketUri() as found if found.scheme in run.clouds:
            return _measured(run, str(found.root).rstrip("/"))
        case _:
            raise Terminal("a canary needs a bucket", where=uri, fix="Write s3://bucket.")


def _with_capabilities(
    run: Run,
    connection: duckdb.DuckDBPyConnection,
    around: Surroundings,
    policy: Policy,
    measure_: Callable[[str], BucketCapability],
) -> Surroundings:
    """Add what no snapshot knows: what the policy's buckets enforce, and whether a registry is read."""
    measured = {
        place: measure_(place)
        for place in read_places(connection, policy.match)
        if place.partition("://")[0] in run.clouds
    }
    has_registry = any(source.kind == "mlflow" for source in run.settings.configuration.sources)
    return replace(around, capabilities=measured, has_registry=has_registry)


def _measured(run: Run, place: str) -> BucketCapability:
    scheme, bucket = _parts(place)
    return measure(run.clouds[scheme], bucket, secrets.token_hex(8))


def _parts(place: str) -> tuple[Scheme, str]:
    scheme, _, bucket = place.partition("://")
    return cast("Scheme", scheme), bucket


def _apply(run: Run, directory: PlanDirectory, names: Sequence[str], chunk: str | None) -> ApplyReport:
    """Ask everything before the first change; then act, chunk by chunk."""
    with directory.locked(chunk):
        plan = admit(directory, _present(run), chunk)
        audit = _audit(directory)
        audit.refuse_damaged()
        rows = {file.name: file.rows for file in plan.actions}
        counter = _Counter(sum(rows[f"actions/{name}.parquet"] for name in names), run.on_progress)
        campaign = _campaign(run, directory, plan, counter)
        reports = campaign.go(names)
        is_finished = campaign.is_finished()
        finished = {"plan_id": plan.id, "at": run.clock()}
        if is_finished and (path := directory.write_once("finished.json", to_json(finished))):
            audit.append("finished", plan.id, path, run.clock())
        if is_finished or chunk is None:
            # Of chunks side by side, the last one tells of all.
            record(lambda: run.settings.lake, directory, plan)
        return ApplyReport(plan.id, reports, is_finished=is_finished)


def _campaign(run: Run, directory: PlanDirectory, plan: Plan, counter: "_Counter") -> Campaign:
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
        ),
        ask=lambda: _refuse_named(run),
        measure=lambda place: _measured(run, place),
        sealing=lambda path: _audit(directory).sealing(
            "applied", plan.id, partial(tuple, (path,)), run.clock
        ),
        today=run.now.date(),
        monotonic=run.monotonic,
    )


class _Counter:
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


def _sealed(
    run: Run, directory: PlanDirectory, plan: str, by: str, go: Callable[[], UndoReport]
) -> UndoReport:
    """Go back, and seal who wanted it, the receipts of the way, and its end."""
    audit, inside = _audit(directory), directory.path / "undo"
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
        with _published(run) as (snapshot, connection, _):
            return read_surroundings(connection, snapshot).prices
    except MoraineError as error:
        _log.warning("what going back costs is not known: %s", error.what)
        return {}


def _present(run: Run) -> Present:
    with _published(run) as (snapshot, connection, _):
        return Present(run.now, snapshot, settings_.code_version(), read_failed_gates(connection))


def _audit(directory: PlanDirectory) -> AuditLog:
    return AuditLog(directory.path.parent)


def _directory(run: Run, plan: str) -> PlanDirectory:
    return PlanDirectory(run.settings.plan_path(plan).absolute())


def _move_in(scratch: Path, path: Path) -> None:
    for name in (DECISIONS, "actions", SURVIVORS):
        path.mkdir(parents=True, exist_ok=True)
        shutil.move(scratch / name, path / name)


@contextmanager
def _published(
    run: Run, as_of: date | None = None
) -> Iterator[tuple[Snapshot, duckdb.DuckDBPyConnection, Path]]:
    lake = run.settings.lake
    snapshot = published.of_day(lake, as_of) if as_of else published.current(lake)
    with _scratch(run) as scratch, closing(published.open_snapshot(lake, snapshot, scratch)) as connection:
        keep_within(connection, run.settings.configuration.engine, scratch)
        yield snapshot, connection, scratch


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-lifecycle-") as directory:
        yield Path(directory)
