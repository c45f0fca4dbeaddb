"""The fake and a real client of it."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from google.cloud import storage

from tests.fakes.gcs import GcsServer


@pytest.fixture
def gcs() -> Iterator[GcsServer]:
    """A server with a bucket `b` that keeps nothing of what is deleted."""
    with GcsServer() as server:
        server.add_bucket("b", softDeletePolicy={"retentionDurationSeconds": "0"})
        yield server


@pytest.fixture
def client(gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    """A client that does not pause between tries."""
    at_once = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    monkeypatch.setattr("google.api_core.retry.retry_unary.time", at_once)
    with gcs.client() as opened:
        yield opened


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    return client.bucket("b")
