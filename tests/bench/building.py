"""Building and checking, measured: one piece of work each, run in a process of its own."""

import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from pipelines import raw
from pipelines.domain.configuration import Engine, Gates
from pipelines.domain.deliveries import in_force
from pipelines.domain.teams import Teams
from pipelines.gates import run_gates
from pipelines.stores import LocalStore
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from tests.bench.floors import THREADS

AS_OF = date(2026, 11, 19)


def build(work: Path) -> object:
    """Build the whole warehouse from the landed Parquet inventory: checkpoints, hidden bytes, marts."""
    path = work / "warehouse.duckdb"
    build_warehouse(path, inputs=landed_inputs(work), as_of=AS_OF, engine=_engine(work))
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "select count(*), sum(object_count)::bigint from marts.checkpoints"
        ).fetchone()


def gates(work: Path) -> object:
    """Check what was built, compared with itself as the last snapshot; Great Expectations is imported."""
    path, published = work / "warehouse.duckdb", work / "published.duckdb"
    if not published.exists():
        shutil.copy(path, published)
    results = run_gates(path, Gates(), AS_OF, engine=_engine(work), previous=published)
    failed = [result.check_id for result in results if not result.passed]
    return len(results), failed


CASES: dict[str, Callable[[Path], object]] = {case.__name__: case for case in (build, gates)}


def landed_inputs(work: Path) -> Inputs:
    """Return what a build reads of the landed Parquet inventory."""
    lake = LocalStore(work / "lake-parquet")
    ledger = in_force(raw.ledger(lake), AS_OF)
    files = {entry.table: [lake.root / key for key in entry.files] for entry in ledger}
    for entry in ledger:
        for table, key in entry.rollups:
            files.setdefault(table, []).append(lake.root / key)
    return Inputs(files, ledger, teams=Teams())


def _engine(work: Path) -> Engine:
    return Engine(memory_limit="2GB", threads=THREADS, temp_directory=str(work / "tmp"))


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
