"""The pipeline on one page: one function per stage. The command line and the DAGs call nothing else.

    ingest → build → check → publish

Stages meet in the lake: each step finds what the step before it left there, under names that the day gives.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipelines import gates, notify, raw, retention, settings, snapshots, sources
from pipelines import publish as publishing
from pipelines import published as door
from pipelines.domain.configuration import Engine
from pipelines.domain.deliveries import BESIDES, Delivery, Landed, Rejected, in_force, in_history, is_replaced
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.errors import Damaged, MoraineError, NotFound, Refused, Terminal
from pipelines.report import differences
from pipelines.settings import Settings
from pipelines.stores import LocalStore, Store, open_store
from pipelines.stores.locks import Hold, hold
from pipelines.warehouse import build as warehouse
from pipelines.warehouse.inputs import ConfiguredSource, Inputs
from pipelines.warehouse.models import sql_root

MOST_CHUNKS = 16
"""Workers that what a source has new is shared by; more only where it has more deliveries than that."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows a delivery on its way: from its name and number of parts to what is called after each part."""

_log = logging.getLogger(__name__)


@contextmanager
def _unseen(_name: str, _parts: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


@dataclass(frozen=True)
class Run:
    """One night: the settings, the day it is about, and the moment it runs."""

    settings: Settings
    as_of: date
    now: datetime
    """UTC, without a zone."""

    @cached_property
    def lake(self) -> Store:
        """Where everything Moraine knows is kept."""
        return open_store(self.settings.lake, self.settings.configuration.endpoints)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one source brought."""

    source: str
    landed: int = 0
    known: int = 0
    rows: int = 0
    quarantined: tuple[Rejected, ...] = ()
    """Damaged deliveries whose place no newer one takes."""
    replaced: int = 0
    """Damaged deliveries that a newer one of their scope replaces."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some parts of one delivery: what one worker lands."""

    source: str
    table: str
    delivery_id: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one build made."""

    build_id: str
    deliveries: int
    models: int


def open_run(config: Path, as_of: date, now: datetime) -> Run:
    """Return the run of `as_of` with the settings in `config`."""
    return Run(settings.load(config), as_of, now)


def source_names(run: Run) -> list[str]:
    """Return the names of all sources, in the file's order."""
    return [source.name for source in run.settings.configuration.sources]


def ingest(run: Run, source: str, progress: Progress = _unseen) -> IngestReport:
    """Land every complete delivery of a source that the lake does not hold yet.

    A damaged one is quarantined; the others land all the same.

    Raises:
        Refused: another run is reading this source.
        Transient: the source does not answer.
        Terminal: it cannot be read at all.
    """
    with _alone(run, f"ingest-{source}"), _scratch(run) as scratch:
        place = open_source(run, source, scratch)
        found = sources.find(place, run.now)
        report = _report(run, source, found)
        for delivery in found.deliveries:
            report = _land(run, place, delivery, report, progress)
    return _without_replaced(report, found.deliveries)


def find(run: Run, source: str) -> tuple[IngestReport, list[Chunk]]:
    """Say what of a source has to land, in chunks for several workers; `land` and `finish` do the rest.

    What a service answers lands here and now: it cannot be asked the same question on another machine. So
    does a delivery without files.

    Raises:
        Refused, Transient, Terminal: as `ingest`.
    """
    waiting = list[Delivery]()
    with _alone(run, f"ingest-{source}"), _scratch(run) as scratch:
        place = open_source(run, source, scratch)
        found = sources.find(place, run.now)
        report = _report(run, source, found)
        for delivery in found.deliveries:
            if delivery.is_answer or not delivery.parts:
                report = _land(run, place, delivery, report, _unseen)
            elif raw.is_landed(run.lake, delivery):
                report = replace(report, known=report.known + 1)
            else:
                waiting.append(raw.announce(run.lake, delivery))
    return report, _chunks(waiting)


def land(run: Run, chunk: Chunk) -> Rejected | None:
    """Land some parts of a delivery that `find` found, on any machine; return what is wrong with them.

    Raises:
        Transient: the source or the lake does not answer; parts that have landed do not land again.
        NotFound: `find` did not find it, or into another lake.
    """
    delivery = raw.announced(run.lake, chunk.table, chunk.source, chunk.delivery_id)
    with _scratch(run) as scratch:
        place = open_source(run, chunk.source, scratch)
        convert = partial(sources.convert, place, delivery)
        try:
            for index in range(chunk.start, chunk.stop):
                raw.land_part(run.lake, delivery, index, convert, scratch)
        except Damaged as error:
            return _quarantine(run, delivery, error)
    return None


def finish(run: Run, source: str, chunks: Iterable[Chunk]) -> IngestReport:
    """Put the deliveries of a source into the ledger whose chunks have landed, all but the damaged ones.

    Raises:
        NotFound: a chunk did not land, and nothing is known to be wrong with it.
    """
    report = IngestReport(source)
    for table, delivery_id in dict.fromkeys((chunk.table, chunk.delivery_id) for chunk in chunks):
        report = _finish(run, raw.announced(run.lake, table, source, delivery_id), report)
    return report


def quarantined(run: Run) -> list[Rejected]:
    """Return the damaged deliveries of all sources whose place no newer one takes, in key order."""
    landed = raw.ledger(run.lake)
    return [one for one in _damaged(run) if not is_replaced(one, landed)]


def open_source(run: Run, source: str, scratch: Path) -> sources.Place:
    """Return where a source's deliveries are.

    Raises:
        NotFound: no source has that name.
    """
    settings = run.settings
    configuration = settings.configuration
    place = sources.open_place(
        settings.source(source),
        settings.base,
        configuration.endpoints,
        scratch,
        memory_limit=configuration.engine.memory_limit,
        token=settings.registry_token,
    )
    return replace(place, threads=configuration.engine.threads)


def build(run: Run) -> BuildReport:
    """Build the day's warehouse beside the published one.

    Raises:
        Refused: another run is at work on this day.
        Terminal: a model breaks its contract; the message names the rows.
    """
    landed = raw.ledger(run.lake)
    current = in_force(landed, run.as_of)
    damaged = _damaged(run)
    meta = BuildMeta(_build_id(run, current, damaged), run.as_of, _code_version())
    with _alone(run, f"build-{run.as_of}"), _scratch(run) as scratch:
        inputs = Inputs(
            files=_files(run, current, in_history(landed, run.as_of)),
            ledger=tuple(current),
            quarantined=tuple(damaged),
            sources=_configured(run, landed),
            teams=run.settings.configuration.teams,
        )
        path = _workplace(run, scratch)
        report = warehouse.build_warehouse(path, inputs=inputs, as_of=run.as_of, engine=_engine(run, scratch))
        _keep(run, path)
        run.lake.write(_build_key(run, "build.json"), json.dumps(meta.to_json(), indent=2).encode())
    return BuildReport(meta.build_id, len(current), len(report.models))


def check(run: Run, data_docs: Path | None = None) -> list[CheckResult]:
    """Judge the day's warehouse; the results are kept in it. A failed check is a result, not an error.

    `data_docs` is a directory for Great Expectations' own pages.

    Raises:
        Refused: another run is at work on this day.
        NotFound: nothing was built for it.
    """
    with _alone(run, f"build-{run.as_of}"), _scratch(run) as scratch:
        path = _built(run, scratch)
        if not isinstance(run.lake, LocalStore):
            # The build may have run on another machine: its views over landed files need those files here.
            landed = raw.ledger(run.lake)
            _files(run, in_force(landed, run.as_of), in_history(landed, run.as_of))
        results = gates.run_gates(
            path,
            run.settings.configuration.gates,
            run.as_of,
            engine=_engine(run, scratch),
            previous=_published_before(run, scratch),
            data_docs=data_docs,
        )
        _keep(run, path)
    return results


def publish(run: Run) -> Snapshot:
    """Make the day's warehouse a snapshot, and the current one unless that is about a newer day.

    Snapshots that are past their time are removed afterwards; when that fails, they stay. Whom `notify` names
    is told when a check refuses it, or when it is current and a delivery is in quarantine.

    Raises:
        Refused: a blocking check failed or nothing was checked; the previous snapshot stays in force. Or
            another run is at work on this day, or publishing.
    """
    with _alone(run, f"build-{run.as_of}"), _alone(run, "publish") as held, _scratch(run) as scratch:
        path = _built(run, scratch)
        results = gates.read_results(path)
        meta = BuildMeta.from_json(json.loads(run.lake.read(_build_key(run, "build.json"))))
        try:
            snapshot = publishing.publish(
                run.lake,
                warehouse=path,
                results=results,
                meta=meta,
                published_at=run.now,
                still_alone=held.check,
            )
        except Refused:
            _tell(run, partial(_refusal, run, meta, publishing.blocking(results)))
            raise
        try:
            _prune(run, held)
        except MoraineError as error:
            _log.warning("old snapshots stay: %s", error)
        _tell(run, partial(_news_of_quarantine, run, snapshot))
    return snapshot


def current(run: Run) -> Snapshot:
    """Return the snapshot in force.

    Raises:
        NotFound: nothing was published yet.
    """
    return snapshots.current(run.lake)


def stored(run: Run) -> retention.Holding:
    """Return every snapshot of the lake, the oldest day first, each with why it is kept."""
    return retention.survey(run.lake, run.settings.configuration.snapshots, run.now)


def prune(run: Run) -> tuple[str, ...]:
    """Remove the snapshots that nothing keeps, and return their ids.

    Raises:
        Refused: another run is publishing.
        Terminal: a plan cannot be read, or the store does not let us.
    """
    with _alone(run, "publish") as held:
        return _prune(run, held)


def roll_back(run: Run, name: str) -> publishing.Rollback:
    """Make another snapshot the current one; the next newer day that is published moves on from there.

    Raises:
        NotFound: there is none of that name.
        Refused: it is not whole, or another run is publishing.
    """
    with _alone(run, "publish"):
        return publishing.roll_back(run.lake, name)


def compare(run: Run, before: str, after: str) -> differences.Differences:
    """Return which figures moved between two snapshots, and by how much.

    Raises:
        NotFound: there is none of that name.
        Refused: one is not whole.
    """
    one, other = snapshots.resolve(run.lake, before), snapshots.resolve(run.lake, after)
    with (
        _scratch(run) as scratch,
        closing(door.open_snapshot(run.lake, one, scratch)) as then,
        closing(door.open_snapshot(run.lake, other, scratch)) as now,
    ):
        return differences.compare((one, then), (other, now))


@contextmanager
def published(run: Run) -> Iterator[tuple[Snapshot, duckdb.DuckDBPyConnection]]:
    """Open the published snapshot, read only.

    Raises:
        NotFound: nothing was published yet.
    """
    snapshot = door.current(run.lake)
    with _scratch(run) as scratch, closing(door.open_snapshot(run.lake, snapshot, scratch)) as connection:
        yield snapshot, connection


def query(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return the column names and rows of one statement over a snapshot.

    Raises:
        Terminal: DuckDB refuses the statement; its own words are in the message.
    """
    try:
        answer = connection.execute(statement)
        return [column[0] for column in answer.description or []], answer.fetchall()
    except duckdb.Error as error:
        raise Terminal(
            str(error).partition("\n\n")[0],
            where="the statement",
            fix='See the tables with: moraine sql "select table_name, comment from duckdb_tables()".',
        ) from None


def warehouse_path(run: Run) -> Path:
    """Return the published DuckDB file; of a lake in a bucket, a copy in the temporary directory.

    Raises:
        NotFound: nothing was published yet.
    """
    return door.warehouse_path(run.lake, door.current(run.lake), run.settings.scratch)


def _prune(run: Run, held: Hold) -> tuple[str, ...]:
    rules = run.settings.configuration.snapshots
    return retention.prune(run.lake, rules, run.now, still_alone=held.check)


def _tell(run: Run, compose: Callable[[], notify.Message | None]) -> None:
    """Tell people, if there is news for them; what goes wrong on the way changes nothing else."""
    recipients = run.settings.configuration.notify
    if not recipients:
        return
    try:
        message = compose()
    except MoraineError as error:
        _log.warning("nobody was told: %s", error)
        return
    if message:
        notify.tell(run.lake, run.as_of, message, recipients, run.settings.secrets)


def _refusal(run: Run, meta: BuildMeta, failed: list[CheckResult]) -> notify.Message | None:
    if not failed:
        # It was refused because somebody else is at work.
        return None
    in_force, damaged = snapshots.pointed_at(run.lake), quarantined(run)
    return notify.refusal(meta, failed, in_force, damaged, run.now, run.settings.secret_values)


def _news_of_quarantine(run: Run, snapshot: Snapshot) -> notify.Message | None:
    # Forty nights that are made up for have one and the same quarantine.
    if snapshots.pointed_at(run.lake) != snapshot:
        return None
    damaged = quarantined(run)
    return notify.quarantine(snapshot, damaged, run.now, run.settings.secret_values) if damaged else None


def _report(run: Run, source: str, found: sources.Found) -> IngestReport:
    raw.keep_listing(run.lake, source, (*found.deliveries, *found.rejected))
    for rejected in found.rejected:
        raw.quarantine(run.lake, rejected)
    # A copy of a damaged manifest is the same delivery.
    once = {(one.table, one.delivery_id): one for one in found.rejected}
    return IngestReport(source, quarantined=tuple(once.values()), warnings=found.warnings)


def _land(
    run: Run, place: sources.Place, delivery: Delivery, report: IngestReport, progress: Progress
) -> IngestReport:
    if raw.is_landed(run.lake, delivery):
        return replace(report, known=report.known + 1)
    # A listing that was killed goes on with the ranges it began with; what a service said is not kept.
    found = delivery if delivery.is_answer else raw.announce(run.lake, delivery)
    convert = partial(sources.convert, place, found)
    try:
        with progress(found.delivery_id, len(found.parts)) as landed_one:
            landed = raw.land(
                run.lake, found, convert, place.scratch, at_once=sources.at_once(found), landed_one=landed_one
            )
    except Damaged as error:
        rejected = _quarantine(run, found, error)
        return replace(report, quarantined=(*report.quarantined, rejected))
    return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)


def _finish(run: Run, delivery: Delivery, report: IngestReport) -> IngestReport:
    try:
        landed = raw.finish(run.lake, delivery)
    except NotFound:
        rejected = raw.rejection(run.lake, delivery)
        if rejected is None:
            raise
    except Damaged as error:
        rejected = _quarantine(run, delivery, error)
    else:
        return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)
    return replace(report, quarantined=(*report.quarantined, rejected))


def _without_replaced(report: IngestReport, found: Iterable[Delivery]) -> IngestReport:
    damaged = {(one.table, one.delivery_id) for one in report.quarantined}
    whole = [delivery for delivery in found if (delivery.table, delivery.delivery_id) not in damaged]
    kept = tuple(one for one in report.quarantined if not is_replaced(one, whole))
    return replace(report, quarantined=kept, replaced=len(report.quarantined) - len(kept))


def _quarantine(run: Run, delivery: Delivery, error: Damaged) -> Rejected:
    rejected = Rejected(
        source=delivery.source,
        kind=delivery.kind,
        table=delivery.table,
        delivery_id=delivery.delivery_id,
        scope=delivery.scope,
        delivered_at=delivery.delivered_at,
        checksum=delivery.checksum,
        reason=error.what,
        where=error.where,
        fix=error.fix,
    )
    raw.quarantine(run.lake, rejected)
    return rejected


def _damaged(run: Run) -> list[Rejected]:
    return [one for one in raw.quarantined(run.lake) if one.source in source_names(run)]


def _chunks(deliveries: list[Delivery]) -> list[Chunk]:
    size = max(1, -(-sum(len(delivery.parts) for delivery in deliveries) // MOST_CHUNKS))
    return [
        Chunk(each.source, each.table, each.delivery_id, start, min(len(each.parts), start + size))
        for each in deliveries
        for start in range(0, len(each.parts), size)
    ]


def _files(run: Run, current: list[Landed], history: list[Landed]) -> dict[str, tuple[Path, ...]]:
    """Return the landed files by table, on this machine, under the same names in every step."""
    kept = run.settings.scratch / "lake"
    keys: dict[str, list[str]] = {}
    for entry in current:
        keys.setdefault(entry.table, []).extend(entry.files)
    for entry in history:
        for table, key in entry.rollups:
            keys.setdefault(table, []).append(key)
    return {table: tuple(run.lake.fetch(key, kept) for key in names) for table, names in keys.items()}


def _configured(run: Run, landed: list[Landed]) -> tuple[ConfiguredSource, ...]:
    known = {entry.source for entry in landed if entry.table not in BESIDES}
    return tuple(
        ConfiguredSource(source.name, source.kind, has_landed=source.name in known)
        for source in run.settings.configuration.sources
    )


def _build_id(run: Run, current: list[Landed], damaged: list[Rejected]) -> str:
    """Same deliveries, same settings, same code: same build, so that a night run twice publishes once."""
    # How long snapshots are kept, and who is told, changes none of them.
    settings = run.settings.configuration.model_dump_json(exclude={"snapshots", "notify"})
    parts = [run.as_of.isoformat(), _code_version(), settings]
    parts += [f"{entry.table}/{entry.source}/{entry.delivery_id}/{entry.checksum}" for entry in current]
    parts += [json.dumps(entry.to_json()) for entry in damaged]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _code_version() -> str:
    """The version with a hash of code and models: a change of either is another build of the night."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for root, pattern in ((package, "*.py"), (package / "reference", "*.yaml"), (sql_root(), "*.sql")):
        for path in sorted(root.rglob(pattern)):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{version('moraine')}+{digest.hexdigest()[:12]}"


def _build_key(run: Run, name: str) -> str:
    return f"build/{run.as_of}/{name}"


def _workplace(run: Run, scratch: Path) -> Path:
    """Where the warehouse is built: in the lake itself when it is a directory."""
    if isinstance(run.lake, LocalStore):
        path = run.lake.root / _build_key(run, "warehouse.duckdb")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
    return scratch / "warehouse.duckdb"


def _built(run: Run, scratch: Path) -> Path:
    try:
        return run.lake.fetch(_build_key(run, "warehouse.duckdb"), scratch)
    except NotFound:
        raise NotFound(
            f"nothing was built for {run.as_of}",
            where=f"{run.lake.uri}/{_build_key(run, 'warehouse.duckdb')}",
            fix=f"Run 'moraine build --as-of {run.as_of}' first, or 'moraine run' for all stages.",
        ) from None


def _published_before(run: Run, scratch: Path) -> Path | None:
    """Return the file that tonight's numbers are compared with; a newer day says nothing about an older."""
    last = snapshots.pointed_at(run.lake)
    if last is None or last.as_of > run.as_of:
        return None
    return door.warehouse_path(run.lake, last, scratch)


def _keep(run: Run, path: Path) -> None:
    if not isinstance(run.lake, LocalStore):
        run.lake.upload(path, _build_key(run, "warehouse.duckdb"))


def _engine(run: Run, scratch: Path) -> Engine:
    engine = run.settings.configuration.engine
    return engine.model_copy(update={"temp_directory": str(scratch)})


def _alone(run: Run, work: str) -> AbstractContextManager[Hold]:
    """Keep other runs out of one kind of work on this lake."""
    return hold(run.lake, work, clock=lambda: datetime.now(UTC).replace(tzinfo=None))


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-") as directory:
        yield Path(directory)
