"""The lifecycle on one page: one function per step. The command line and the DAGs call nothing else.

    plan → show, why → approve → apply (or apply_chunk for each chunk) → verify

Steps meet in a plan's directory. Facts come from the published snapshot, the present from the clouds
themselves.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import cast

import duckdb

from lifecycle import apply as applying
from lifecycle import approve as approving
from lifecycle import settings as settings_
from lifecycle import verify as verifying
from lifecycle.admission import Present, admit, refuse_old_facts, refuse_unenforced
from lifecycle.apply import WORKERS, ChunkReport, Hand
from lifecycle.canary import measure
from lifecycle.decide import decide
from lifecycle.expand import SURVIVORS, write_actions
from lifecycle.facts import read_facts, read_failed_gates
from lifecycle.journal import is_over, newest_receipts, open_journal
from lifecycle.model import Action, Approval, BucketCapability, Facts, Line, Plan, Scheme, Totals
from lifecycle.pins import refuse_listed
from lifecycle.plan import Terms, make_plan, seal
from lifecycle.plan_directory import PlanDirectory
from lifecycle.policy import Policy, parse_policy
from lifecycle.providers import Clouds, S3Provider
from lifecycle.registry import claims_now, refuse_claimed
from lifecycle.settings import Settings
from lifecycle.survey import survey
from lifecycle.verify import Verification
from pipelines import published
from pipelines.domain.snapshots import Snapshot
from pipelines.domain.text import to_json
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import NotFound, Terminal
from pipelines.reference.pin_file import read_pins

Tell = Callable[[int, int], None]
"""Hears how many actions of how many are over."""
Work = Mapping[str, Sequence[Action]]
"""Actions by chunk."""


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
    clouds: Clouds = {"s3": S3Provider(settings.configuration.endpoints)}
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


def plan(run: Run, policy_path: Path, out: Path | None = None) -> PlanReport:
    """Decide, and write the plan. Nothing is changed, but for canaries that come and go.

    Raises:
        Refused: the policy is unsafe, a limit is passed, the facts are too old.
        NotFound: nothing was published yet.
    """
    policy = read_policy(policy_path)
    parent = out or run.settings.plans()
    with _published(run) as (snapshot, connection, scratch):
        refuse_old_facts(snapshot, policy, run.now)
        facts = read_facts(connection, snapshot, policy.match.bucket_names)
        facts = _with_surroundings(run, facts, policy)
        terms = Terms(run.now, settings_.code_version())
        draft = make_plan(facts, decide(facts, policy, snapshot.as_of), policy, terms)
        whole = seal(draft, *write_actions(connection, draft, scratch))
        path = (parent / whole.id).absolute()
        _note(run, whole)
        _move_in(scratch, path)
    PlanDirectory(path).write_plan(whole)
    return PlanReport(
        id=whole.id,
        path=str(path),
        fingerprint=whole.fingerprint,
        snapshot_id=whole.snapshot_id,
        expires_at=whole.expires_at,
        totals=whole.totals,
        chunks=whole.chunks,
        warnings=whole.warnings,
    )


def _note(run: Run, plan: Plan) -> None:
    """Tell the lake about a plan, before there is one: its snapshot stays at least until the plan expires."""
    note = {"plan_id": plan.id, "snapshot_id": plan.snapshot_id, "expires_at": plan.expires_at}
    run.settings.lake.write(f"plans/{plan.id}.json", to_json(note).encode())


def show(run: Run, plan: str) -> Plan:
    """Return a plan, if nobody edited it."""
    return _directory(run, plan).read_plan()


def why(run: Run, plan: str, uri: str) -> Line:
    """Return the line of the checkpoint that an object or a folder belongs to.

    Raises:
        NotFound: the plan is not about it; whatever it is, it is not touched.
    """
    wanted = uri.rstrip("/")
    found = [
        line
        for line in _directory(run, plan).read_plan().lines
        if wanted == line.uri.rstrip("/") or wanted.startswith(line.uri.rstrip("/") + "/")
    ]
    if not found:
        raise NotFound(
            "the plan holds no checkpoint there, so nothing there is touched",
            where=uri,
            fix="Name an object or a checkpoint as s3://bucket/key; 'moraine why' tells what else is known.",
        )
    return max(found, key=lambda line: len(line.uri))


def approve(run: Run, plan: str, by: str, reason: str = "") -> Approval:
    """Bind somebody's yes to a plan's fingerprint.

    Raises:
        PlanRefused: the plan was edited, has expired, or was used up.
    """
    return approving.approve(_directory(run, plan), by, reason, run.now)


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
    if chunk not in directory.read_plan().chunks:
        raise NotFound("the plan has no such chunk", where=chunk, fix="Use a name that 'chunks' gave.")
    return _apply(run, directory, (chunk,), chunk)


def verify(run: Run, plan: str) -> Verification:
    """List the buckets again and compare with the plan; the answer is kept beside it."""
    directory = _directory(run, plan)
    whole = directory.read_plan()
    with _scratch(run) as scratch:
        found = verifying.verify(run.clouds, directory, whole, run.now, scratch)
    directory.write("verification.json", to_json(found))
    return found


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


def _with_surroundings(run: Run, facts: Facts, policy: Policy) -> Facts:
    """Add what no snapshot knows: what the policy's buckets enforce, and whether a registry is read."""
    places = sorted({a.place for a in facts.artifacts if _is_matched(a.place, a.uri, policy)})
    measured = {place: _measured(run, place) for place in places}
    has_registry = any(source.kind == "mlflow" for source in run.settings.configuration.sources)
    return replace(facts, capabilities=measured, has_registry=has_registry)


