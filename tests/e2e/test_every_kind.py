"""The policies that come along, each carried out over the company's own buckets."""

from pathlib import Path

import pytest

from lifecycle import steps
from tests.e2e.conftest import World

pytestmark = pytest.mark.xdist_group("the-company")
POLICIES = Path(__file__).parents[2] / "lifecycle" / "policies"


def made(night: World, home: Path, name: str, **words: str) -> steps.PlanReport:
    """Plan with an example, its buckets and some of its words replaced."""
    text = (POLICIES / f"{name}.yaml").read_text()
    for old, new in {"s3://train": "s3://acme-datasets", **words}.items():
        assert old in text
        text = text.replace(old, new)
    policy = home / f"{name}.yaml"
    policy.write_text(text)
    return steps.plan(night.lifecycle_run, policy)


def carried_out(night: World, plan: str) -> steps.ApplyReport:
    """Approve and apply a plan, and see that the buckets are as planned."""
    steps.approve(night.lifecycle_run, plan, "ada", "agreed")
    report = steps.apply(night.lifecycle_run, plan)
    assert report.is_finished
    assert steps.verify(night.lifecycle_run, plan).is_clean
    return report


def test_the_newest_noncurrent_versions_stay(night: World, tmp_path: Path) -> None:
    plan = made(night, tmp_path, "old-versions")
    assert not plan.has_changes
    assert plan.totals.keep.objects == 30


def test_old_versions_go_and_nothing_current(night: World, tmp_path: Path) -> None:
    before = night.keys("acme-datasets")
    plan = made(night, tmp_path, "old-versions", **{"versions: 1": "versions: 0"})
    assert (plan.totals.delete.objects, plan.totals.keep.objects) == (6, 24)  # 24 are younger than 30 days
    assert carried_out(night, plan.path).is_clean
    assert night.keys("acme-datasets") == before


def test_uploads_that_nobody_completed_are_ended(night: World, tmp_path: Path) -> None:
    plan = made(night, tmp_path, "open-uploads", **{"s3://acme-datasets": "s3://acme-training"})
    assert plan.totals.delete.objects == 3
    assert carried_out(night, plan.path).is_clean


def test_there_is_no_marker_to_expire(night: World, tmp_path: Path) -> None:
    assert not made(night, tmp_path, "expired-markers").has_changes


def test_datasets_of_a_bucket_that_is_read_stay(night: World, tmp_path: Path) -> None:
    plan = made(night, tmp_path, "unread-datasets", **{'["datasets/"]': '["vision/", "nlp/", "speech/"]'})
    assert not plan.has_changes
    (kept,) = steps.show(night.lifecycle_run, plan.path).kept
    assert "somebody read from its bucket" in kept.reason


def test_datasets_of_a_bucket_with_versions_stay_as_a_copy_would_cost(night: World, tmp_path: Path) -> None:
    words = {'["datasets/"]': '["vision/"]', ", since: last-read": "", "90d": "30d"}
    plan = made(night, tmp_path, "unread-datasets", **words)
    assert not plan.has_changes
    (kept,) = steps.show(night.lifecycle_run, plan.path).kept
    assert "the bucket keeps versions" in kept.reason
