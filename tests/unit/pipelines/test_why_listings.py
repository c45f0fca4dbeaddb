"""`why` looks into the newest list of the bucket that has landed."""

from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines import steps
from pipelines.report.listing import below, versions_of
from tests.contract import deliveries as made

DAY = date(2026, 11, 18)
KEY = 'runs/it\'s a "50%" #1/x.bin'


@pytest.fixture
def run(tmp_path: Path) -> steps.Run:
    inventory = made.s3_inventory("Parquet")
    inventory.deliver(tmp_path / inventory.name, 1, made.objects("old")).settle()
    inventory.deliver(tmp_path / inventory.name, 2, made.objects(KEY, "runs/y")).settle()
    config = tmp_path / "moraine.yaml"
    config.write_text(
        "lake: 'la[k]e'\nengine: {temp_directory: tmp, threads: 1}\n"
        f"sources: [{inventory.settings(tmp_path / inventory.name)}]\n"
    )
    opened = steps.open_run(config, DAY, datetime(2026, 11, 20, 6))
    steps.ingest(opened, inventory.name)
    return opened


def test_the_newest_list_that_counts_on_the_day_is_read(run: steps.Run) -> None:
    listings = steps.listings(run, DAY, f"s3://train/{KEY}")
    assert [version.object_key for version in versions_of(listings, KEY)] == [KEY]
    assert versions_of(listings, "old") == ()
    summed = below(listings, "runs/")
    assert summed is not None
    assert summed.object_count == 2


@pytest.mark.parametrize("uri", ["s3://other/x", "gs://train/x", "file:x", "http://host/x"])
def test_a_bucket_that_nobody_lists_has_no_list(run: steps.Run, uri: str) -> None:
    assert steps.listings(run, DAY, uri) == ()


def test_a_list_that_came_later_is_not_of_that_day(run: steps.Run) -> None:
    assert steps.listings(run, date(2026, 11, 10), "s3://train/x") == ()
