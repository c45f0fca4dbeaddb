"""The company's clean-up: what may go goes, what somebody needs stays, and the bucket says so."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle import steps
from lifecycle.plan.directory import PlanDirectory
from pipelines.errors import Refused
from tests.e2e.conftest import World

pytestmark = pytest.mark.xdist_group("the-company")
BUCKET = "acme-training"


@dataclass(frozen=True)
class CleanedUp:
    """The world after its plan was applied, and what was before."""

    world: World
    plan: str
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def planned(night: World) -> str:
    run = night.lifecycle_run
    (policy,) = steps.policies(run)
    return steps.plan(run, Path(policy)).path


@pytest.fixture(scope="module")
def cleaned_up(night: World, planned: str) -> CleanedUp:
    run = night.lifecycle_run
    before = night.keys(BUCKET)
    steps.approve(run, planned, "ada", "agreed")
    report = steps.apply(run, planned)
    assert report.is_clean
    assert report.is_finished
    return CleanedUp(night, planned, before, night.keys(BUCKET))


def test_a_plan_without_approval_changes_nothing(night: World, planned: str) -> None:
    before = night.keys(BUCKET)
    with pytest.raises(Refused, match="approv"):
        steps.apply(night.lifecycle_run, planned)
    assert night.keys(BUCKET) == before


def test_what_somebody_needs_is_untouched(cleaned_up: CleanedUp) -> None:
    expected = cleaned_up.world.company.expectations
    needed = [expected.served, *expected.best, *expected.latest, expected.interrupted, expected.active_run]
    prefix = f"s3://{BUCKET}/"
    for uri in needed:
        folder = uri.removeprefix(prefix)
        keys = {key for key in cleaned_up.before if key == folder or key.startswith(folder + "/")}
        assert keys, uri
        assert all(cleaned_up.after.get(key) == cleaned_up.before[key] for key in keys), uri


def test_what_only_looks_like_a_checkpoint_is_untouched(cleaned_up: CleanedUp) -> None:
    keys = {uri.removeprefix(f"s3://{BUCKET}/") for uri in cleaned_up.world.company.expectations.lookalikes}
    assert all(cleaned_up.after.get(key) == cleaned_up.before.get(key) for key in keys)


def test_stale_checkpoints_are_gone_or_archived(cleaned_up: CleanedUp) -> None:
    """Small objects of an archived checkpoint may stay: moving them would cost more than it saves."""
    prefix = f"s3://{BUCKET}/"
    for uri in cleaned_up.world.company.expectations.stale:
        folder = uri.removeprefix(prefix)
        left = {key for key in cleaned_up.after if key == folder or key.startswith(folder + "/")}
        large = [
            item
            for item in cleaned_up.world.company.objects
            if item.bucket == BUCKET and item.key in left and item.size_bytes >= 128 * 1024
        ]
        assert all(cleaned_up.after[item.key] == "GLACIER_IR" for item in large), uri


def test_verify_lists_the_bucket_and_agrees(cleaned_up: CleanedUp) -> None:
    verification = steps.verify(cleaned_up.world.lifecycle_run, cleaned_up.plan)
    assert verification.is_clean
    assert min(verification.checked[what] for what in ("archived", "deleted", "kept")) > 0


def test_a_used_plan_is_refused(cleaned_up: CleanedUp) -> None:
    with pytest.raises(Refused):
        steps.apply(cleaned_up.world.lifecycle_run, cleaned_up.plan)


def test_the_plan_says_of_every_checkpoint_why(cleaned_up: CleanedUp) -> None:
    plan = steps.show(cleaned_up.world.lifecycle_run, cleaned_up.plan)
    directory = PlanDirectory(cleaned_up.world.lifecycle_run.settings.plan_path(cleaned_up.plan))
    assert all(line.reason for line in directory.lines())
    served = steps.why(
        cleaned_up.world.lifecycle_run, cleaned_up.plan, cleaned_up.world.company.expectations.served
    )
    assert served.decision == "keep"
    assert "models:/" in served.reason
    assert dataclasses.asdict(plan.totals)["delete"]["checkpoints"] > 0
