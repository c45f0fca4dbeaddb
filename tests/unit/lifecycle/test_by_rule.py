"""Archiving by tags and a rule of the bucket, from plan to undo, where the endpoint enforces no condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.errors import LimitPassed, NotEnforced, PlanRefused, Protected
from lifecycle.handover.bucket_rules import without_own
from lifecycle.handover.jobs import Errand
from lifecycle.providers import BucketRules, KeepsRules, MemoryProvider
from pipelines.domain.clean_ups import clean_up_from_json
from tests.unit.lifecycle.conftest import BUCKET, VERSIONED
from tests.unit.lifecycle.providers.worlds import taking_empty_tags

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab, Save

LOGS = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
THEIRS = BucketRules((LOGS,), "varies_by_storage_class")
LATER = timedelta(days=2)


@pytest.fixture
def stale(lab: Lab) -> Save:
    """A checkpoint to archive, and the latest, where no condition is enforced."""
    memory(lab).enforced = frozenset()
    memory(lab).put_rules(BUCKET, THEIRS)
    made = lab.save(200, 60)
    lab.save(400, 10)
    return made


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def moving(made: Save) -> list[str]:
    """Return the keys that are large enough to be moved."""
    return made.keys[:2]


def tagged(lab: Lab, bucket: str = BUCKET) -> dict[str, str]:
    """Return the plans that objects are tagged for, by key."""
    tags = memory(lab).buckets[bucket].tags
    return {key: found[ARCHIVE_TAG] for key, found in tags.items() if ARCHIVE_TAG in found}


def rules(lab: Lab) -> BucketRules:
    return memory(lab).rules(BUCKET)


def own_rules(lab: Lab, plan: str) -> list[str]:
    others = without_own(rules(lab), plan).rules
    return [rule["ID"] for rule in rules(lab).rules if rule not in others]


def a_day_later(lab: Lab) -> list[str]:
    """Let the store carry its rules out; return what it moved."""
    return list(memory(lab).carry_out_rules(lab.now + LATER))


def test_where_no_condition_is_enforced_objects_are_tagged_and_the_buckets_rule_moves_them(
    lab: Lab, stale: Save
) -> None:
    plan = lab.approved()
    assert steps.why(lab.run(), plan, stale.uri).path == "tag-and-rule"
    assert steps.apply(lab.run(), plan).is_clean
    assert tagged(lab) == dict.fromkeys(moving(stale), plan)
    assert set(lab.classes().values()) == {"STANDARD"}
    waiting = steps.verify(lab.run(), plan)
    assert (waiting.is_clean, waiting.waiting, waiting.spent_rules) == (True, 2, ())
    assert a_day_later(lab) == moving(stale)
    moved = steps.verify(lab.run(), plan)
    assert (moved.is_clean, moved.waiting, moved.as_planned["archived"]) == (True, 0, 2)
    assert moved.spent_rules == (f"s3://{BUCKET}",)
    assert {key for key, found in lab.classes().items() if found == "GLACIER_IR"} == set(moving(stale))


def test_the_plan_says_before_anybody_approves_what_cannot_be_taken_back(lab: Lab, stale: Save) -> None:
    del stale
    lab.publish()
    (said,) = [warning for warning in lab.plan().warnings if "bucket's own rule" in warning]
    assert said.startswith(
        f"s3://{BUCKET} is archived by tags and the bucket's own rule, within days (objects: 2)"
    )
    assert "what it has moved Moraine cannot take back" in said


def test_rules_of_others_survive_and_come_back_to_the_letter(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    (own,) = [rule for rule in rules(lab).rules if rule != LOGS]
    assert rules(lab) == BucketRules((LOGS, own), THEIRS.smallest_moved)
    assert own["Filter"]["And"]["Prefix"] == "runs/chat/checkpoint-200/"
    assert own["Filter"]["And"]["Tags"] == [{"Key": ARCHIVE_TAG, "Value": plan}]
    assert steps.rules(lab.run(), plan, "remove").buckets[0].own_there == ()
    assert rules(lab) == THEIRS
    assert stale.keys


def test_the_rule_is_there_before_the_first_tag(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    there: list[list[str]] = []
    memory(lab).before_change = lambda name, key: (
        there.append(own_rules(lab, plan)) if (name, key in stale.keys) == ("tag", True) else None
    )
    steps.apply(lab.run(), plan)
    assert there == [[f"moraine-archive-{plan}"]] * 2


def added(found: BucketRules) -> BucketRules:
    return replace(found, rules=(*found.rules, {**LOGS, "ID": "new"}))


def edited(found: BucketRules) -> BucketRules:
    return replace(found, rules=({**LOGS, "Expiration": {"Days": 1}},))


def emptied(found: BucketRules) -> BucketRules:
    return replace(found, rules=())


@pytest.mark.parametrize("edit", [added, edited, emptied])
def test_rules_that_somebody_changed_since_the_plan_refuse_with_the_difference(
    lab: Lab, stale: Save, edit: Callable[[BucketRules], BucketRules]
) -> None:
    plan = lab.approved()
    theirs = edit(THEIRS)
    memory(lab).put_rules(BUCKET, theirs)
    with pytest.raises(PlanRefused, match=r"changed the rules since they were looked at: rule (new|logs) is"):
        steps.apply(lab.run(), plan)
    assert (tagged(lab), rules(lab)) == ({}, theirs)
    # Who looks at them accepts them: from then on they are carried along.
    assert steps.rules(lab.run(), plan).has_drift
    assert steps.apply(lab.run(), plan).is_clean
    assert without_own(rules(lab), plan) == theirs
    assert stale.keys


def test_rules_that_somebody_changes_at_the_same_moment_are_found_out_before_anything_is_tagged(
    lab: Lab, stale: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, put = lab.approved(), memory(lab).put_rules

    def put_and_lose(bucket: str, found: BucketRules) -> None:
        put(bucket, found)
        put(bucket, added(THEIRS))

    monkeypatch.setattr(memory(lab), "put_rules", put_and_lose)
    with pytest.raises(PlanRefused, match="changes the rules at this very moment: rule new is new"):
        steps.apply(lab.run(), plan)
    assert tagged(lab) == {}
    assert stale.keys


def test_rules_of_other_plans_come_and_go(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    memory(lab).put_rules(BUCKET, added(THEIRS))
    theirs = replace(THEIRS, rules=(LOGS, {**LOGS, "ID": "moraine-archive-another"}))
    memory(lab).put_rules(BUCKET, theirs)
    assert steps.apply(lab.run(), plan).is_clean
    assert without_own(rules(lab), plan) == theirs
    assert stale.keys


def test_a_bucket_that_takes_no_more_rules_is_left_without_tags(lab: Lab, stale: Save) -> None:
    full = BucketRules(tuple({**LOGS, "ID": f"r{number}"} for number in range(1000)))
    memory(lab).put_rules(BUCKET, full)
    plan = lab.approved()
    with pytest.raises(LimitPassed, match="1,001 lifecycle rules"):
        steps.apply(lab.run(), plan)
    assert (tagged(lab), rules(lab)) == ({}, full)
    assert stale.keys


def test_a_bucket_that_takes_no_tags_any_more_is_refused(
    lab: Lab, stale: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lab.approved()
    monkeypatch.setattr(memory(lab), "untag", lambda *_said: None)
    with pytest.raises(NotEnforced, match="tags beside tags"):
        steps.apply(lab.run(), plan)
    assert tagged(lab) == {}
    assert stale.keys


def test_tags_of_others_survive(lab: Lab, stale: Save) -> None:
    first = stale.keys[0]
    memory(lab).buckets[BUCKET].tags[first] = {"team": "nlp"}
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    assert memory(lab).tags(BUCKET, first) == {"team": "nlp", ARCHIVE_TAG: plan}
    steps.undo(lab.run(), plan)
    assert memory(lab).tags(BUCKET, first) == {"team": "nlp"}


@pytest.mark.parametrize("place", [0, 1])
def test_a_tag_that_asks_to_keep_an_object_protects_it(lab: Lab, stale: Save, place: int) -> None:
    plan = lab.approved()
    memory(lab).buckets[BUCKET].tags[stale.keys[place]] = {"moraine:keep": "true"}
    if place:
        assert not steps.apply(lab.run(), plan).is_clean
        assert lab.results(plan)[stale.keys[1]] == "protected"
    else:
        # The first object speaks for its checkpoint.
        with pytest.raises(Protected, match="somebody tagged"):
            steps.apply(lab.run(), plan)
    assert stale.keys[place] not in tagged(lab)


def test_what_is_tagged_waits_some_days_and_is_a_difference_with_its_reason_after_that(
    lab: Lab, stale: Save
) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    for days, waiting in ((0, 2), (3, 2), (5, 0)):
        found = steps.verify(lab.run(now=lab.now + timedelta(days=days)), plan)
        assert (found.waiting, found.difference_count) == (waiting, 2 - waiting)
    assert {each.difference.partition(":")[0] for each in found.differences} == {
        "the bucket's rule has not moved it to GLACIER_IR for 5 days"
    }
    assert stale.keys


def test_what_waits_in_vain_is_a_difference_at_once(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    memory(lab).buckets[BUCKET].tags[stale.keys[0]] = {}
    found = steps.verify(lab.run(), plan)
    assert (found.waiting, [each.difference for each in found.differences]) == (
        1,
        ["its tag is gone, so no rule moves it to GLACIER_IR"],
    )
    steps.rules(lab.run(), plan, "remove")
    reasons = {each.difference for each in steps.verify(lab.run(), plan).differences}
    assert "the bucket's rule that moves it to GLACIER_IR is gone" in reasons


def test_receipts_move_nothing(lab: Lab, stale: Save) -> None:
    """What was tagged, and moved to another class by somebody else, is no success of the rule."""
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    states = memory(lab).buckets[BUCKET].keys[stale.keys[0]]
    states[-1] = replace(states[-1], storage_class="STANDARD_IA")
    found = steps.verify(lab.run(), plan)
    assert [each.difference for each in found.differences] == ["its class is STANDARD_IA, not GLACIER_IR"]


def test_only_what_a_rule_has_moved_counts_as_saved(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    steps.verify(lab.run(), plan)
    assert saved(lab, plan) is None
    first = stale.keys[0]
    states = memory(lab).buckets[BUCKET].keys
    states[first][-1] = replace(states[first][-1], storage_class="GLACIER_IR")
    steps.verify(lab.run(), plan)
    assert saved(lab, plan) == (1, stale.objects[0].size_bytes, 0)
    a_day_later(lab)
    for _ in range(2):
        steps.verify(lab.run(now=lab.now + LATER), plan)
        assert saved(lab, plan) == (2, sum(item.size_bytes for item in stale.objects[:2]), 0)
    log = steps.audit(lab.config)
    assert (log.is_sound, log.unsealed) == (True, ())
    assert len([entry for entry in log.entries if "rules/moved-" in entry.file]) == 2


def saved(lab: Lab, plan: str) -> tuple[int, int, int] | None:
    """Return what the lake was told: objects and bytes that moved, objects that went back."""
    found = lab.home / "lake" / "clean-ups" / f"{plan}.json"
    if not found.exists():
        return None
    (change,) = clean_up_from_json(found.read_bytes(), origin=plan).changes
    return change.object_count, change.size_bytes, change.undone_object_count


def test_undo_takes_the_rule_and_the_tags_away_before_anything_is_moved(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    before = len(steps.audit(lab.config).entries)
    report = steps.undo(lab.run(), plan, "Ada", "the run goes on")
    assert report.is_clean
    assert (tagged(lab), rules(lab)) == ({}, THEIRS)
    assert report.cost.one_off_usd == 0
    log = steps.audit(lab.config)
    assert (log.is_sound, log.unsealed) == (True, ())
    assert "ruled" in {entry.event for entry in log.entries[before:]}
    assert a_day_later(lab) == []
    assert steps.verify(lab.run(), plan).is_clean
    assert stale.keys


def test_what_was_moved_goes_back_by_a_copy_where_conditions_are_enforced_by_now(
    lab: Lab, stale: Save
) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    a_day_later(lab)
    steps.verify(lab.run(), plan)
    closed = steps.undo(lab.run(), plan)
    assert closed.left == 2
    assert {left.result for chunk in closed.chunks for left in chunk.left_alone} == {"failed"}
    assert "a person can copy it" in closed.chunks[0].left_alone[0].reason
    assert (tagged(lab), rules(lab)) == ({}, THEIRS)
    memory(lab).enforced = frozenset({"copy-source", "copy-destination"})
    report = steps.undo(lab.run(), plan)
    assert report.is_clean
    assert report.cost.one_off_usd > 0
    assert set(lab.classes().values()) == {"STANDARD"}
    assert a_day_later(lab) == []
    assert steps.verify(lab.run(), plan).is_clean
    assert saved(lab, plan) == (0, 0, 2)
    assert stale.keys


def test_undo_leaves_what_was_written_since(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    key = stale.keys[0]
    newer = replace(memory(lab).head(BUCKET, key), etag="newer", last_modified_at=lab.now)
    memory(lab).put(BUCKET, newer)
    memory(lab).buckets[BUCKET].tags[key] = {ARCHIVE_TAG: plan, "team": "nlp"}
    report = steps.undo(lab.run(), plan)
    assert [(left.result, left.uri.rpartition("/")[2]) for left in report.chunks[0].left_alone] == [
        ("changed", key.rpartition("/")[2])
    ]
    assert memory(lab).head(BUCKET, key) == newer
    # Whoever copied the tag along did not mean it.
    assert memory(lab).tags(BUCKET, key) == {"team": "nlp"}


def test_where_versions_are_kept_only_amazons_rules_move_what_is_tagged_later(lab: Lab) -> None:
    old = lab.save(200, 60, bucket=VERSIONED)
    lab.save(400, 10, bucket=VERSIONED)
    lab.publish()
    assert not lab.plan().has_changes
    line = steps.why(lab.run(), lab.plan().id, old.uri)
    assert "never move what is tagged after its upload" in line.reason
    memory(lab).is_aws = True
    assert steps.why(lab.run(), lab.plan().id, old.uri).path == "tag-and-rule"


def test_where_versions_are_kept_a_rule_archives_without_leaving_one_behind(lab: Lab) -> None:
    memory(lab).is_aws = True
    old = lab.save(200, 60, bucket=VERSIONED)
    lab.save(400, 10, bucket=VERSIONED)
    plan = lab.approved()
    before = [version.version_id for version in memory(lab).versions(VERSIONED, "")]
    assert steps.apply(lab.run(), plan).is_clean
    assert a_day_later(lab) == moving(old)
    assert steps.verify(lab.run(), plan).as_planned["archived"] == 2
    assert [version.version_id for version in memory(lab).versions(VERSIONED, "")] == before
    assert steps.undo(lab.run(), plan).is_clean
    assert set(lab.classes(VERSIONED).values()) == {"STANDARD"}


def test_large_objects_are_tagged_where_only_copies_in_parts_are_not_enforced(lab: Lab) -> None:
    memory(lab).enforced -= {"copy-in-parts"}
    big = lab.save(200, 60, files={"model.safetensors": 6 * 1024**3})
    lab.save(400, 10)
    plan = lab.approved()
    assert steps.why(lab.run(), plan, big.uri).path == "tag-and-rule"
    steps.apply(lab.run(), plan)
    assert a_day_later(lab) == big.keys
    # Going back takes a copy in parts, which is not safe here.
    assert steps.undo(lab.run(), plan).left == 1
    assert lab.classes()[big.keys[0]] == "GLACIER_IR"


def test_a_plan_that_tags_is_never_handed_over_as_a_copy(lab: Lab, stale: Save) -> None:
    plan = lab.approved()
    with pytest.raises(PlanRefused, match="looked at before and after it is tagged"):
        steps.hand_over(lab.run(), plan, Errand(with_tags=True))
    assert stale.keys


@pytest.mark.usefixtures("s3_environment")
def test_a_store_that_ignores_conditions_is_tagged_and_untagged_over_the_wire(
    serve: Callable[..., Lab],
) -> None:
    small = {"model.safetensors": 200_000, "trainer_state.json": 2_000}

    def fill(lab: Lab) -> None:
        lab.save(200, 60, files=small)
        lab.save(400, 10, files=small)

    with taking_empty_tags():
        tag_and_untag(serve(fill, plain=True))


def tag_and_untag(lab: Lab) -> None:
    cloud = lab.provider
    assert isinstance(cloud, KeepsRules)
    cloud.put_rules(BUCKET, BucketRules((LOGS,)))
    plan = lab.approved()
    key = lab.saves[0].keys[0]
    assert steps.apply(lab.run(), plan).by_rule == (f"s3://{BUCKET}",)
    assert lab.provider.tags(BUCKET, key) == {ARCHIVE_TAG: plan}
    assert len(cloud.rules(BUCKET).rules) == 2
    assert steps.verify(lab.run(), plan).waiting == 1
    assert steps.undo(lab.run(), plan).is_clean
    assert (lab.provider.tags(BUCKET, key), cloud.rules(BUCKET).rules) == ({}, (LOGS,))
