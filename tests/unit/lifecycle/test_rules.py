"""A plan's rules come and go beside everybody else's, which stay as they are to the letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lifecycle import steps
from lifecycle.errors import LimitPassed, PlanRefused
from lifecycle.handover.bucket_rules import archive_rule, delete_rule, drift, merged, without_own
from lifecycle.handover.jobs import Errand
from lifecycle.providers import BucketRules, MemoryProvider
from tests.unit.lifecycle.conftest import BUCKET, GIB

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

LOGS = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
NAMELESS = {"Status": "Disabled", "Prefix": "old/", "Expiration": {"Date": "2027-01-01T00:00:00Z"}}
THEIRS = BucketRules((LOGS, NAMELESS), "varies_by_storage_class")
WITH_TAGS = Errand(with_tags=True)


def tagging(lab: Lab, theirs: BucketRules = THEIRS) -> str:
    """Hand over a plan that archives an object too large for a copy; return its id."""
    lab.save(200, 60, files={"model.safetensors": 6 * GIB})
    lab.save(400, 10)
    cloud(lab).put_rules(BUCKET, theirs)
    return steps.hand_over(lab.run(), lab.approved(), WITH_TAGS).plan_id


def cloud(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def rules(lab: Lab) -> BucketRules:
    return cloud(lab).rules(BUCKET)


def test_handing_over_reads_rules_and_puts_none(lab: Lab) -> None:
    tagging(lab)
    assert rules(lab) == THEIRS


def test_own_rules_come_beside_the_others_and_go_again(lab: Lab) -> None:
    plan = tagging(lab)
    report = steps.rules(lab.run(), plan, "put")
    (own,) = report.buckets[0].own_there
    assert own == f"moraine-archive-{plan}"
    assert rules(lab) == BucketRules((*THEIRS.rules, archive_rule(plan, "GLACIER_IR")), THEIRS.smallest_moved)
    steps.rules(lab.run(), plan, "put")
    assert len(rules(lab).rules) == 3
    assert steps.rules(lab.run(), plan, "remove").buckets[0].own_there == ()
    assert rules(lab) == THEIRS


def added(found: BucketRules) -> BucketRules:
    return replace(found, rules=(*found.rules, {**LOGS, "ID": "new"}))


def changed(found: BucketRules) -> BucketRules:
    return replace(found, rules=({**LOGS, "Expiration": {"Days": 1}}, *found.rules[1:]))


def shortened(found: BucketRules) -> BucketRules:
    return replace(found, rules=found.rules[:1])


def resized(found: BucketRules) -> BucketRules:
    return replace(found, smallest_moved="all_storage_classes_128K")


@pytest.mark.parametrize("edit", [added, changed, shortened, resized])
def test_nothing_is_put_when_somebody_changed_rules_until_that_was_looked_at(
    lab: Lab, edit: Callable[[BucketRules], BucketRules]
) -> None:
    plan = tagging(lab)
    theirs = edit(THEIRS)
    cloud(lab).put_rules(BUCKET, theirs)
    with pytest.raises(PlanRefused, match="somebody changed the rules"):
        steps.rules(lab.run(), plan, "put")
    assert rules(lab) == theirs
    assert steps.rules(lab.run(), plan).has_drift
    assert not steps.rules(lab.run(), plan).has_drift
    steps.rules(lab.run(), plan, "put")
    assert without_own(rules(lab), plan) == theirs


def test_removing_leaves_what_others_changed_meanwhile(lab: Lab) -> None:
    plan = tagging(lab)
    steps.rules(lab.run(), plan, "put")
    cloud(lab).put_rules(BUCKET, added(rules(lab)))
    steps.rules(lab.run(), plan, "remove")
    assert rules(lab) == added(THEIRS)


def test_the_order_of_rules_and_our_own_are_no_change() -> None:
    own = delete_rule("p")
    turned = replace(THEIRS, rules=(NAMELESS, own, LOGS))
    assert drift(THEIRS, turned, "p") == ()
    assert drift(THEIRS, turned, "other") == ("rule moraine-delete-p is new",)


def test_a_plan_touches_no_rule_of_another_plan() -> None:
    both = merged(merged(THEIRS, [delete_rule("one")], "one"), [delete_rule("two")], "two")
    assert without_own(both, "one").rules == (*THEIRS.rules, delete_rule("two"))


def test_a_bucket_takes_a_thousand_rules() -> None:
    many = BucketRules(tuple({**LOGS, "ID": f"r{number}"} for number in range(1000)))
    with pytest.raises(LimitPassed, match="1,001 lifecycle rules"):
        merged(many, [delete_rule("p")], "p")


def test_rules_are_put_only_while_the_approval_is_in_force(lab: Lab) -> None:
    plan = tagging(lab)
    later: dict[str, Any] = {"now": lab.now + timedelta(days=2)}
    with pytest.raises(PlanRefused, match="expired"):
        steps.rules(lab.run(**later), plan, "put")
    assert rules(lab) == THEIRS
    steps.rules(lab.run(), plan, "put")
    steps.rules(lab.run(**later), plan, "remove")
    assert rules(lab) == THEIRS


def test_rules_that_nobody_looked_at_are_not_written(lab: Lab) -> None:
    plan = tagging(lab)
    for path in (lab.home / "lake" / "plans" / plan / "handover").glob("rules-*.json"):
        path.unlink()
    with pytest.raises(PlanRefused, match="were not looked at yet"):
        steps.rules(lab.run(), plan, "put")
    assert rules(lab) == THEIRS


def test_a_plan_that_was_not_handed_over_has_no_rules(lab: Lab) -> None:
    lab.fill()
    with pytest.raises(PlanRefused, match="was not handed over"):
        steps.rules(lab.run(), lab.approved())


def test_a_plan_that_tags_nothing_needs_no_rules(lab: Lab) -> None:
    lab.fill()
    plan = steps.hand_over(lab.run(), lab.approved(), WITH_TAGS).plan_id
    assert steps.rules(lab.run(), plan, "put").buckets == ()
    assert rules(lab) == BucketRules()


def test_infrequent_access_takes_only_what_is_a_month_old() -> None:
    assert archive_rule("p", "STANDARD_IA")["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
