"""What the lake is told of a plan that was carried out."""

from __future__ import annotations

import json
import logging
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.model import BucketCapability, Versioning
from lifecycle.records.clean_up import _left_behind
from pipelines.clean_ups import read_clean_ups
from pipelines.stores import LocalStore
from tests.unit.lifecycle.conftest import AS_OF, GIB

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.domain.clean_ups import Change
    from tests.unit.lifecycle.conftest import Lab

VERSIONED = "acme-datasets"
NEXT_DAY = date(2026, 11, 21)


def told(lab: Lab) -> dict[tuple[str, str, str], Change]:
    """Return the only record's changes, by class left, class now and path."""
    (clean_up,) = read_clean_ups(LocalStore(lab.home / "lake"))
    return {(one.storage_class, one.target_class, one.path): one for one in clean_up.changes}


def home(lab: Lab, plan: str) -> Path:
    return lab.home / "lake" / "plans" / plan


def test_the_lake_is_told_what_was_done_by_class_and_path(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    found = told(lab)
    assert set(found) == {
        ("STANDARD", "GLACIER_IR", "copy-in-place"),
        ("STANDARD", "", "delete-batch-if-match"),
    }
    archived = found["STANDARD", "GLACIER_IR", "copy-in-place"]
    deleted = found["STANDARD", "", "delete-batch-if-match"]
    assert (archived.object_count, archived.size_bytes) == (2, 3 * GIB)
    assert (deleted.object_count, deleted.size_bytes) == (3, 3 * GIB + 2_000)
    assert (deleted.provider, deleted.bucket, deleted.left_behind) == ("aws", "acme-training", "nothing")
    assert (deleted.began_date, deleted.ended_date) == (NEXT_DAY, NEXT_DAY)
    lines = [line for line in lab.lines(plan) if line.is_change]
    assert AS_OF < NEXT_DAY
    for said in ("saving_usd_month", "tail_usd_month", "one_off_usd"):
        whole = sum((getattr(line, said) for line in lines), Decimal(0))
        assert sum(getattr(one, said) for one in found.values()) == pytest.approx(
            whole, abs=Decimal("0.000003")
        )
    assert archived.one_off_usd > 0


def test_the_record_is_bound_to_its_plan_and_holds_no_key(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    whole = steps.show(lab.run(), plan)
    (clean_up,) = read_clean_ups(LocalStore(lab.home / "lake"))
    assert (clean_up.plan_id, clean_up.policy, clean_up.fingerprint, clean_up.snapshot_id) == (
        plan,
        "stale",
        whole.fingerprint,
        whole.snapshot_id,
    )
    text = (lab.home / "lake" / "clean-ups" / f"{plan}.json").read_text()
    assert "runs/" not in text
    assert "checkpoint-" not in text


def test_what_was_only_begun_or_failed_does_not_count(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    receipts = home(lab, plan) / "receipts" / "chunk-00000.jsonl"
    lines = [json.loads(line) for line in receipts.read_text().splitlines()]
    outcomes = [line for line in lines if line["event"] == "outcome"]
    kept = [line for line in lines if line["action_id"] != outcomes[-1]["action_id"]]
    last = [line for line in lines if line["action_id"] == outcomes[-1]["action_id"]]
    failed = {**outcomes[0], "result": "failed"}
    torn = json.dumps(last[-1])[:-9]
    told_again = [*(line for line in kept if line != outcomes[0]), failed, last[0]]
    receipts.write_text("".join(json.dumps(line) + "\n" for line in told_again) + torn)
    steps.verify(lab.run(), plan)
    assert sum(one.object_count for one in told(lab).values()) == 3


def test_versions_behind_delete_markers_and_what_is_taken_back_are_told_apart(lab: Lab) -> None:
    lab.save(100, 120, bucket=VERSIONED)
    lab.save(500, 10, bucket=VERSIONED)
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    (marked,) = told(lab).values()
    assert (marked.path, marked.left_behind, marked.object_count) == ("delete-marker", "versions", 3)
    assert marked.saving_usd_month == 0
    assert marked.tail_usd_month > 0
    steps.undo(lab.run(), plan, "Ada", "needed again")
    (back,) = told(lab).values()
    assert (back.object_count, back.size_bytes) == (0, 0)
    assert (back.undone_object_count, back.undone_bytes) == (3, 3 * GIB + 2_000)
    assert back.tail_usd_month == 0


def test_a_lake_that_cannot_be_written_fails_no_apply(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.fill()
    plan = lab.approved()
    (lab.home / "lake" / "clean-ups").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert steps.apply(lab.run(), plan).is_clean
    assert f"what {plan} saves will not be known until it is verified" in caplog.text
    (lab.home / "lake" / "clean-ups").unlink()
    steps.verify(lab.run(), plan)
    assert told(lab)


def test_chunks_side_by_side_are_told_of_once_all_are_done(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    (chunk,) = steps.chunks(lab.run(), plan)
    steps.apply_chunk(lab.run(), plan, chunk)
    assert sum(one.object_count for one in told(lab).values()) == 5


def test_a_plan_of_which_nothing_was_done_leaves_no_record(lab: Lab) -> None:
    lab.save(400, 10)
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    steps.verify(lab.run(), plan)
    assert read_clean_ups(LocalStore(lab.home / "lake")) == ()


def bucket(versioning: Versioning = "off", days: int = 0) -> BucketCapability:
    return BucketCapability(
        "b",
        versioning,
        copy_source=True,
        copy_destination=True,
        copy_in_parts=True,
        delete=True,
        soft_delete_days=days,
    )


@pytest.mark.parametrize(
    "path, capability, left",
    [
        ("delete-marker", bucket("on"), ("versions", 0)),
        ("soft-delete", bucket("on", 7), ("versions", 0)),
        ("soft-delete", bucket(days=7), ("window", 7)),
        ("copy-in-place", bucket(days=7), ("window", 7)),
        ("delete-version", bucket("on", 7), ("window", 7)),
        ("tag-and-rule", bucket(days=7), ("nothing", 0)),
        ("abort-upload", bucket(days=7), ("nothing", 0)),
        ("delete-if-match", bucket(), ("nothing", 0)),
        ("delete-if-match", None, ("nothing", 0)),
    ],
)
def test_what_a_path_leaves_behind_depends_on_the_bucket(
    path: str, capability: BucketCapability | None, left: tuple[str, int]
) -> None:
    assert _left_behind(path, capability) == left
