"""A published snapshot becomes the facts of a decision, and nothing is fetched per object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from lifecycle.facts.checkpoints import read_runs
from lifecycle.facts.places import read_places
from lifecycle.facts.snapshot import read_surroundings
from lifecycle.model import Artifact, Surroundings
from lifecycle.policy import Match
from pipelines.errors import Terminal

if TYPE_CHECKING:
    from pipelines.domain.snapshots import Snapshot
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3
Change = Callable[[duckdb.DuckDBPyConnection], object]


@contextmanager
def snapshot_of(lab: Lab, *statements: str) -> Iterator[Callable[..., Found]]:
    snapshot = lab.publish()
    path = str(lab.home / "lake" / snapshot.warehouse)
    with duckdb.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    with duckdb.connect(path, read_only=True) as connection:
        yield lambda *buckets: found_in(connection, snapshot, buckets)


@dataclass(frozen=True)
class Found:
    """All that a plan would read."""

    around: Surroundings
    runs: tuple[tuple[Artifact, ...], ...]
    places: list[str]


def found_in(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, buckets: Sequence[str], prefix: str = "runs/"
) -> Found:
    match = Match(buckets=tuple(f"s3://{bucket}" for bucket in buckets), prefixes=(prefix,))
    return Found(
        read_surroundings(connection, snapshot),
        tuple(read_runs(connection, snapshot, match)),
        read_places(connection, match),
    )


def by_step(found: Found) -> dict[int | None, Artifact]:
    return {artifact.step: artifact for run in found.runs for artifact in run}


def test_what_a_checkpoint_holds_is_counted_by_class(lab: Lab) -> None:
    lab.save(100, 60)
    with snapshot_of(lab) as read:
        facts = read()
    (share,) = by_step(facts)[100].classes
    assert (share.storage_class, share.object_count, share.size_bytes) == ("STANDARD", 3, 3 * GIB + 2_000)
    assert (share.movable_count, share.movable_bytes, share.largest_bytes) == (2, 3 * GIB, 2 * GIB)
    assert facts.around.as_of == lab.as_of


def test_only_the_policys_buckets_are_read(lab: Lab) -> None:
    lab.save(100, 60)
    lab.save(200, 60, bucket="acme-datasets")
    with snapshot_of(lab) as read:
        assert set(by_step(read("acme-training"))) == {100}
        assert set(by_step(read())) == {100, 200}


def test_prices_are_those_in_force_on_the_day_and_of_the_first_tier(lab: Lab) -> None:
    lab.save(100, 60)
    with snapshot_of(lab) as read:
        prices = read().around.prices["s3"]
    assert prices.prices["STANDARD"].usd_gib_month == Decimal("0.02")
    assert prices.prices["GLACIER_IR"].minimum_days == 90
    assert prices.prices["STANDARD_IA"].usd_gib_retrieved == Decimal("0.01")


def test_a_bucket_is_as_large_as_its_inventory_says_or_else_its_checkpoints(lab: Lab) -> None:
    lab.save(100, 60)
    lab.save(100, 60, bucket="acme-datasets")
    billed = """
        insert into marts.prefix_costs values
            ('2026-11-20', 'acme-training', 'storage', false, 100000000000, 'aws'),
            ('2026-11-20', 'acme-training', 'storage', false, 5, 'aws'),
            ('2026-11-19', 'acme-training', 'storage', false, 9, 'aws'),
            ('2026-11-20', 'acme-training', 'requests', false, 7, 'aws'),
            ('2026-11-20', 'acme-training', 'storage', true, 7, 'aws')
    """
    with snapshot_of(lab, billed) as read:
        assert read().around.bucket_bytes == {
            "s3://acme-training": 100000000005,
            "s3://acme-datasets": 3 * GIB + 2_000,
        }


def test_pins_among_the_objects_are_found(lab: Lab) -> None:
    lab.save(100, 60, files={"model.bin": GIB, "PINNED": 0, "UNPINNED": 1})
    with snapshot_of(lab) as read:
        assert by_step(read())[100].pins == ("runs/chat/checkpoint-100/PINNED",)


def test_old_versions_are_not_counted(lab: Lab) -> None:
    lab.save(100, 60)
    old = """
        insert into marts.checkpoint_objects
        select * replace (false as is_latest_version, 'x' as etag) from marts.checkpoint_objects
    """
    with snapshot_of(lab, old) as read:
        assert by_step(read())[100].classes[0].object_count == 3
        assert not by_step(read())[100].doubt


@pytest.mark.parametrize(
    "statement, words",
    [
        ("delete from marts.checkpoint_objects", "none of its objects"),
        ("delete from marts.checkpoint_objects where is_marker", "2 of 3"),
        ("update marts.checkpoints set size_bytes = size_bytes + 1", "do not add up"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_doubtful(lab: Lab, statement: str, words: str) -> None:
    lab.save(100, 60)
    with snapshot_of(lab, statement) as read:
        assert words in by_step(read())[100].doubt


def test_a_failed_gate_speaks_for_its_bucket_or_for_all(lab: Lab) -> None:
    lab.save(100, 60)
    lab.failed_gates += [("fresh", "acme-training", "old"), ("closes", "aws", "off"), ("whole", "", "gap")]
    with snapshot_of(lab) as read:
        found = {gate.check_id: gate.bucket for gate in read().around.failed_gates}
    assert found == {"fresh": "acme-training", "closes": "", "whole": ""}


def test_a_bucket_that_is_left_out_speaks_for_itself_and_a_warning_for_nobody(lab: Lab) -> None:
    lab.save(100, 60)
    lab.exclusions += [("fresh", "acme-training", "old"), ("bytes", "acme-logs", "off")]
    warned = "insert into marts.quality_results values ('owners', 'warn', false, '', '', '', '', false)"
    with snapshot_of(lab, warned) as read:
        found = {gate.check_id: (gate.bucket, gate.reason) for gate in read().around.failed_gates}
    assert found == {
        "fresh": ("acme-training", "72 h, expected at most 48h. old"),
        # No checkpoint lies in it, and yet it is one bucket and not all of them.
        "bytes": ("acme-logs", "72 h, expected at most 48h. off"),
    }


def test_a_snapshot_without_a_needed_table_says_what_to_do(lab: Lab) -> None:
    lab.save(100, 60)
    with (
        snapshot_of(lab, "drop table reference.prices") as read,
        pytest.raises(Terminal, match="prices") as caught,
    ):
        read()
    assert "moraine run" in caught.value.fix


def test_checkpoints_come_run_by_run_and_by_step(lab: Lab) -> None:
    for run in ("runs/b", "runs/a"):
        for step in (300, 100, 200):
            lab.save(step, 60, run=run)
    with snapshot_of(lab) as read:
        assert [[(a.run, a.step) for a in run] for run in read().runs] == [
            [("runs/a", 100), ("runs/a", 200), ("runs/a", 300)],
            [("runs/b", 100), ("runs/b", 200), ("runs/b", 300)],
        ]


def test_buckets_that_hold_nothing_below_a_policys_prefixes_are_not_measured(lab: Lab) -> None:
    lab.save(100, 60)
    lab.save(100, 60, run="other/x", bucket="acme-datasets")
    with snapshot_of(lab) as read:
        assert read().places == ["s3://acme-training"]


def test_checkpoints_on_cloud_storage_are_read_with_their_own_prices(lab: Lab) -> None:
    lab.save(100, 60)
    google = """
        update marts.checkpoints set
            checkpoint_uri = 'gs://' || bucket || '/runs/chat/checkpoint-100';
        insert into reference.prices
            (provider, storage_class, meter, usd, from_gb, valid_from, valid_until, region_id)
        values
            ('gcp', 'STANDARD', 'storage', 0.02, 0, '2026-01-01', '9999-12-31', 'us-central1'),
            ('gcp', 'ARCHIVE', 'storage', 0.0012, 0, '2026-01-01', '9999-12-31', 'us-central1')
    """
    with snapshot_of(lab, google) as read:
        found = read()
        assert not found.runs or all(a.scheme == "gs" for run in found.runs for a in run)
        assert found.around.prices["gs"].prices["ARCHIVE"].usd_gib_month == Decimal("0.0012")
        assert set(found.around.prices["s3"].prices) == {"STANDARD", "STANDARD_IA", "GLACIER_IR"}
        assert set(found.around.bucket_bytes) == {"gs://acme-training"}


def test_what_a_cold_class_bills_beside_each_object_is_known(lab: Lab) -> None:
    lab.save(100, 60)
    cold = """
        insert into reference.prices (provider, storage_class, meter, usd, from_gb, valid_from, valid_until)
        values ('aws', 'DEEP_ARCHIVE', 'storage', 0.001, 0, '2026-01-01', '9999-12-31');
        insert into reference.storage_classes values ('aws', 'DEEP_ARCHIVE', 180, 32768, 8192)
    """
    with snapshot_of(lab, cold) as read:
        price = read().around.prices["s3"].prices["DEEP_ARCHIVE"]
    assert price.usd_per_object_month == (
        Decimal(32768) * Decimal("0.001") + Decimal(8192) * Decimal("0.02")
    ) / Decimal(GIB)
