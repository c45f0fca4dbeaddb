"""A published snapshot of a few rows, with a jump in what transfers cost."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

TABLES = """
create schema reference;
create schema marts;
create table reference.snapshot as select
    '2026-11-19-abcdef012345' as snapshot_id, date '2026-11-19' as as_of,
    timestamp '2026-11-20 06:30' as published_at, '0.1.0' as code_version;
create table marts.quality_results (
    check_id varchar, table_name varchar, level varchar, passed boolean, observed varchar, scope varchar);
create table marts.ingested_deliveries (
    delivery_id varchar, source varchar, scope varchar, status varchar, reason varchar, how_to_fix varchar,
    delivered_at timestamp);
create table marts.bill_restatements (
    source varchar, currency varchar, change decimal(38,12), was_closed boolean,
    previous_delivered_at timestamp, delivered_at timestamp, usage_date date);
create table marts.costs_daily (
    usage_date date, service_code varchar, service_name varchar, meter varchar, layer varchar,
    charge_category varchar, resource_id varchar, team varchar, currency varchar,
    effective_cost decimal(38,12));
create table marts.cost_changes (
    usage_date date, compared_date date, comparison varchar, key varchar, provider varchar,
    service_name varchar, meter varchar, team varchar, bucket varchar, usage_unit varchar,
    currency varchar, effect varchar, amount decimal(38,12), compared_quantity decimal(38,12),
    usage_quantity decimal(38,12));
create table marts.cost_anomalies (
    usage_date date, scope varchar, scope_name varchar, currency varchar, judged_by varchar,
    days_compared bigint, cost decimal(38,12), expected_cost decimal(38,12), impact decimal(38,12),
    z_score double,
    contributor_1_team varchar, contributor_1_bucket varchar, contributor_1_meter varchar,
    contributor_1_impact decimal(38,12),
    contributor_2_team varchar, contributor_2_bucket varchar, contributor_2_meter varchar,
    contributor_2_impact decimal(38,12),
    contributor_3_team varchar, contributor_3_bucket varchar, contributor_3_meter varchar,
    contributor_3_impact decimal(38,12));
create table marts.storage_daily (
    usage_date date, bucket varchar, storage_class varchar, gb_month decimal(38,12),
    effective_cost decimal(38,12));
create table marts.prefix_costs (
    usage_date date, bucket varchar, prefix varchar, storage_class varchar, meter_group varchar,
    team varchar, size_bytes bigint, object_count bigint, effective_cost decimal(38,12), is_residual boolean);
create table marts.egress_daily (
    usage_date date, path varchar, transferred_gb decimal(38,12), effective_cost decimal(38,12));
create table marts.hidden_bytes (
    bucket varchar, kind varchar, object_count bigint, size_bytes bigint, cost_usd_month decimal(18,6),
    how_to_fix varchar);
create table marts.savings (
    plan_id varchar, bucket varchar, days_followed bigint, predicted_usd decimal(38,6),
    realised_usd decimal(38,6), reading varchar);
create table marts.checkpoint_waste (
    bucket varchar, run varchar, framework varchar, team varchar, checkpoint_count bigint,
    complete_count bigint, size_bytes bigint, stale_bytes bigint, waste_usd_month decimal(18,6),
    reason varchar);
create table marts.checkpoints (
    checkpoint_id varchar, checkpoint_uri varchar, bucket varchar, run varchar, framework varchar,
    step bigint, epoch bigint, state varchar, state_reason varchar, kind varchar, is_complete boolean,
    is_latest boolean, is_best boolean, best_from varchar, is_protected boolean, protected_because varchar,
    storage_classes varchar, team varchar, object_count bigint, shard_count bigint, shards_expected bigint,
    size_bytes bigint, weights_bytes bigint, optimizer_bytes bigint, cost_usd_month decimal(18,6),
    first_modified_at timestamp, last_modified_at timestamp);
create table marts.checkpoint_objects (
    bucket varchar, object_key varchar, version_id varchar, checkpoint_id varchar, role varchar,
    size_bytes bigint, storage_class varchar, etag varchar, is_marker boolean, is_latest_version boolean,
    last_modified_at timestamp)
"""

# A machine of $100 a day, storage of $2 a day of which $1.90 lies in a known prefix, requests of $1 a day,
# and transfers of $10 a day that cost $50 in the last three days.
ROWS = """
insert into marts.quality_results values
    ('costs_equal_the_bill', 'marts.costs_daily', 'block', true, '0 USD', ''),
    ('costs_have_owners', 'marts.costs_daily', 'warn', false, '30% (Amazon EC2)', ''),
    ('transfers_are_classified', 'marts.egress_daily', 'warn', true, 'skipped: no bill configured', '');
insert into marts.ingested_deliveries values
    ('2026-11-1', 'aws-bill', '2026-11', 'in_force', 'It is the newest.', '', '2026-11-20 04:00');
