"""One night and one clean-up over the embedded company, through the command lines' own steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from lifecycle import steps as lifecycle
from pipelines import steps
from pipelines.demo import DEMO_ENVIRONMENT, Company, make_company, running_endpoint, write_workspace

AS_OF = date(2026, 11, 19)
NOW = datetime(2026, 11, 20, 6, 30)


@dataclass(frozen=True)
class World:
    """A company after its night: where it is and what was made of it."""

    company: Company
    config: Path
    url: str

    @property
    def run(self) -> steps.Run:
        return steps.open_run(self.config, AS_OF, NOW)

    @property
    def lifecycle_run(self) -> lifecycle.Run:
        return lifecycle.open_run(self.config, NOW + timedelta(minutes=5))

    def keys(self, bucket: str) -> dict[str, str]:
        """Return what the bucket holds now: key → storage class."""
        client = boto3.client("s3", endpoint_url=self.url, region_name="us-east-1")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"]: item["StorageClass"] for page in pages for item in page.get("Contents", [])}


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in DEMO_ENVIRONMENT.items():
            patch.setenv(name, text)
        yield patch


@pytest.fixture(scope="module")
def world(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The company with its buckets filled; nothing has been read yet."""
    company = make_company(AS_OF)
    with running_endpoint(company) as endpoint:
        config = write_workspace(tmp_path_factory.mktemp("acme"), endpoint.url, AS_OF)
        environment.setenv("MORAINE_CONFIG", str(config))
        yield World(company, config, endpoint.url)


@pytest.fixture(scope="module")
def night(world: World) -> World:
    """The company after ingest, build, check and publish."""
    run = world.run
    for source in steps.source_names(run):
        steps.ingest(run, source)
    steps.build(run)
    steps.check(run)
    steps.publish(run)
    return world


def ask(world: World, statement: str) -> list[dict[str, Any]]:
    """Return the rows of a query of the published snapshot."""
    with steps.published(world.run) as (_, connection):
        columns, rows = steps.query(connection, statement)
    return [dict(zip(columns, row, strict=True)) for row in rows]
