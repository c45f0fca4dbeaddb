"""A lake in a bucket, from landing to reading: both kinds of bucket."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipelines import published, raw
from pipelines.domain.configuration import Endpoint
from pipelines.domain.deliveries import Converted, Delivery, Part
from pipelines.domain.snapshots import BuildMeta, CheckResult
from pipelines.domain.uris import parse_uri
from pipelines.publish import publish
from pipelines.stores import Store, open_store
from tests.fakes.gcs import GcsServer

PUBLISHED_AT = datetime(2026, 11, 20, 6, 30)
PASSED = CheckResult("rows_arrived", "raw.deliveries", "block", True, "0", "0", "Lost rows are lost dollars.")
DELIVERY = Delivery(
    source="train",
    kind="s3-inventory",
    table="s3_inventory",
    delivery_id="2026-11-19T01-00Z-abc",
    delivered_at=datetime(2026, 11, 19, 1, 0),
    checksum="abc",
    scope="train",
    parts=(Part("a"), Part("b")),
)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_lake(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1").create_bucket(Bucket="lake")
    return open_store(parse_uri("s3://lake/the team's"), (Endpoint(match="s3://*", endpoint_url=s3_url),))


@pytest.fixture
def gs_lake() -> Iterator[Store]:
    with GcsServer() as gcs:
        gcs.add_bucket("lake")
        endpoints = (Endpoint(match="gs://*", endpoint_url=gcs.url),)
        yield open_store(parse_uri("gs://lake/the team's"), endpoints)


@pytest.fixture(params=["s3", "gs"])
def lake(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_lake")
    return made


def convert(index: int, into: Path) -> Converted:
    rows = pa.Table.from_pylist([{"object_key": f"runs/{index}/a_%;--", "size_bytes": 7 + index}])
    pq.write_table(rows, into / "rows.parquet")
    return Converted((into / "rows.parquet",), (), 1)


def build(lake: Store, scratch: Path) -> Path:
    """Build a warehouse of one table over what has landed."""
    files = [str(lake.fetch(key, scratch / "lake")) for entry in raw.ledger(lake) for key in entry.files]
    with closing(duckdb.connect(str(scratch / "warehouse.duckdb"))) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.checkpoint_objects as from read_parquet(?)", [files])
        connection.execute("create table marts.costs_daily as select 'nlp' as team")
    return scratch / "warehouse.duckdb"


def test_what_lands_in_a_bucket_is_published_there_and_read_through_its_store(
    lake: Store, tmp_path: Path
) -> None:
    landed = raw.land(lake, raw.announce(lake, DELIVERY), convert, tmp_path)
    assert raw.ledger(lake) == [landed]
    snapshot = publish(
        lake,
        warehouse=build(lake, tmp_path),
        results=[PASSED],
        meta=BuildMeta("abcdef0123456789", date(2026, 11, 19), "0.1.0"),
        published_at=PUBLISHED_AT,
    )
    assert published.current(lake) == snapshot

    with closing(published.open_snapshot(lake, snapshot, tmp_path / "reader")) as connection:
        rows = connection.execute("select object_key, size_bytes from marts.checkpoint_objects order by all")
        assert rows.fetchall() == [("runs/0/a_%;--", 7), ("runs/1/a_%;--", 8)]
        assert connection.execute("from marts.costs_daily").fetchall() == [("nlp",)]
        ((view,),) = connection.execute(
            "select sql from duckdb_views() where view_name = 'checkpoint_objects'"
        ).fetchall()
    assert f"{lake.uri.replace(chr(39), chr(39) * 2)}/published/{snapshot.snapshot_id}/marts/" in view
