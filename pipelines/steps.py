"""The pipeline on one page: one function per stage. The command line and the DAGs call nothing else.

    ingest → build → check → publish

Stages meet in the lake: each step finds what the step before it left there, under names that the day gives.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

import duckdb

from pipelines import gates, raw, retention, snapshots
from pipelines import publish as publishing
from pipelines import published as door
from pipelines.clean_ups import read_clean_ups
from pipelines.domain.clean_ups import CleanUp, clean_up_to_json
from pipelines.domain.configuration import Engine
from pipelines.domain.deliveries import BESIDES, Landed, Rejected, in_force, in_history
from pipelines.domain.pins import Pins
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import MoraineError, NotFound, Refused, Terminal
from pipelines.ingestion import (
    Chunk,
    IngestReport,
    Progress,
    find,
    finish,
    in_quarantine,
    ingest,
    land,
    open_source,
    quarantined,
)
from pipelines.news import tell_of_quarantine, tell_of_refusal
from pipelines.reference.pin_file import read_pins
from pipelines.reference.price_files import read_price_file
from pipelines.reference.price_list import PriceList
from pipelines.report import Listing, differences
from pipelines.run import Run, alone, open_run, source_names, workspace
from pipelines.stores import LocalStore
from pipelines.stores.locks import Hold
from pipelines.warehouse import build as warehouse
from pipelines.warehouse.inputs import ConfiguredSource, Inputs
from pipelines.warehouse.models import sql_root

__all__ = [
    "BuildReport",
    "Chunk",
    "IngestReport",
    "Progress",
    "Run",
    "build",
    "check",
    "compare",
    "current",
    "find",
    "finish",
    "ingest",
    "land",
    "open_run",
    "open_source",
    "prune",
    "publish",
    "published",
    "quarantined",
    "query",
    "roll_back",
    "source_names",
    "stored",
    "warehouse_path",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one build made."""

    build_id: str
    deliveries: int
    models: int


def build(run: Run) -> BuildReport:
    """Build the day's warehouse beside the published one.

    Raises:
        Refused: another run is at work on this day.
        Terminal: a model breaks its contract; the message names the rows.
    """
    landed = raw.ledger(run.lake)
    current = in_force(landed, run.as_of)
    damaged = in_quarantine(run)
    clean_ups = read_clean_ups(run.lake)
    meta = BuildMeta(_build_id(run, current, damaged, clean_ups), run.as_of, _code_version())
    with alone(run, f"build-{run.as_of}"), workspace(run) as scratch:
        inputs = Inputs(
            files=_files(run, current, in_history(landed, run.as_of)),
            ledger=tuple(current),
            quarantined=tuple(damaged),
            sources=_configured(run, landed),
            teams=run.settings.configuration.teams,
            prices=_own_prices(run),
            pins=_pins(run).pins,
            clean_ups=clean_ups,
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
    with alone(run, f"build-{run.as_of}"), workspace(run) as scratch:
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
    with alone(run, f"build-{run.as_of}"), alone(run, "publish") as held, workspace(run) as scratch:
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
            tell_of_refusal(run, meta, publishing.blocking(results))
            raise
        try:
            _prune(run, held)
        except MoraineError as error:
            _log.warning("old snapshots stay: %s", error)
        tell_of_quarantine(run, snapshot)
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
    with alone(run, "publish") as held:
        return _prune(run, held)


def roll_back(run: Run, name: str) -> publishing.Rollback:
    """Make another snapshot the current one; the next newer day that is published moves on from there.

    Raises:
        NotFound: there is none of that name.
        Refused: it is not whole, or another run is publishing.
    """
    with alone(run, "publish"):
        return publishing.roll_back(run.lake, name)


def compare(run: Run, before: str, after: str) -> differences.Differences:
    """Return which figures moved between two snapshots, and by how much.

    Raises:
        NotFound: there is none of that name.
        Refused: one is not whole.
    """
    one, other = snapshots.resolve(run.lake, before), snapshots.resolve(run.lake, after)
    with (
        workspace(run) as scratch,
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
    with workspace(run) as scratch, closing(door.open_snapshot(run.lake, snapshot, scratch)) as connection:
        yield snapshot, connection


def listings(run: Run, as_of: date, uri: str) -> tuple[Listing, ...]:
    """Return the newest list of the bucket that `uri` is in, as known on a day; none if none has landed."""
    match parse_uri(uri):
        case BucketUri(scheme=scheme, bucket=bucket):
            table = "gcs_inventory" if scheme == "gs" else "s3_inventory"
        case _:
            return ()
    known = (
        entry
        for entry in in_force(raw.ledger(run.lake), as_of)
        if (entry.table, entry.scope) == (table, bucket)
    )
    newest = max(
        known, key=lambda entry: (entry.snapshot_at or entry.delivered_at, entry.source), default=None
    )
    if newest is None:
        return ()
    files = tuple(run.lake.fetch(key, run.settings.scratch / "lake") for key in newest.files)
    return (Listing(newest.source, table, bucket, newest.snapshot_at, newest.row_count, files),)


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


def _build_id(
    run: Run, current: list[Landed], damaged: list[Rejected], clean_ups: tuple[CleanUp, ...]
) -> str:
    """Same deliveries, same settings, same code: same build, so that a night run twice publishes once."""
    # How long snapshots are kept, and who is told, changes none of them.
    settings = run.settings.configuration.model_dump_json(exclude={"snapshots", "notify"})
    parts = [run.as_of.isoformat(), _code_version(), settings]
    parts += [f"{entry.table}/{entry.source}/{entry.delivery_id}/{entry.checksum}" for entry in current]
    parts += [json.dumps(entry.to_json()) for entry in damaged]
    parts += [listed.model_dump_json() for listed in _own_prices(run)]
    parts += [_pins(run).model_dump_json()]
    parts += [clean_up_to_json(clean_up).decode() for clean_up in clean_ups]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _own_prices(run: Run) -> tuple[PriceList, ...]:
    settings = run.settings
    return tuple(read_price_file(settings.base / name) for name in settings.configuration.prices)


def _pins(run: Run) -> Pins:
    return read_pins(run.settings.base, run.settings.configuration.pins)


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
