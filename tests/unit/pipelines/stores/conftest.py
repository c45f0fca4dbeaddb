"""Stores to hold to one contract: a directory, a bucket, and a prefix of a bucket."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.domain.configuration import Endpoint
from pipelines.domain.uris import BucketUri
from pipelines.stores import LocalStore, S3Store, Store, s3_client

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


@pytest.fixture(params=["directory", "bucket", "prefix of a bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty."""
    if request.param == "directory":
        return LocalStore(tmp_path / "store")
    prefix = "deep/in side" if request.param == "prefix of a bucket" else ""
    made: Store = request.getfixturevalue("s3_store")(prefix)
    return made
