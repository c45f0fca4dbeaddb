"""Makes up a published snapshot: runs of a hundred checkpoints, their objects in Parquet behind the view.

python -m tests.bench.snapshots DIRECTORY CHECKPOINTS OBJECTS MEMORY THREADS
"""

import json
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

AS_OF = date(2026, 11, 20)
NOW = datetime.fromisoformat("2026-11-21T06:00:00")
BUCKET = "acme-training"
CHECKPOINTS_PER_RUN = 100
POLICY = """
name: bench
match: {kind: checkpoint, buckets: ["s3://acme-training"], prefixes: ["runs/"]}
keep: {latest: 2, best: 1, best_unknown: accept, min_complete_per_run: 2}
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 180d, irreversible: true}
limits: {objects: 1000000000, bytes: 1000000TiB, usd_month: 1000000000, share_of_bucket: 1, runs: 10000000}
"""
_CHECKPOINTS = """
    create table marts.checkpoints as
    with

    numbered as (

        select range as number, range // {per_run} as run_number, range % {per_run} as place_in_run
        from range({checkpoints})

    ),

    named as (

        select *, format('runs/team-{{:02d}}/job-{{:06d}}', run_number % 20, run_number) as run from numbered

    )

    select
        's3://{bucket}/' || run || '/checkpoint-' || (place_in_run + 1) * 500 as checkpoint_id,
        checkpoint_id as checkpoint_uri, 'aws' as provider, '{bucket}' as bucket, run,
        'hf_trainer' as framework, (place_in_run + 1) * 500 as step, null::bigint as epoch,
        'complete' as state, '' as state_reason, 'intermediate' as kind,
        place_in_run = {per_run} - 1 as is_latest, place_in_run % 37 = 5 as is_best,
        place_in_run % 50 = 7 as is_protected,
        if(place_in_run % 50 = 7, 'registered as models:/m/1', '') as protected_because,
        {objects} as object_count,
        ({objects} * 5000000)::bigint as size_bytes,
        timestamp '2026-11-20 12:00:00'
            - to_days((1 + (run_number * 7) % 400 + ({per_run} - place_in_run) // 10)::integer)
            as last_modified_at,
        ({objects} * 0.000107)::decimal(18, 6) as cost_usd_month,
        number
    from named
"""
_OBJECTS = """
    copy (
        with

        parts as (select range as part from range({objects}))

        select
            'aws' as provider, checkpoints.bucket,
            checkpoints.run || '/checkpoint-' || checkpoints.step || '/' || case
                when part = 0 then 'trainer_state.json'
                else format('model-{{:05d}}-of-{{:05d}}.safetensors', part, {objects})
            end as object_key,
            null::varchar as version_id, checkpoints.checkpoint_id, checkpoints.framework, checkpoints.run,
            'weights' as role, 'STANDARD' as storage_class,
            md5((checkpoints.number * {objects} + part)::varchar) as etag,
            checkpoints.step, 5000000::bigint as size_bytes, part = 0 as is_marker,
            true as is_latest_version, checkpoints.last_modified_at
        from marts.checkpoints as checkpoints cross join parts
        where checkpoints.number between {first} and {last}
    ) to '{path}' (format parquet, compression zstd, compression_level 1)
"""
_OTHERS = """
    create table marts.prefix_costs (
        usage_date date, provider varchar, bucket varchar, meter_group varchar, is_residual boolean,
        size_bytes bigint
    );
    create table marts.quality_results (
        check_id varchar, level varchar, passed boolean, observed varchar, expected varchar, reason varchar,
        scope varchar, excludes boolean
    );
    create table reference.prices (
        provider varchar, region_id varchar, storage_class varchar, meter varchar, usd decimal(38, 12),
        from_gb bigint, valid_from date, valid_until date, confirmed boolean
    );
    insert into reference.prices values
        ('aws', 'us-east-1', 'STANDARD', 'storage', 0.023, 0, '2024-07-01', '9999-12-31', true),
        ('aws', 'us-east-1', 'GLACIER_IR', 'storage', 0.004, 0, '2024-07-01', '9999-12-31', true),
        ('aws', 'us-east-1', 'GLACIER_IR', 'put', 0.00002, 0, '2024-07-01', '9999-12-31', true);
    create table reference.storage_classes (
        provider varchar, storage_class varchar, minimum_days bigint, overhead_bytes bigint,
        overhead_standard_bytes bigint
    );
    insert into reference.storage_classes values ('aws', 'GLACIER_IR', 90, 0, 0);
"""
_SOURCES = "[{name: train, kind: bucket-listing, uri: 's3://acme-training'}]"
_CHECKPOINTS_PER_FILE = 50_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is, and what planning may take."""

    checkpoints: int
    objects: int
    """Of each checkpoint."""
    memory: str
    threads: str


def publish(home: Path, sizes: Sizes) -> None:
    """Write a snapshot of so many checkpoints, and the settings and the policy beside it."""
    snapshot = home / "lake" / "published" / "one"
    (snapshot / "marts" / "checkpoint_objects").mkdir(parents=True)
    words = {
        "checkpoints": sizes.checkpoints,
        "objects": sizes.objects,
        "per_run": CHECKPOINTS_PER_RUN,
        "bucket": BUCKET,
    }
    with closing(duckdb.connect(str(snapshot / "warehouse.duckdb"))) as connection:
        connection.execute("set memory_limit = '2GB'; create schema marts; create schema reference")
        connection.execute(_CHECKPOINTS.format(**words))
        connection.execute(_OTHERS)
        for first in range(0, sizes.checkpoints, _CHECKPOINTS_PER_FILE):
            path = snapshot / "marts" / "checkpoint_objects" / f"{first:09d}.parquet"
            connection.execute(
                _OBJECTS.format(**words, first=first, last=first + _CHECKPOINTS_PER_FILE - 1, path=path)
            )
        listed = f"{snapshot}/marts/checkpoint_objects/*.parquet"
        connection.execute(f"create view marts.checkpoint_objects as select * from read_parquet('{listed}')")
    _write_texts(home, sizes)


def _write_texts(home: Path, sizes: Sizes) -> None:
    pointer = {
        "snapshot_id": "one",
        "as_of": AS_OF.isoformat(),
        "published_at": NOW.isoformat(),
        "warehouse": "published/one/warehouse.duckdb",
        "code_version": "0",
    }
    for name in ("published/current.json", "published/one/snapshot.json"):
        (home / "lake" / name).write_text(json.dumps(pointer))
    engine = f"{{memory_limit: {sizes.memory}, threads: {sizes.threads}, temp_directory: tmp}}"
    (home / "moraine.yaml").write_text(f"lake: lake\nengine: {engine}\nsources: {_SOURCES}\n")
    (home / "policy.yaml").write_text(POLICY)


if __name__ == "__main__":
    publish(Path(sys.argv[1]), Sizes(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:6]))
