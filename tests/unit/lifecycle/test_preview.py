"""A policy is tried on published facts, today's and a past night's; nothing comes of it but numbers."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.errors import PlanRefused
from lifecycle.providers import MemoryProvider
from lifecycle.providers.memory import MemoryBucket
from pipelines.errors import NotFound, Transient

from .conftest import AS_OF, POLICY, Lab

if TYPE_CHECKING:
    from lifecycle.plan.preview import Preview


def tried(lab: Lab, text: str = POLICY, as_of: date | None = None) -> Preview:
    return steps.try_policy(lab.run(), steps.read_policy(lab.policy(text)), as_of)


def files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def two_nights(lab: Lab) -> None:
    """Publish a night in which one checkpoint was due, and the next, in which another one is, too."""
    lab.save(100, 120)
    lab.save(200, 89.5)
    lab.save(400, 10)
    lab.publish("first")
    lab.as_of = AS_OF + timedelta(days=1)
    lab.publish("second")


def test_it_says_what_a_plan_would_say(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    found = tried(lab)
    made = lab.plan()
    plan = steps.show(lab.run(), made.id)
    assert (found.snapshot_id, found.totals, found.kept) == (plan.snapshot_id, plan.totals, plan.kept)
    (run,) = found.runs
    assert (run.place, run.run, run.checkpoints, run.objects) == ("s3://acme-training", "runs/chat", 2, 5)
    assert {limit.name.partition(" ")[0] for limit in found.limits} == {
        *("objects", "bytes", "usd_month", "runs", "share_of_bucket")
    }
    assert not any(limit.is_passed for limit in found.limits)


def test_nothing_is_written_to_a_bucket_the_lake_or_the_plans(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    policy, run = steps.read_policy(lab.policy()), lab.run()
    before, held = files(lab.home), lab.classes()
    steps.try_policy(run, policy)
    assert files(lab.home) == before
    assert lab.classes() == held
    assert isinstance(lab.provider, MemoryProvider)
    assert lab.provider.changes == []


def test_a_limit_that_is_passed_is_shown_and_no_error(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    found = tried(lab, POLICY.replace("objects: 1000", "objects: 1"))
    passed = {limit.name: (int(limit.figure), int(limit.limit)) for limit in found.limits if limit.is_passed}
    assert passed == {"objects": (5, 1)}


def test_facts_that_are_too_old_are_told_and_no_error(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    policy = steps.read_policy(lab.policy())
    found = steps.try_policy(lab.run(now=lab.now + timedelta(days=9)), policy)
    assert any("facts are too old" in note for note in found.notes)


def test_what_is_not_measured_is_assumed_and_said(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    lax = MemoryProvider(enforced=())
    lax.buckets = {"acme-training": MemoryBucket()}
    found = steps.try_policy(lab.run(clouds={"s3": lax}), steps.read_policy(lab.policy()))
    assert found.totals.delete.objects == 3
    assert "assuming that s3://acme-training enforces conditions: a plan measures it" in found.notes


def test_a_bucket_that_keeps_versions_is_asked_for_that(lab: Lab) -> None:
    lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    lab.publish()
    found = tried(lab)
    assert (found.totals.delete.objects, found.totals.objects_for_good) == (3, 0)


def test_a_bucket_that_cannot_be_asked_is_assumed_to_keep_no_versions(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise Transient("it does not answer", where="s3://acme-datasets", fix="Wait.")

    lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    lab.publish()
    monkeypatch.setattr(MemoryProvider, "settings", break_off)
    found = tried(lab)
    assert found.totals.objects_for_good == 3
    assert any("keeps no versions: it could not be asked" in note for note in found.notes)


def test_the_biggest_runs_come_first_and_ten_of_them(lab: Lab) -> None:
    for number in range(12):
        run = f"runs/{number:02d}"
        lab.save(100, 120, run=run, files={"model.safetensors": (number + 1) * 2**20})
        lab.save(400, 10, run=run)
    lab.publish()
    assert [run.run for run in tried(lab).runs] == [f"runs/{number:02d}" for number in range(11, 1, -1)]


def test_a_policy_is_tried_on_a_past_night(lab: Lab) -> None:
    two_nights(lab)
    assert tried(lab, as_of=AS_OF).totals.delete.checkpoints == 1
    assert tried(lab).totals.delete.checkpoints == 2
    assert tried(lab, as_of=AS_OF + timedelta(days=1)).snapshot_id == tried(lab).snapshot_id


def test_a_night_that_was_not_published_is_not_found(lab: Lab) -> None:
    lab.publish()
    with pytest.raises(NotFound, match="2026-01-01"):
        tried(lab, as_of=date(2026, 1, 1))


def test_a_plan_of_a_past_night_says_that_it_cannot_be_applied_and_is_refused(lab: Lab) -> None:
    two_nights(lab)
    made = steps.plan(lab.run(), lab.policy(), as_of=AS_OF)
    assert made.is_trial
    assert made.snapshot_id == f"{AS_OF}-first"
    assert made.totals.delete.checkpoints == 1
    assert f"this is a trial on {AS_OF}: it cannot be applied" in steps.show(lab.run(), made.id).warnings
    assert not (lab.home / "lake" / "plans" / f"{made.id}.json").exists(), "it holds no snapshot back"
    steps.approve(lab.run(), made.id, "Ada")
    before = lab.classes()
    with pytest.raises(PlanRefused, match="the plan is stale"):
        steps.apply(lab.run(), made.id)
    assert lab.classes() == before


def test_a_plan_of_a_past_night_does_not_mind_that_its_facts_are_old(lab: Lab) -> None:
    lab.fill()
    lab.publish("first")
    lab.as_of = AS_OF + timedelta(days=30)
    lab.publish("second")
    assert steps.plan(lab.run(), lab.policy(), as_of=AS_OF).is_trial


def test_a_plan_of_the_night_in_force_is_no_trial(lab: Lab) -> None:
    two_nights(lab)
    made = steps.plan(lab.run(), lab.policy(), as_of=lab.as_of)
    assert not made.is_trial
    steps.approve(lab.run(), made.id, "Ada")
    assert steps.apply(lab.run(), made.id).is_finished
