"""A warehouse of a few rows in which everything is true; tests break one thing each."""

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Gates
from pipelines.domain.raw_tables import DELIVERIES, RAW_TABLES
from pipelines.domain.snapshots import CheckResult
from pipelines.gates import run_gates

AS_OF = date(2026, 11, 19)

MARTS = {
    "costs_daily": "usage_date date, provider varchar, billing_account_id varchar, sub_account_id varchar, "
    "service_code varchar, service_name varchar, meter varchar, operation varchar, charge_category varchar, "
    "layer varchar, region_id varchar, resource_id varchar, team varchar, usage_unit varchar, "
    "currency varchar, billed_cost decimal(38,12), effective_cost decimal(38,12)",
    "prefix_costs": "usage_date date, bucket varchar, prefix varchar, storage_class varchar, "
    "meter_group varchar, team varchar, effective_cost decimal(38,12), is_residual boolean, "
    "provider varchar as ('aws')",
    "storage_daily": "usage_date date, provider varchar, bucket varchar, storage_class varchar, "
    "meter varchar",
    "egress_daily": "usage_date date, provider varchar, path varchar, from_region varchar, "
    "to_region varchar, resource_id varchar, team varchar, effective_cost decimal(38,12)",
    "checkpoints": "checkpoint_id varchar, object_count bigint, size_bytes bigint",
    "checkpoint_objects": "checkpoint_id varchar, object_key varchar, size_bytes bigint",
    "checkpoint_waste": "bucket varchar, run varchar, framework varchar",
    "hidden_bytes": "bucket varchar, kind varchar, provider varchar as ('aws')",
    "ingested_deliveries": "source varchar, table_name varchar, delivery_id varchar, status varchar, "
    "delivered_at timestamp",
}

# Seven days of a bucket of $1.00 a day, 99 cents of it explained, and a machine of $2 a day.
ROWS = """
insert into raw.aws_cur2 (line_item_usage_type) select 'x' from range(14);
insert into raw.s3_inventory (bucket) values ('train'), ('train');
insert into raw.deliveries values
    ('bill', 'aws-cur2', 'aws_cur2', 'b1', '2026-11', '2026-11-20 04:00', null, 14, 1, '', null,
        null),
    ('train', 's3-inventory', 's3_inventory', 'i1', 'train', '2026-11-19 03:00', '2026-11-19 01:00', 2, 1,
        '', null, null);
insert into reference.team_prefixes values ('train', 'runs/', 'nlp');
insert into marts.costs_daily
    select
        date '2026-11-13' + day::integer, 'aws', 'payer', 'account', code, name, 'meter', '', 'Usage', layer,
        'us-east-1', resource, 'nlp', 'GB', 'USD', cost, cost
    from range(7) as days(day)
    cross join (values
        ('AmazonS3', 'Amazon S3', 'storage', 'arn:aws:s3:::train', 1.0),
        ('AmazonEC2', 'Amazon EC2', 'compute', 'i-1', 2.0)
    ) as charges(code, name, layer, resource, cost);
insert into intermediate.int_charges_unioned
    select usage_date, billed_cost, effective_cost from marts.costs_daily;
insert into marts.prefix_costs
    select
        date '2026-11-13' + day::integer, 'train', prefix, 'STANDARD', 'storage', 'nlp', cost, residual
    from range(7) as days(day)
    cross join (values ('runs/', 0.99, false), ('(residual)', 0.01, true)) as parts(prefix, cost, residual);
insert into marts.storage_daily
    select distinct usage_date, 'aws', 'train', 'STANDARD', 'meter' from marts.costs_daily;
insert into marts.egress_daily values
    ('2026-11-19', 'aws', 'internet_out', 'us-east-1', 'internet', 'train', 'nlp', 99.5),
    ('2026-11-19', 'aws', 'unclassified_transfer', '', '', 'train', 'nlp', 0.5);
insert into marts.checkpoints values ('s3://train/runs/a/checkpoint-1', 2, 30);
insert into marts.checkpoint_objects values
    ('s3://train/runs/a/checkpoint-1', 'runs/a/checkpoint-1/model.safetensors', 10),
    ('s3://train/runs/a/checkpoint-1', 'runs/a/checkpoint-1/optimizer.pt', 20);
insert into marts.checkpoint_waste values ('train', 'runs/a', 'hf_trainer');
insert into marts.hidden_bytes values ('train', 'multipart');
insert into reference.sources values ('bill', 'aws-cur2', true), ('train', 's3-inventory', true);
insert into marts.ingested_deliveries values
    ('bill', 'aws_cur2', 'b1', 'in_force', '2026-11-20 04:00'),
    ('train', 's3_inventory', 'i1', 'in_force', '2026-11-19 03:00');
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{path}' as build (storage_version 'v1.4.0')")
        connection.execute("use build")
        for schema in ("raw", "reference", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        for name, columns in {**RAW_TABLES, "deliveries": DELIVERIES}.items():
            spelled = ", ".join(f'"{column}" {kind}' for column, kind in columns)
            connection.execute(f"create table raw.{name} ({spelled})")
        connection.execute(
            "create table reference.team_prefixes (bucket varchar, prefix varchar, team varchar)"
        )
        connection.execute("create table reference.team_tags (tag_key varchar)")
        connection.execute(
            "create table reference.sources (source varchar, kind varchar, has_landed boolean)"
        )
        connection.execute(
            "create table intermediate.int_charges_unioned "
            "(usage_date date, billed_cost decimal(38,12), effective_cost decimal(38,12))"
        )
        for name, spelled in MARTS.items():
            connection.execute(f"create table marts.{name} ({spelled})")
        for statement in ROWS.split(";\n"):
            connection.execute(statement)
    return path


@pytest.fixture
def change(warehouse: Path) -> Callable[[str], None]:
    """Run statements on the warehouse."""

    def run(statements: str) -> None:
        with closing(duckdb.connect(str(warehouse))) as connection:
            connection.execute(statements)

    return run


@pytest.fixture
def gates(warehouse: Path) -> Callable[..., dict[tuple[str, str], CheckResult]]:
    """Run all checks; results by check and scope."""

    def run(limits: Gates | None = None, as_of: date = AS_OF) -> dict[tuple[str, str], CheckResult]:
        results: Sequence[CheckResult] = run_gates(warehouse, limits or Gates(), as_of)
        return {(result.check_id, result.scope): result for result in results}

    return run
