"""Stores to hold to one contract: a directory, buckets of both kinds, and prefixes of them."""

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.domain.configuration import Endpoint
from pipelines.domain.uris import BucketUri
from pipelines.stores import GcsStore, LocalStore, S3Store, Store, gcs_client, s3_client
from pipelines.stores import gcs as gcs_module
from tests.fakes.gcs import Clock, GcsServer

_bucket_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 endpoint on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")


@pytest.fixture
def s3_store(s3_url: str, credentials: None) -> Callable[[str], Store]:  # noqa: ARG001  (set before the client)
    """Return a function that opens a prefix of a new bucket."""

    def opened(prefix: str) -> Store:
        bucket = f"stores-{next(_bucket_numbers)}"
        boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1").create_bucket(Bucket=bucket)
        endpoints = (Endpoint(match=f"s3://{bucket}", endpoint_url=s3_url),)
        return S3Store(BucketUri("s3", bucket, prefix), s3_client(bucket, endpoints))

    return opened


@pytest.fixture
def gcs() -> Iterator[GcsServer]:
    """A Cloud Storage on this machine."""
    with GcsServer(Clock(datetime.now(UTC))) as server:
        yield server


@pytest.fixture
def gcs_store(gcs: GcsServer) -> Callable[[str], GcsStore]:
    """Return a function that opens a prefix of a new bucket."""

    def opened(prefix: str) -> GcsStore:
        bucket = f"stores-{next(_bucket_numbers)}"
        gcs.add_bucket(bucket)
        endpoints = (Endpoint(match="gs://*", endpoint_url=gcs.url),)
        return GcsStore(BucketUri("gs", bucket, prefix), gcs_client(bucket, endpoints))

    return opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cloud Storage is asked once."""
    monkeypatch.setattr(gcs_module, "PATIENCE_SECONDS", 0.0)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cloud Storage is asked again at once."""
    at_once = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    monkeypatch.setattr("google.api_core.retry.retry_unary.time", at_once)


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> Store:
    """Each kind of bucket, empty."""
    made: Store = request.getfixturevalue(f"{request.param}_store")("lake")
    return made


@pytest.fixture(params=["directory", "s3", "s3 prefix", "gcs", "gcs prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty."""
    if request.param == "directory":
        return LocalStore(tmp_path / "store")
    kind, _, is_prefix = request.param.partition(" ")
    made: Store = request.getfixturevalue(f"{kind}_store")("deep/in side" if is_prefix else "")
    return made
