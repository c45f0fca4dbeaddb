"""The steps from a policy to a plan, and what reads a plan."""

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import duckdb

from lifecycle import settings as settings_
from lifecycle.apply.admission import refuse_old_facts
from lifecycle.decide.checkpoints import decide
from lifecycle.decide.datasets import decide_datasets
from lifecycle.decide.uploads import decide_uploads
from lifecycle.decide.versions import decide_versions
from lifecycle.errors import PlanRefused
from lifecycle.facts.checkpoints import read_runs
from lifecycle.facts.datasets import DATASET_OBJECTS, read_dataset_places, read_datasets
from lifecycle.facts.places import read_places
from lifecycle.facts.snapshot import read_surroundings
from lifecycle.facts.uploads import UPLOADS, read_uploads
from lifecycle.facts.versions import due_versions, read_version_places, read_versions, unlisted
from lifecycle.model import (
    BucketCapability,
    Decision,
    Line,
    Plan,
    Scheme,
    Surroundings,
    Totals,
    Versioning,
)
from lifecycle.plan import preview as previewing
from lifecycle.plan.decisions import DECISIONS, order_lines, write_lines
from lifecycle.plan.directory import PlanDirectory
from lifecycle.plan.document import MOST_SHOWN, Tally, Terms, chunk_size, make_plan, priced, seal
from lifecycle.plan.expand import CHECKPOINT_OBJECTS, SURVIVORS, Expansion
from lifecycle.plan.preview import Preview
from lifecycle.policy import Kind, Policy, parse_policy
from lifecycle.providers import BucketSettings
from lifecycle.records.audit import AuditLog
from lifecycle.steps.ruling import rules_now
from lifecycle.steps.run import Run, directory_of, measured, parts_of, published_facts
from pipelines import published
from pipelines.domain.snapshots import Snapshot
from pipelines.domain.text import to_json
from pipelines.errors import MoraineError, NotFound

_log = logging.getLogger(__name__)


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
    with published_facts(run, as_of) as (snapshot, connection, scratch):
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
    around = _with_capabilities(run, connection, snapshot, policy, partial(measured, run))
    warnings = (f"this is a trial on {snapshot.as_of}: it cannot be applied",) if is_trial else ()
    tally, terms = Tally(), Terms(run.now, settings_.code_version(), warnings=warnings)
    decided = scratch / "decided.parquet"
    write_lines(decided, tally.counting(_lines(connection, snapshot, around, policy)))
    draft = replace(make_plan(tally, around, policy, terms), rules_seen=rules_now(run, tally.by_rule))
    lines = order_lines(connection, decided, scratch, chunk_size(tally, terms))
    source = _source(policy, snapshot)
    return seal(draft, lines, *Expansion(connection, snapshot.snapshot_id, scratch, source).write())


def _source(policy: Policy, snapshot: Snapshot) -> str:
    """Return where the single objects, versions or uploads come from that a plan is about."""
    match policy.match.kind:
        case "upload":
            return f"({UPLOADS})"
        case "noncurrent" | "delete_marker":
            return f"({due_versions(policy, snapshot.as_of)})"
        case "dataset":
            return DATASET_OBJECTS
        case "checkpoint":
            return CHECKPOINT_OBJECTS


def _lines(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, around: Surroundings, policy: Policy
) -> Iterator[Line]:
    """Yield what becomes of each checkpoint, run after run; or of each upload, or folder with versions."""
    return priced(_decided(connection, snapshot, around, policy), around)


def _decided(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, around: Surroundings, policy: Policy
) -> Iterator[Decision]:
    match policy.match.kind:
        case "upload":
            uploads = read_uploads(connection, snapshot, policy)
            return decide_uploads(uploads, around, policy, snapshot.as_of)
        case "noncurrent" | "delete_marker":
            return decide_versions(read_versions(connection, snapshot, policy), around, policy)
        case "dataset":
            datasets = read_datasets(connection, snapshot, policy)
            return decide_datasets(datasets, around, policy, snapshot.as_of)
        case "checkpoint":
            return decide(read_runs(connection, snapshot, policy.match), around, policy, snapshot.as_of)


def try_policy(run: Run, policy: Policy, as_of: date | None = None) -> Preview:
    """Return what a policy would touch today, or on a past night. Nothing is written anywhere.

    A limit that is passed, and facts that are too old, are told and do not refuse.

    Raises:
        NotFound: nothing was published yet, or not for that day.
    """
    assumed: list[str] = []
    unasked: Versioning = "on" if policy.match.kind in ("noncurrent", "delete_marker") else "off"

    def assume(place: str) -> BucketCapability:
        capability, said = previewing.assume(*_settings(run, place), unasked)
        assumed.extend(said)
        return capability

    with published_facts(run, as_of) as (snapshot, connection, _):
        around = _with_capabilities(run, connection, snapshot, policy, assume)
        try:
            refuse_old_facts(snapshot, policy, run.now)
        except PlanRefused as error:
            assumed.append(f"a plan would be refused: {error.what}")
        tally = Tally()
        lines = tally.counting(_lines(connection, snapshot, around, policy))
        return previewing.preview(lines, tally, around, policy, assumed)


def _settings(run: Run, place: str) -> tuple[Scheme, str, BucketSettings | None]:
    """Return what a bucket is set to; no answer where nobody answers."""
    scheme, bucket = parts_of(place)
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
    return directory_of(run, plan).read_plan()


def changes(run: Run, plan: str, most: int = MOST_SHOWN) -> list[Line]:
    """Return the first lines of a plan in which something happens."""
    return list(islice(directory_of(run, plan).changes(), most))


def kind_of(run: Run, plan: str) -> Kind:
    """Return what a plan's policy is about."""
    return directory_of(run, plan).read_document().policy.match.kind


def why(run: Run, plan: str, uri: str) -> Line:
    """Return the line of the checkpoint that an object or a folder belongs to.

    Raises:
        NotFound: the plan is not about it; whatever it is, it is not touched.
    """
    directory = directory_of(run, plan)
    directory.read_plan()
    found = directory.line_at(uri)
    if found is None:
        raise NotFound(
            "the plan is about nothing there, so nothing there is touched",
            where=uri,
            fix="Name an object or a checkpoint as s3://bucket/key; 'moraine why' tells what else is known.",
        )
    return found


def _with_capabilities(
    run: Run,
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    policy: Policy,
    measure_: Callable[[str], BucketCapability],
) -> Surroundings:
    """Return what is around, with what no snapshot knows: what the policy's buckets enforce."""
    around = read_surroundings(connection, snapshot)
    about_versions = policy.match.kind in ("noncurrent", "delete_marker")
    places = _places(connection, snapshot, policy)
    measured = {place: measure_(place) for place in places if place.partition("://")[0] in run.clouds}
    return replace(
        around,
        capabilities=measured,
        has_registry=any(source.kind == "mlflow" for source in run.settings.configuration.sources),
        remarks=unlisted(connection, snapshot, policy.match) if about_versions else (),
    )


def _places(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy) -> list[str]:
    """Return the buckets that hold what a policy is about."""
    match policy.match.kind:
        case "noncurrent" | "delete_marker":
            return read_version_places(connection, snapshot, policy)
        case "dataset":
            return read_dataset_places(connection, snapshot, policy.match)
        case "checkpoint" | "upload":
            return read_places(connection, policy.match)


def _move_in(scratch: Path, path: Path) -> None:
    for name in (DECISIONS, "actions", SURVIVORS):
        path.mkdir(parents=True, exist_ok=True)
        shutil.move(scratch / name, path / name)
