"""A tiny built warehouse, and a lake with some of them published."""

import json
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.publish import publish
from pipelines.stores import Store

PUBLISHED_AT = datetime(2026, 11, 20, 6, 30)
DAY = date(2026, 11, 19)
BUILD_ID = "abcdef0123456789"
PASSED = CheckResult("rows_arrived", "raw.deliveries", "block", True, "0", "0", "Lost rows are lost dollars.")


def make_build(path: Path, cost: str = "12.345678901234", *, rows: int = 1) -> Path:
    """Write a built warehouse; `cost` is the number to tell it by, in every row of the marts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(duckdb.connect(config={"threads": 1})) as connection:
        connection.execute(f"attach '{path}' as build (storage_version 'v1.4.0')")
        connection.execute("use build")
        for schema in ("raw", "reference", "staging", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table raw.s3_inventory as select range as row from range(10)")
        connection.execute("create table reference.layouts as select 'lightning' as framework")
        connection.execute(
            f"create table marts.costs_daily as select date '2026-11-19' as usage_date, "
            f"'o''brien' as team, {cost}::decimal(38,12) as effective_cost from range({rows})"
        )
        connection.execute("comment on table marts.costs_daily is 'One row per day: what it''s about.'")
        connection.execute("comment on column marts.costs_daily.team is 'Whose it is.'")
        connection.execute(
            "create table marts.checkpoint_objects as "
            f"select 'runs/a_%;--' as object_key, 7::bigint as size_bytes, {cost}::decimal(38,12) as cost "
            f"from range({rows})"
        )
        connection.execute("comment on table marts.checkpoint_objects is 'One row per object.'")
        connection.execute("comment on column marts.checkpoint_objects.size_bytes is 'Bytes.'")
    return path


def publish_build(
    lake: Store,
    build: Path,
    build_id: str = BUILD_ID,
    *,
    day: date = DAY,
    published_at: datetime = PUBLISHED_AT,
) -> Snapshot:
    """Publish a build whose checks passed."""
    meta = BuildMeta(build_id, day, "0.1.0")
    return publish(lake, warehouse=build, results=[PASSED], meta=meta, published_at=published_at)


def put_snapshot(
    lake: Store, day: date, name: str = "a", *, published_at: datetime | None = None
) -> Snapshot:
    """Store a whole snapshot whose warehouse nobody opens."""
    at = published_at or datetime(day.year, day.month, day.day, 23)
    snapshot_id = f"{day}-{name * 12}"
    snapshot = Snapshot(snapshot_id, day, at, f"published/{snapshot_id}/warehouse.duckdb", "0.1.0")
    lake.write(snapshot.warehouse, b"a warehouse")
    lake.write(f"published/{snapshot_id}/marts/costs_daily.parquet", b"rows")
    contents = {**snapshot.to_json(), "tables": {"costs_daily": 1}}
    lake.write(f"published/{snapshot_id}/snapshot.json", json.dumps(contents).encode())
    return snapshot
