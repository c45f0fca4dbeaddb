"""After a hand-over: what the engines of the clouds did is counted, and can be taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.errors import PlanRefused
from lifecycle.handover.jobs import read_errand
from lifecycle.providers import MemoryProvider
from pipelines.clean_ups import read_clean_ups
from pipelines.stores import LocalStore
from tests.unit.lifecycle.conftest import BUCKET, GIB, VERSIONED
from tests.unit.lifecycle.test_handover import fill_google, google

if TYPE_CHECKING:
    from pipelines.domain.clean_ups import Change
    from tests.unit.lifecycle.conftest import Lab, Save

ERRAND = read_errand("", [], with_tags=True)


@pytest.fixture
def handed(lab: Lab) -> str:
    """A plan that archives one checkpoint and deletes another where versions are kept, handed over."""
    lab.save(200, 60)
    lab.save(400, 10)
    for made in (
        lab.save(100, 120, run="runs/v", bucket=VERSIONED),
        lab.save(400, 10, run="runs/v", bucket=VERSIONED),
    ):
        objects = tuple(
            replace(item, version_id=lab.provider.head(item.bucket, item.key).version_id)
            for item in made.objects
        )
        lab.saves[lab.saves.index(made)] = replace(made, objects=objects)
    plan = lab.approved()
    assert steps.hand_over(lab.run(), plan, ERRAND).objects == 5
    return plan


def later(lab: Lab, hours: int) -> steps.Run:
    at = lab.now + timedelta(hours=hours)
    return lab.run(now=at, clock=lambda: at)


def saved(lab: Lab, bucket: str, step: int) -> Save:
    return next(made for made in lab.saves if (made.bucket, made.step) == (bucket, step))


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def copy(lab: Lab, key: str, hours: int) -> None:
    """Copy an object into the class of the plan, as a job does."""
    state = memory(lab).head(BUCKET, key)
    at = lab.now + timedelta(hours=hours)
    memory(lab).put(BUCKET, replace(state, storage_class="GLACIER_IR", last_modified_at=at))


def expire(lab: Lab, key: str, hours: int) -> None:
    """Put a delete marker, as a rule of the bucket does with what has its tag."""
    cloud = memory(lab)
    cloud.delete(VERSIONED, key, cloud.head(VERSIONED, key).token)
    versions = cloud.buckets[VERSIONED].keys[key]
    versions[-1] = replace(versions[-1], last_modified_at=lab.now + timedelta(hours=hours))


def engine(lab: Lab, *, hours: int) -> None:
    """Do what the jobs say, as the engines of the clouds would."""
    for key in archived(lab):
        copy(lab, key, hours)
    for key in saved(lab, VERSIONED, 100).keys:
        expire(lab, key, hours)


def archived(lab: Lab) -> list[str]:
    return [item.key for item in saved(lab, BUCKET, 200).objects if item.size_bytes >= GIB]


def own_changes(lab: Lab) -> list[tuple[str, str]]:
    """Return what was changed, but for canaries."""
    return [(what, key) for what, key in memory(lab).changes if not key.startswith(".moraine-canary/")]


def told(lab: Lab) -> dict[str, Change]:
    return {
        one.path: one
        for clean_up in read_clean_ups(LocalStore(lab.home / "lake"))
        for one in clean_up.changes
    }


def test_what_the_engines_did_is_told_to_the_lake_once_it_is_seen(lab: Lab, handed: str) -> None:
    first, second = archived(lab)
    steps.verify(later(lab, 1), handed)
    assert told(lab) == {}
    copy(lab, first, hours=20)
    for key in saved(lab, VERSIONED, 100).keys:
        expire(lab, key, hours=20)
    steps.verify(later(lab, 30), handed)
    assert told(lab)["copy-in-place"].object_count == 1
    copy(lab, second, hours=50)
    assert steps.verify(later(lab, 60), handed).is_clean
    moved, deleted = told(lab)["copy-in-place"], told(lab)["delete-marker"]
    assert (moved.object_count, moved.size_bytes) == (2, 3 * GIB)
    assert (deleted.object_count, deleted.left_behind) == (3, "versions")
    assert moved.began_date == deleted.began_date == lab.now.date()
    assert moved.ended_date == (lab.now + timedelta(hours=60)).date()
    assert deleted.ended_date == (lab.now + timedelta(hours=30)).date()
    assert moved.saving_usd_month > 0
    report = steps.audit(lab.config)
    assert (report.is_sound, report.unsealed) == (True, ())


def test_what_was_left_out_of_the_jobs_is_never_counted_as_done(lab: Lab) -> None:
    gone = lab.save(100, 120)
    lab.save(200, 60)
    lab.save(400, 10)
    plan = lab.approved()
    steps.hand_over(lab.run(), plan, ERRAND)
    for key in gone.keys:
        memory(lab).delete(BUCKET, key, memory(lab).head(BUCKET, key).token)
    steps.verify(later(lab, 5), plan)
    assert told(lab) == {}


def test_nothing_comes_back_before_somebody_says_that_the_jobs_have_ended(lab: Lab, handed: str) -> None:
    engine(lab, hours=20)
    before = own_changes(lab)
    with pytest.raises(
        PlanRefused, match=r"its jobs would do again .*job-001 \(s3://acme-training\)"
    ) as caught:
        steps.undo(later(lab, 30), handed, "Ada")
    assert f"undo {handed} --jobs-ended" in caught.value.fix
    assert own_changes(lab) == before


def test_what_the_engines_did_comes_back(lab: Lab, handed: str) -> None:
    engine(lab, hours=20)
    back = steps.undo(later(lab, 30), handed, "Ada", "needed again", jobs_ended=True)
    assert back.is_clean
    assert sum(chunk.results["done"] for chunk in back.chunks) == 5
    assert set(lab.classes().values()) == {"STANDARD"}
    assert set(saved(lab, VERSIONED, 100).keys) < set(lab.classes(VERSIONED))
    again = steps.verify(later(lab, 31), handed)
    assert (again.is_clean, again.is_undone, again.checked["restored"]) == (True, True, 5)
    assert {(one.object_count, one.undone_object_count) for one in told(lab).values()} == {(0, 2), (0, 3)}
    done = own_changes(lab)
    assert steps.undo(later(lab, 32), handed, "Ada", jobs_ended=True).is_clean
    assert own_changes(lab) == done


def test_only_what_an_engine_did_is_touched_on_the_way_back(lab: Lab, handed: str) -> None:
    copy(lab, archived(lab)[0], hours=20)
    before = own_changes(lab)
    steps.undo(later(lab, 30), handed, "Ada", jobs_ended=True)
    assert own_changes(lab) == [*before, ("copy", archived(lab)[0])]


@pytest.mark.parametrize("when", [25, 50], ids=["seen", "unseen"])
def test_what_somebody_wrote_after_the_engine_is_left_alone(lab: Lab, handed: str, when: int) -> None:
    engine(lab, hours=20)
    steps.verify(later(lab, 30), handed)
    new = replace(memory(lab).head(BUCKET, archived(lab)[0]), etag="new", storage_class="GLACIER_IR")
    memory(lab).put(BUCKET, replace(new, last_modified_at=lab.now + timedelta(hours=when)))
    back = steps.undo(later(lab, 51), handed, "Ada", jobs_ended=True)
    assert memory(lab).head(BUCKET, archived(lab)[0]).etag == "new"
    assert memory(lab).head(BUCKET, archived(lab)[0]).storage_class == "GLACIER_IR"
    assert [alone.reason for chunk in back.chunks for alone in chunk.left_alone] == [
        "somebody wrote it since"
    ]


def test_a_delete_marker_that_somebody_else_put_later_stays(lab: Lab, handed: str) -> None:
    engine(lab, hours=20)
    steps.verify(later(lab, 30), handed)
    key = saved(lab, VERSIONED, 100).keys[0]
    cloud = memory(lab)
    cloud.buckets[VERSIONED].keys[key].pop()
    expire(lab, key, hours=40)
    back = steps.undo(later(lab, 51), handed, "Ada", jobs_ended=True)
    assert key not in lab.classes(VERSIONED)
    assert "somebody deleted it again since" in {
        alone.reason for chunk in back.chunks for alone in chunk.left_alone
    }


def test_on_cloud_storage_generations_come_back(lab: Lab) -> None:
    run = fill_google(lab, soft_delete_days=7)
    plan = google(lab, run).plan_id
    cloud = run().clouds["gs"]
    assert isinstance(cloud, MemoryProvider)
    old, stale = saved(lab, BUCKET, 100), saved(lab, BUCKET, 200)
    for key in old.keys:
        cloud.delete(BUCKET, key, cloud.head(BUCKET, key).token)
    large = stale.keys[0]
    cloud.put(BUCKET, replace(cloud.head(BUCKET, large), storage_class="COLDLINE"))
    assert steps.verify(run(), plan).is_clean
    assert steps.undo(run(), plan, "Ada", jobs_ended=True).is_clean
    assert {key: state.storage_class for key in (*old.keys, large) if (state := cloud.head(BUCKET, key))} == (
        dict.fromkeys((*old.keys, large), "STANDARD")
    )
    assert steps.verify(run(), plan).is_clean
