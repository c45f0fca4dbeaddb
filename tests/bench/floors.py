"""What DuckDB alone needs for the same files: the floors that the cases are compared with.

Nothing of Moraine is imported, so that its start is in the cases alone.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

MEMORY_LIMIT = "768MB"
THREADS = 2

# The columns that land, as a Parquet inventory spells them, and their type there.
_LANDED = {
    "bucket": "varchar",
    "key": "varchar",
    "version_id": "varchar",
    "is_latest": "boolean",
    "is_delete_marker": "boolean",
    "size": "bigint",
    "last_modified_date": "timestamp",
    "e_tag": "varchar",
    "storage_class": "varchar",
    "is_multipart_uploaded": "boolean",
    "replication_status": "varchar",
    "encryption_status": "varchar",
    "object_lock_retain_until_date": "timestamp",
    "object_lock_mode": "varchar",
    "object_lock_legal_hold_status": "varchar",
    "intelligent_tiering_access_tier": "varchar",
}


def scan_keys(work: Path) -> object:
    """Floor: decode every key of the Parquet inventory, and nothing else."""
    files = _files(work, "parquet")
    return _execute("select count(*), sum(strlen(key))::bigint from read_parquet(?)", files)


def copy_parquet(work: Path) -> object:
    """Floor: DuckDB alone copies the columns that land into zstd Parquet."""
    return _copy(work, f"select {', '.join(_LANDED)} from read_parquet(?)", _files(work, "parquet"))


def copy_csv(work: Path) -> object:
    """Floor: DuckDB alone copies the CSV inventory into zstd Parquet, its keys as they are."""
    return _copy(work, "from read_csv(?, header = false)", _files(work, "csv"))


def convert_csv(work: Path) -> object:
    """Floor: DuckDB alone copies the columns that land of the CSV inventory, with types and keys decoded."""
    typed = ", ".join(
        f"column{place:02d}::{kind} as {name}" for place, (name, kind) in enumerate(_LANDED.items())
    )
    decoded = f"select * replace (url_decode(replace(key, '+', ' ')) as key) from (select {typed} from read)"
    read = "from read_csv(?, header = false, all_varchar = true)"
    return _copy(work, f"with read as ({read}) {decoded}", _files(work, "csv"))


CASES: dict[str, Callable[[Path], object]] = {
    floor.__name__: floor for floor in (scan_keys, copy_parquet, copy_csv, convert_csv)
}


def _copy(work: Path, query: str, files: list[str]) -> object:
    target = work / "copied.parquet"
    return _execute(f"copy ({query}) to '{target}' (format parquet, compression zstd)", files)


def _execute(statement: str, files: list[str]) -> object:
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT}) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(statement, [files]).fetchone()


def _files(work: Path, name: str) -> list[str]:
    return sorted(str(path) for path in (work / name).rglob("part-*"))


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