def _measured(run: Run, place: str) -> BucketCapability:
    scheme, _, bucket = place.partition("://")
    return measure(run.clouds[cast("Scheme", scheme)], bucket, secrets.token_hex(8))


def _is_matched(place: str, uri: str, policy: Policy) -> bool:
    key = uri.removeprefix(f"{place}/")
    return not policy.match.prefixes or key.startswith(policy.match.prefixes)


def _apply(run: Run, directory: PlanDirectory, names: Sequence[str], chunk: str | None) -> ApplyReport:
    """Ask everything before the first change; then act, chunk by chunk."""
    with directory.locked(chunk):
        plan = admit(directory, _present(run))
        work = {name: list(directory.actions(name)) for name in names}
        _refuse_claimed(run, plan, work)
        _refuse_unenforced(run, plan, work)
        left_out = {name: _survey(run, directory, plan, name, actions) for name, actions in work.items()}
        counter = _Counter(sum(map(len, work.values())), run.on_progress)
        hand = Hand(
            clouds=run.clouds,
            clock=run.clock,
            is_stopped=lambda: run.is_stopped() or directory.is_stopped,
            on_progress=counter.add,
            workers=run.workers,
        )
        reports = []
        for name, actions in work.items():
            with open_journal(directory.receipts(name)) as journal:
                reports.append(applying.apply_chunk(name, actions, journal, hand, left_out[name]))
        return _finish(directory, plan, tuple(reports), run.clock())


class _Counter:
    """Counts what several workers have done."""

    def __init__(self, of: int, tell: Callable[[int, int], None]) -> None:
        self._done, self._of, self._tell = 0, of, tell
        self._counting = Lock()

    def add(self) -> None:
        """One more."""
        with self._counting:
            self._done += 1
            self._tell(self._done, self._of)


def _refuse_claimed(run: Run, plan: Plan, work: Work) -> None:
    touched = {action.checkpoint_id for actions in work.values() for action in actions}
    settings = run.settings
    claims = claims_now(settings.configuration, settings.base, settings.registry_token)
    uris = [line.uri for line in plan.changes if line.checkpoint_id in touched]
    refuse_claimed(claims, uris)
    refuse_listed(read_pins(settings.base, settings.configuration.pins), run.now.date(), uris)


def _refuse_unenforced(run: Run, plan: Plan, work: Work) -> None:
    paths: dict[str, set[str]] = {}
    for action in (action for actions in work.values() for action in actions):
        paths.setdefault(action.place, set()).add(action.path)
    planned = {capability.place: capability for capability in plan.capabilities}
    for place, relied_on in sorted(paths.items()):
        refuse_unenforced(relied_on, planned[place], _measured(run, place))


def _survey(
    run: Run, directory: PlanDirectory, plan: Plan, chunk: str, actions: Sequence[Action]
) -> Mapping[str, str]:
    begun = newest_receipts(directory.receipts(chunk))
    return survey(
        run.clouds,
        plan,
        directory.survivors,
        [action for action in actions if not is_over(begun.get(action.action_id))],
        is_begun=begun.__contains__,
        today=run.now.date(),
    ).left_out


def _finish(
    directory: PlanDirectory, plan: Plan, reports: tuple[ChunkReport, ...], now: datetime
) -> ApplyReport:
    """Call the plan used up once every action of every chunk has its final outcome."""
    stand = (
        applying.report_chunk(name, directory.actions(name), newest_receipts(directory.receipts(name)))
        for name in plan.chunks
    )
    is_finished = not any(report.left for report in stand)
    if is_finished:
        directory.write("finished.json", to_json({"plan_id": plan.id, "at": now}))
    return ApplyReport(plan.id, reports, is_finished=is_finished)


def _present(run: Run) -> Present:
    with _published(run) as (snapshot, connection, _):
        return Present(run.now, snapshot, settings_.code_version(), read_failed_gates(connection))


def _directory(run: Run, plan: str) -> PlanDirectory:
    return PlanDirectory(run.settings.plan_path(plan).absolute())


def _move_in(scratch: Path, path: Path) -> None:
    for name in ("actions", SURVIVORS):
        path.mkdir(parents=True, exist_ok=True)
        shutil.move(scratch / name, path / name)


@contextmanager
def _published(run: Run) -> Iterator[tuple[Snapshot, duckdb.DuckDBPyConnection, Path]]:
    lake = run.settings.lake
    snapshot = published.current(lake)
    with _scratch(run) as scratch, closing(published.open_snapshot(lake, snapshot, scratch)) as connection:
        yield snapshot, connection, scratch


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-lifecycle-") as directory:
        yield Path(directory)
