"""A warehouse of a few rows in which everything is true; tests break one thing each."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Gates
from pipelines.domain.snapshots import CheckResult
from pipelines.gates import run_gates
from pipelines.warehouse.descriptions import read_description
from pipelines.warehouse.inputs import given_tables

AS_OF = date(2026, 11, 19)
MARTS = Path(__file__).parents[4] / "sql" / "marts"

DEFAULTS = {"varchar": "''", "boolean": "false", "date": "date '2026-11-19'"}

# Seven days of a bucket of $1.00 a day, 99 cents of it explained, and a machine of $2 a day.
ROWS = """
create table intermediate.int_charges_summed_daily
    (usage_date date, billed_cost decimal(38,12), effective_cost decimal(38,12), line_count bigint);
create table intermediate.int_charges_attributed
    (usage_date date, currency varchar, billed_cost decimal(38,12), effective_cost decimal(38,12));
create table intermediate.int_directories_unioned
    (provider varchar, bucket varchar, storage_class varchar, size_bytes bigint, snapshot_at timestamp);
create table intermediate.int_bucket_bills_daily
    (usage_date date, provider varchar, bucket varchar, currency varchar, storage_class varchar,
    meter_group varchar, effective_cost decimal(38,12));
create table intermediate.int_listings_chosen (provider varchar, bucket varchar, snapshot_at timestamp);
create table intermediate.int_storage_rates_chosen
    (provider varchar, bucket varchar, storage_class varchar, usd_gb_month decimal(38,12));
insert into raw.aws_cur2 by name
    select
        'x' as line_item_usage_type, '/lake/raw/aws_cur2/source=bill/delivery=b1/part.parquet' as landed_file
    from range(14);
insert into raw.bill_days by name
    select
        'bill' as source, 'aws_cur2' as table_name, 'b1' as delivery_id,
        date '2026-11-13' + day::integer as usage_date, 3 as billed_cost, 2 as row_count
    from range(7) as days(day);
insert into raw.s3_inventory by name
    select
        'train' as bucket, size_bytes, timestamp '2026-11-19 01:00' as snapshot_at,
        '/lake/raw/s3_inventory/source=train/delivery=i1/part.parquet' as landed_file
    from (values (10), (20)) as sizes(size_bytes);
insert into raw.s3_inventory_directories by name
    select
        'train' as bucket, 2 as object_count, 30 as size_bytes,
        timestamp '2026-11-19 01:00' as snapshot_at;
insert into raw.deliveries values
    ('bill', 'aws-cur2', 'aws_cur2', 'b1', '2026-11', '2026-11-20 04:00', null, 14, 1, '', null,
        null),
    ('train', 's3-inventory', 's3_inventory', 'i1', 'train', '2026-11-19 03:00', '2026-11-19 01:00', 2, 1,
        '', null, null);
insert into reference.team_prefixes values ('train', 'runs/', 'nlp');
insert into reference.sources values ('bill', 'aws-cur2', true), ('train', 's3-inventory', true);
insert into intermediate.int_directories_unioned values ('aws', 'train', 'STANDARD', 30, '2026-11-19 01:00');
insert into intermediate.int_listings_chosen values ('aws', 'train', '2026-11-19 01:00');
insert into intermediate.int_storage_rates_chosen values ('aws', 'train', 'STANDARD', 0.023);
insert into marts.costs_daily by name
    select
        date '2026-11-13' + day::integer as usage_date, 'aws' as provider, 'payer' as billing_account_id,
        code as service_code, name as service_name, code || ':Usage' as meter, 'Usage' as charge_category,
        layer,
        resource as resource_id, 'nlp' as team, 'USD' as currency, cost as billed_cost, cost as effective_cost
    from range(7) as days(day)
    cross join (values
        ('AmazonS3', 'Amazon S3', 'storage', 'arn:aws:s3:::train', 1.0),
        ('AmazonEC2', 'Amazon EC2', 'compute', 'i-1', 2.0)
    ) as charges(code, name, layer, resource, cost);
insert into intermediate.int_charges_summed_daily
    select usage_date, billed_cost, effective_cost, 1 from marts.costs_daily;
insert into intermediate.int_charges_attributed
    select usage_date, currency, billed_cost, effective_cost from marts.costs_daily;
insert into marts.showback_monthly by name
    select
        date '2026-11-01' as usage_month, team, 'USD' as currency, cost as billed_cost,
        cost as effective_cost, direct as direct_effective_cost
    from (values ('nlp', 21, 21), ('', 0, 0)) as teams(team, cost, direct);
