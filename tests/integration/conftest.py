"""Servers that several test files share: each is started once, by whoever asks first."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import boto3
import pytest

from tests.integration.rgw import Rgw, running_rgw, why_not_here
from tests.integration.rgw_nights import Night, make_bucket
from tests.unit.lifecycle.conftest import Lab


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rgw]:
    """Ceph's S3 gateway, empty but for its user. Its tests belong to the xdist group `rgw`."""
    reason = why_not_here()
    if reason:
        pytest.skip(reason)
    with running_rgw(tmp_path_factory.mktemp("rgw")) as running:
        yield running


@pytest.fixture
def rgw_credentials(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process keeps the first credentials it finds, and other tests of it talk to another server.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", rgw.session)


@pytest.fixture
def night(rgw: Rgw, rgw_credentials: None, tmp_path: Path, request: pytest.FixtureRequest) -> Night:
    """A bucket of the test's own; the parameter says of which kind, see `make_bucket`."""
    del rgw_credentials
    bucket = make_bucket(rgw.client, getattr(request, "param", "off"), tmp_path.name)
    lab = Lab(tmp_path, rgw.provider, date(2026, 1, 1), url=rgw.url)
    lab.registered()
    return Night(rgw, bucket, lab)
