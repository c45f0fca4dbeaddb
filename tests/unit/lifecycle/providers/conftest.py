"""The clouds that the suite runs on."""

from collections.abc import Iterator

import pytest

from lifecycle.providers import MemoryProvider
from pipelines.demo import DEMO_ENVIRONMENT
from tests.unit.lifecycle.providers.worlds import (
    GcsWorld,
    MemoryWorld,
    S3World,
    World,
    serving_gcs,
    serving_s3,
)


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """What boto3 needs to begin."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in DEMO_ENVIRONMENT.items():
            patch.setenv(name, text)
        yield


@pytest.fixture(scope="module")
def s3(environment: None) -> Iterator[S3World]:
    """S3 that enforces conditions; tests make buckets of their own."""
    del environment
    with serving_s3() as world:
        yield world


@pytest.fixture(scope="module")
def plain_s3(environment: None) -> Iterator[S3World]:
    """moto as it comes: it ignores most conditions."""
    del environment
    with serving_s3(plain=True) as world:
        yield world


@pytest.fixture
def gcs() -> Iterator[GcsWorld]:
    """Cloud Storage."""
    with serving_gcs() as world:
        yield world


@pytest.fixture(params=["memory-s3", "s3", "memory-gs", "gcs"])
def world(request: pytest.FixtureRequest) -> World:
    """Each cloud in turn: what a test asks of it is the same on all."""
    match request.param:
        case "memory-s3":
            return MemoryWorld(MemoryProvider())
        case "memory-gs":
            return MemoryWorld(MemoryProvider(scheme="gs"))
        case name:
            found: S3World | GcsWorld = request.getfixturevalue(name)
            return found
