"""What DuckDB alone needs for the same files: the floors that the cases are compared with.

Nothing of Moraine is imported, so that its start is in the cases alone.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

MEMORY_LIMIT = os.environ.get("BENCH_MEMORY_LIMIT", "768MB")
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

# Checkpoints of one layout that is known beforehand, in one table: nothing that could not be told by eye.
_ONE_TABLE = """
create table checkpoints as
with saves as (
    select
        directory,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(case when starts_with(leaf, 'model-') then size_bytes else 0 end)::bigint as weights_bytes,
        sum(case when leaf = 'optimizer.pt' then size_bytes else 0 end)::bigint as optimizer_bytes,
        bool_or(leaf = 'trainer_state.json') as is_complete,
        min(last_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at
    from read_parquet(?)
    where is_latest and not is_delete_marker and starts_with(directory, 'runs/')
    group by directory
),
named as (
    select *, split_part(directory, '/checkpoint-', 1) as run,
        rtrim(split_part(directory, '/checkpoint-', 2), '/')::bigint as step
    from saves
),
latest as (select run, max(step) as step from named where is_complete group by run)
select named.*, latest.step is not distinct from named.step as is_latest
from named left join latest on named.run = latest.run
"""

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
    columns = ("bucket", "object_key", "directory", "leaf")
    summed = ", ".join(f"sum(strlen({column}))::bigint" for column in columns)
    return _execute(f"select count(*), {summed} from read_parquet(?)", _landed_files(work))


def one_table(work: Path) -> object:
    """Floor: the plainest table of the checkpoints of one known layout, from the landed inventory."""
    with _connected() as connection:
        connection.execute(f"attach '{work / 'one-table.duckdb'}' as made")
        connection.execute("use made")
        connection.execute("drop table if exists checkpoints")
        connection.execute(_ONE_TABLE, [_landed_files(work)])
        return connection.execute("select count(*) from checkpoints").fetchone()


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
    for floor in (
        scan_keys,
        scan_landed,
        one_table,
        copy_parquet,
        copy_csv,
        convert_csv,
        scan_hourly,
        scan_random,
    )
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
    with _connected() as connection:
        return connection.execute(statement, [files]).fetchone()


def _connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT})
    connection.execute("set timezone = 'UTC'")
    return connection


def _landed_files(work: Path) -> list[str]:
    return sorted(str(path) for path in (work / "lake-parquet" / "raw" / "s3_inventory").rglob("*.parquet"))


def _files(work: Path, name: str) -> list[str]:
    return sorted(str(path) for path in (work / name).rglob("part-*"))


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
