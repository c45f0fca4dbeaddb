"""A published snapshot becomes the facts of a decision, and nothing is fetched per object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from lifecycle.facts import read_facts
from lifecycle.model import Artifact, Facts
from pipelines.errors import Terminal

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3
Change = Callable[[duckdb.DuckDBPyConnection], object]


@contextmanager
def snapshot_of(lab: Lab, *statements: str) -> Iterator[Callable[..., Facts]]:
    snapshot = lab.publish()
    path = str(lab.home / "lake" / snapshot.warehouse)
    with duckdb.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    with duckdb.connect(path, read_only=True) as connection:
        yield lambda *buckets: read_facts(connection, snapshot, frozenset(buckets))


def by_step(facts: Facts) -> dict[int | None, Artifact]:
    return {artifact.step: artifact for artifact in facts.artifacts}


def test_what_a_checkpoint_holds_is_counted_by_class(lab: Lab) -> None:
    lab.save(100, 60)
    with snapshot_of(lab) as read:
        facts = read()
    (share,) = by_step(facts)[100].classes
    assert (share.storage_class, share.object_count, share.size_bytes) == ("STANDARD", 3, 3 * GIB + 2_000)
    assert (share.movable_count, share.movable_bytes, share.largest_bytes) == (2, 3 * GIB, 2 * GIB)
    assert facts.as_of == lab.as_of


def test_only_the_policys_buckets_are_read(lab: Lab) -> None:
    lab.save(100, 60)
    lab.save(200, 60, bucket="acme-datasets")
    with snapshot_of(lab) as read:
        assert set(by_step(read("acme-training"))) == {100}
        assert set(by_step(read())) == {100, 200}


def test_prices_are_those_in_force_on_the_day_and_of_the_first_tier(lab: Lab) -> None:
    lab.save(100, 60)
    with snapshot_of(lab) as read:
        prices = read().prices
    assert prices.prices["STANDARD"].usd_gib_month == Decimal("0.02")
    assert prices.prices["GLACIER_IR"].minimum_days == 90
    assert prices.prices["STANDARD_IA"].usd_gib_retrieved == Decimal("0.01")


def test_a_bucket_is_as_large_as_its_inventory_says_or_else_its_checkpoints(lab: Lab) -> None:
    lab.save(100, 60)
    lab.save(100, 60, bucket="acme-datasets")
    billed = """
        insert into marts.prefix_costs values
            ('2026-11-20', 'acme-training', 'storage', false, 100000000000),
            ('2026-11-20', 'acme-training', 'storage', false, 5),
            ('2026-11-19', 'acme-training', 'storage', false, 9),
            ('2026-11-20', 'acme-training', 'requests', false, 7),
            ('2026-11-20', 'acme-training', 'storage', true, 7)
    """
    with snapshot_of(lab, billed) as read:
        assert read().bucket_bytes == {"acme-training": 100000000005, "acme-datasets": 3 * GIB + 2_000}


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
        found = {gate.check_id: gate.bucket for gate in read().failed_gates}
    assert found == {"fresh": "acme-training", "closes": "", "whole": ""}


def test_a_bucket_that_is_left_out_speaks_for_itself_and_a_warning_for_nobody(lab: Lab) -> None:
    lab.save(100, 60)
    lab.exclusions += [("fresh", "acme-training", "old"), ("bytes", "acme-logs", "off")]
    warned = "insert into marts.quality_results values ('owners', 'warn', false, '', '', '', '', false)"
    with snapshot_of(lab, warned) as read:
        found = {gate.check_id: (gate.bucket, gate.reason) for gate in read().failed_gates}
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