insert into marts.prefix_costs by name
    select
        date '2026-11-13' + day::integer as usage_date, 'aws' as provider, 'train' as bucket, prefix,
        'STANDARD' as storage_class, 'storage' as meter_group, 'bytes' as basis, 'USD' as currency,
        'nlp' as team, cost as effective_cost,
        cost * 100 * 86400 * 1073741824 as byte_seconds, residual as is_residual
    from range(7) as days(day)
    cross join (values ('runs/', 0.99, false), ('(residual)', 0.01, true)) as parts(prefix, cost, residual);
insert into intermediate.int_bucket_bills_daily
    values ('2026-11-19', 'aws', 'train', 'USD', 'STANDARD', 'storage', 1);
insert into marts.run_costs by name
    select
        date '2026-11-19' as usage_date, 'aws' as provider, 'train' as bucket, run,
        'STANDARD' as storage_class,
        'storage' as meter_group, 'USD' as currency, cost as effective_cost, residual as is_residual
    from (values ('runs/a', 0.9, false), ('(residual)', 0.1, true)) as parts(run, cost, residual);
insert into marts.storage_daily by name
    select distinct usage_date, 'aws' as provider, 'train' as bucket, 'STANDARD' as storage_class
    from marts.costs_daily;
insert into marts.egress_daily by name
    select
        date '2026-11-19' as usage_date, 'aws' as provider, path, 'train' as resource_id,
        'USD' as currency, cost as effective_cost
    from (values ('internet_out', 99.5), ('unclassified_transfer', 0.5)) as paths(path, cost);
insert into marts.checkpoints by name
    select
        's3://train/runs/a/checkpoint-1' as checkpoint_id, 'train' as bucket, 'runs/a' as run,
        'hf_trainer' as framework, 2 as object_count, 30 as size_bytes;
insert into marts.checkpoint_objects by name
    select
        's3://train/runs/a/checkpoint-1' as checkpoint_id, 'train' as bucket,
        'runs/a/checkpoint-1/' || name as object_key, size_bytes
    from (values ('model.safetensors', 10), ('optimizer.pt', 20)) as files(name, size_bytes);
insert into marts.checkpoint_waste by name
    select 'train' as bucket, 'runs/a' as run, 'hf_trainer' as framework;
insert into marts.hidden_bytes by name select 'train' as bucket, 'multipart' as kind;
insert into marts.ingested_deliveries by name
    select source, table_name, delivery_id, 'in_force' as status, delivered_at from raw.deliveries;
"""

Change = Callable[[str], None]


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{path}' as build (storage_version 'v1.4.0')")
        connection.execute("use build")
        for schema in ("raw", "reference", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        for table, columns in given_tables().items():
            spelled = ", ".join(f'"{name}" {kind}' for name, kind in columns)
            connection.execute(f"create table {table} ({spelled})")
        for sql in sorted(MARTS.glob("*.sql")):
            spelled = ", ".join(
                f'"{name}" {column.type} default {DEFAULTS.get(column.type, _zero(column.type))}'
                for name, column in read_description(sql).columns.items()
            )
            connection.execute(f"create table marts.{sql.stem} ({spelled})")
        for statement in ROWS.split(";\n"):
            connection.execute(statement)
    return path


@pytest.fixture
def change(warehouse: Path) -> Change:
    """Run statements on the warehouse."""

    def run(statements: str) -> None:
        with closing(duckdb.connect(str(warehouse))) as connection:
            connection.execute(statements)

    return run


@pytest.fixture
def previous(warehouse: Path, tmp_path: Path) -> Path:
    """The warehouse as it was published before anything was changed."""
    return Path(shutil.copy(warehouse, tmp_path / "published.duckdb"))


@pytest.fixture
def gates(warehouse: Path) -> Callable[..., dict[tuple[str, str], CheckResult]]:
    """Run all checks; results by check and scope."""

    def run(
        limits: Gates | None = None, as_of: date = AS_OF, previous: Path | None = None
    ) -> dict[tuple[str, str], CheckResult]:
        results: Sequence[CheckResult] = run_gates(warehouse, limits or Gates(), as_of, previous=previous)
        return {(result.check_id, result.scope): result for result in results}

    return run


def _zero(kind: str) -> str:
    return "timestamp '2026-11-19'" if kind == "timestamp" else "0"
