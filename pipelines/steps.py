"""The pipeline on one page: one function per stage. The command line and the DAGs call nothing else.

    ingest → build → check → publish

Stages meet in the lake: each step finds what the step before it left there, under names that the day gives.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipelines import gates, raw, settings, sources
from pipelines import publish as publishing
from pipelines import published as door
from pipelines.domain.configuration import Engine
from pipelines.domain.deliveries import Delivery, Landed, in_force, in_history
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.errors import NotFound, Terminal
from pipelines.settings import Settings
from pipelines.stores import LocalStore, Store, open_store
from pipelines.warehouse import build as warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import sql_root


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
    landed: int
    known: int
    rows: int
    warnings: tuple[str, ...] = ()


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


def ingest(run: Run, source: str) -> IngestReport:
    """Land every complete delivery of a source that the lake does not hold yet.

    Raises:
        Transient: the source does not answer.
        Terminal: a delivery is broken; nothing of it was landed.
    """
    with _scratch(run) as scratch:
        place = open_source(run, source, scratch)
        found = sources.find(place, run.now)
        report = IngestReport(source, 0, 0, 0, found.warnings)
        for delivery in found.deliveries:
            report = _land(run, place, delivery, report)
    return report


def open_source(run: Run, source: str, scratch: Path) -> sources.Place:
    """Return where a source's deliveries are.

    Raises:
        NotFound: no source has that name.
    """
    settings = run.settings
    configuration = settings.configuration
    return sources.open_place(
        settings.source(source),
        settings.base,
        configuration.endpoints,
        scratch,
        memory_limit=configuration.engine.memory_limit,
        token=settings.registry_token,
    )


def build(run: Run) -> BuildReport:
    """Build the day's warehouse beside the published one.

    Raises:
        Terminal: a model breaks its contract; the message names the rows.
    """
    landed = raw.ledger(run.lake)
    current = in_force(landed, run.as_of)
    configuration = run.settings.configuration
    meta = BuildMeta(_build_id(run, current), run.as_of, _code_version())
    with _scratch(run) as scratch:
        inputs = Inputs(
            files=_files(run, current, in_history(landed, run.as_of)),
            ledger=tuple(current),
            teams=configuration.teams,
        )
        path = _workplace(run, scratch)
        report = warehouse.build_warehouse(path, inputs=inputs, as_of=run.as_of, engine=_engine(run, scratch))
        _keep(run, path)
    run.lake.write(_build_key(run, "build.json"), json.dumps(meta.to_json(), indent=2).encode())
    return BuildReport(meta.build_id, len(current), len(report.models))


def check(run: Run) -> list[CheckResult]:
    """Judge the day's warehouse; the results are kept in it. A failed check is a result, not an error."""
    with _scratch(run) as scratch:
        path = _built(run, scratch)
        if not isinstance(run.lake, LocalStore):
            # The build may have run on another machine: its views over landed files need those files here.
            landed = raw.ledger(run.lake)
            _files(run, in_force(landed, run.as_of), in_history(landed, run.as_of))
        results = gates.run_gates(path, run.settings.configuration.gates, run.as_of)
        _keep(run, path)
    return results


def publish(run: Run) -> Snapshot:
    """Make the day's warehouse the published one.

    Raises:
        Refused: a blocking check failed or nothing was checked; the previous snapshot stays in force.
    """
    with _scratch(run) as scratch:
        path = _built(run, scratch)
        results = gates.read_results(path)
        meta = BuildMeta.from_json(json.loads(run.lake.read(_build_key(run, "build.json"))))
        return publishing.publish(run.lake, warehouse=path, results=results, meta=meta, published_at=run.now)


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


def _land(run: Run, place: sources.Place, delivery: Delivery, report: IngestReport) -> IngestReport:
    if raw.is_landed(run.lake, delivery):
        return replace(report, known=report.known + 1)
    rollups = sources.ROLLUPS.get(delivery.table, {})
    landed = raw.land(run.lake, delivery, sources.read(place, delivery), rollups, place.scratch)
    return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)


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


def _build_id(run: Run, current: list[Landed]) -> str:
    """Same deliveries, same settings, same code: same build, so that a night run twice publishes once."""
    parts = [run.as_of.isoformat(), _code_version(), run.settings.configuration.model_dump_json()]
    parts += [f"{entry.table}/{entry.source}/{entry.delivery_id}/{entry.checksum}" for entry in current]
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


def _keep(run: Run, path: Path) -> None:
    if not isinstance(run.lake, LocalStore):
        run.lake.upload(path, _build_key(run, "warehouse.duckdb"))


def _engine(run: Run, scratch: Path) -> Engine:
    engine = run.settings.configuration.engine
    return engine.model_copy(update={"temp_directory": str(scratch)})


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-") as directory:
        yield Path(directory)
