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

# What the models read of a bill and the provider fills: no empty column is in the floor.
_BILL_TEXTS = (
    "bill_payer_account_id",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_resource_id",
    "line_item_currency_code",
    "pricing_unit",
    "product_servicecode",
    "product_region_code",
    "resource_tags",
)
_BILL_OTHERS = (
    "line_item_usage_start_date",
    "bill_billing_period_start_date",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "pricing_public_on_demand_cost",
)


def scan_keys(work: Path) -> object:
    """Floor: decode every key of the Parquet inventory, and nothing else."""
    files = _files(work, "parquet")
    return _execute("select count(*), sum(strlen(key))::bigint from read_parquet(?)", files)


def scan_landed(work: Path) -> object:
    """Floor: decode the key columns of the landed inventory, and nothing else."""
    files = sorted(str(path) for path in (work / "lake-parquet" / "raw" / "s3_inventory").rglob("*.parquet"))
    columns = ("bucket", "object_key", "directory", "leaf")
    summed = ", ".join(f"sum(strlen({column}))::bigint" for column in columns)
    return _execute(f"select count(*), {summed} from read_parquet(?)", files)


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


def scan_hourly(work: Path) -> object:
    """Floor: decode the columns that the models read of a bill by the hour."""
    return _scan_bill(work, "hourly")


def scan_random(work: Path) -> object:
    """Floor: the same of a bill that can hardly be summed up."""
    return _scan_bill(work, "random")


CASES: dict[str, Callable[[Path], object]] = {
    floor.__name__: floor
    for floor in (scan_keys, scan_landed, copy_parquet, copy_csv, convert_csv, scan_hourly, scan_random)
}


def _scan_bill(work: Path, shape: str) -> object:
    texts = " + ".join(f"strlen({name})" for name in _BILL_TEXTS)
    others = ", ".join(f"max({name})::varchar" for name in _BILL_OTHERS)
    query = f"select count(*), sum({texts})::bigint, md5(concat_ws(',', {others})) from read_parquet(?)"
    return _execute(query, [str(work / f"bill-{shape}.parquet")])


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