insert into marts.costs_daily
    select
        date '2026-09-21' + day::integer, code, name, meter, layer, 'Usage', resource, team, 'USD',
        case when meter = 'Out-Bytes' and day >= 57 then 50 else cost end
    from range(60) as days(day)
    cross join (values
        ('AmazonEC2', 'Amazon EC2', 'BoxUsage', 'compute', 'i-1', 'nlp', 100),
        ('AmazonS3', 'Amazon S3', 'TimedStorage', 'storage', 'arn:aws:s3:::train', 'nlp', 2),
        ('AmazonS3', 'Amazon S3', 'Requests', 'operations', 'train', '', 1),
        ('AmazonEC2', 'Amazon EC2', 'Out-Bytes', 'network', 'i-1', 'vision', 10)
    ) as charges(code, name, meter, layer, resource, team, cost);
insert into marts.cost_changes by name
    select
        date '2026-11-19' as usage_date, date '2026-11-12' as compared_date,
        'same_weekday' as comparison, 'Amazon EC2' as service_name, 'Out-Bytes' as meter,
        'vision' as team, 'GB' as usage_unit, 'USD' as currency, effect, amount,
        500 as compared_quantity, 2500 as usage_quantity
    from (values ('volume', 38), ('mix', 2), ('month_length', 0.5), ('tier_reset', -0.5))
        as effects(effect, amount);
insert into marts.cost_anomalies by name
    select
        date '2026-11-19' as usage_date, 'team' as scope, 'vision' as scope_name, 'USD' as currency,
        50 as cost, 10 as expected_cost, 40 as impact, 26.98 as z_score, 'vision' as contributor_1_team,
        'Out-Bytes' as contributor_1_meter, 40 as contributor_1_impact;
insert into marts.storage_daily values
    ('2026-11-18', 'train', 'STANDARD', 1, 2), ('2026-11-19', 'train', 'STANDARD', 2, 2);
insert into marts.prefix_costs
    select
        date '2026-10-21' + day::integer, 'train', prefix, class, kind, 'nlp', size, objects, cost, residual
    from range(30) as days(day)
    cross join (values
        ('runs/nlp/', 'STANDARD', 'storage', 1099511627776, 1234, 1.9, false),
        ('(residual)', 'STANDARD', 'storage', 0, 0, 0.1, true),
        ('(residual)', '', 'requests', 0, 0, 1, true)
    ) as parts(prefix, class, kind, size, objects, cost, residual);
insert into marts.egress_daily values
    ('2026-11-19', 'inter_region_out', 1024, 50), ('2026-11-19', 'nat_hours', 0, 1.08);
insert into marts.hidden_bytes values
    ('train', 'multipart', 4, 1073741824, 1.5, 'Abort them: aws s3api abort-multipart-upload');
insert into marts.checkpoint_waste values
    ('train', 'runs/nlp/chat', 'hf_trainer', 'nlp', 3, 2, 3221225472, 1073741824, 12.5,
     'older than the latest');
insert into marts.checkpoints values
    ('s3://train/runs/nlp/chat/checkpoint-500', 's3://train/runs/nlp/chat/checkpoint-500', 'train',
     'runs/nlp/chat', 'hf_trainer', 500, null, 'complete', '', 'intermediate', true, false, false, 'name',
     false, '', 'STANDARD', 'nlp', 2, 0, 0, 400, 300, 100, 8, '2026-10-01', '2026-10-01 00:05'),
    ('s3://train/runs/nlp/chat/checkpoint-1000', 's3://train/runs/nlp/chat/checkpoint-1000', 'train',
     'runs/nlp/chat', 'hf_trainer', 1000, 2, 'incomplete', 'shard 2 of 2 is missing', 'intermediate', false,
     true, null, 'unknown', true, 'the newest step of its run', 'STANDARD', '', 1, 1, 2, 300, 300, 0, null,
     '2026-10-02', '2026-10-02 00:05');
insert into marts.checkpoint_objects values
    ('train', 'runs/nlp/chat/checkpoint-500/model.safetensors', 'v1',
     's3://train/runs/nlp/chat/checkpoint-500', 'weights', 300, 'STANDARD', 'e1', false, true, '2026-10-01'),
    ('train', 'runs/nlp/chat/checkpoint-500/trainer_state.json', null,
     's3://train/runs/nlp/chat/checkpoint-500', 'metadata', 100, 'STANDARD', 'e2', true, true, '2026-10-01'),
    ('train', 'runs/nlp/chat/checkpoint-1000/model-00001-of-00002.safetensors', null,
     's3://train/runs/nlp/chat/checkpoint-1000', 'weights', 300, 'STANDARD', 'e3', false, true, '2026-10-02')
"""


@pytest.fixture
def hostile() -> str:
    """A name that is markup, SQL and a terminal command at once."""
    return "we[red]ird'; drop table marts.checkpoints; --\x1b[2J"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        for statement in (TABLES + ";" + ROWS).split(";\n"):
            connection.execute(statement)
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(str(path))) as connection:
        yield connection


@pytest.fixture
def snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        yield connection
