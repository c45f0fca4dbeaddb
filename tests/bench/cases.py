"""One measured piece of work each; run in a process of its own by `python -m tests.bench`."""

import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines import raw, sources
from pipelines.domain.configuration import Engine, Source, Teams
from pipelines.domain.deliveries import in_force
from pipelines.stores import LocalStore
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs

AS_OF = date(2026, 11, 19)


def scan_keys(work: Path) -> object:
    """Floor: decode every key of the Parquet inventory, and nothing else."""
    files = sorted(str(path) for path in (work / "parquet").rglob("*.parquet"))
    return (
        _connect()
        .execute("select count(*), sum(strlen(key))::bigint from read_parquet(?)", [files])
        .fetchone()
    )


def convert_csv(work: Path) -> object:
    """Peer: DuckDB alone turns the CSV inventory into typed Parquet, with keys decoded."""
    files = sorted(str(path) for path in (work / "csv").rglob("*.csv.gz"))
    target = work / "converted.parquet"
    _connect().execute(
        "copy (select column0 as bucket, url_decode(replace(column1, '+', ' ')) as key, "
        "column2::bigint as size, column3::timestamp as last_modified, column4 as etag, column5 as class "
        "from read_csv(?, header = false, all_varchar = true)) "
        f"to '{target}' (format parquet, compression zstd)",
        [files],
    )
    return _connect().execute("select count(*) from read_parquet(?)", [str(target)]).fetchone()


def land_parquet(work: Path) -> object:
    """Verify and land the Parquet inventory, with its directory roll-up."""
    return _land(work, "parquet")


def land_csv(work: Path) -> object:
    """Verify and land the CSV inventory, with its directory roll-up."""
    return _land(work, "csv")


def build(work: Path) -> object:
    """Build the whole warehouse from the landed Parquet inventory: checkpoints, hidden bytes, marts."""
    lake = LocalStore(work / "lake-parquet")
    ledger = in_force(raw.ledger(lake), AS_OF)
    files = {entry.table: [lake.root / key for key in entry.files] for entry in ledger}
    for entry in ledger:
        for table, key in entry.rollups:
            files.setdefault(table, []).append(lake.root / key)
    engine = Engine(memory_limit="2GB", threads=2, temp_directory=str(work / "tmp"))
    path = work / "warehouse.duckdb"
    build_warehouse(path, inputs=Inputs(files, ledger, Teams()), as_of=AS_OF, engine=engine)
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "select count(*), sum(object_count)::bigint from marts.checkpoints"
        ).fetchone()


CASES: dict[str, Callable[[Path], object]] = {
    case.__name__: case for case in (scan_keys, convert_csv, land_parquet, land_csv, build)
}


def _land(work: Path, name: str) -> object:
    home = work / name / "inv" / "bench" / "daily"
    source = Source(name="train", kind="s3-inventory", uri=f"file:{home}", bucket="bench")
    place = sources.open_place(source, work, (), work / "tmp")
    lake = LocalStore(work / f"lake-{name}")
    found = sources.find(place, datetime(2026, 11, 20, 6))
    rollups = sources.ROLLUPS["s3_inventory"]
    rows = [
        raw.land(lake, each, sources.read(place, each), rollups, work / "tmp").row_count
        for each in found.deliveries
    ]
    return sum(rows)


def _connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2, "memory_limit": "2GB"})


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
