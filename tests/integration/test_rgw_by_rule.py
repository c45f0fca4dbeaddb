"""From a plan to objects that Ceph's gateway itself moved, by tags and a rule: it enforces no condition."""

from typing import Any

import pytest

from lifecycle import steps
from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.errors import PlanRefused
from lifecycle.providers import BucketRules
from tests.integration.rgw import DAY_SECONDS
from tests.integration.rgw_nights import ARCHIVE, FILES, Night, all_of

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rgw")]

LONGEST_WAIT = 12 * DAY_SECONDS
THEIRS: dict[str, Any] = {
    "ID": "logs",
    "Status": "Enabled",
    "Filter": {"Prefix": "logs/"},
    "Expiration": {"Days": 3650},
}
MODEL = "model.safetensors"
"""The one file of a checkpoint that is large enough to be moved."""


def tags(night: Night) -> dict[str, dict[str, str]]:
    """Return the tags of everything that has some."""
    found = {key: dict(night.provider.tags(night.bucket, key)) for key in night.classes()}
    return {key: said for key, said in found.items() if said}


def test_a_plan_is_carried_out_by_the_gateways_own_rule_and_seen_done(night: Night) -> None:
    night.rgw.provider.put_rules(night.bucket, BucketRules((THEIRS,)))
    theirs = night.rgw.provider.rules(night.bucket)
    old, latest = night.save(100), night.save(200)
    model = f"runs/chat/checkpoint-100/{MODEL}"
    plan = night.plan(ARCHIVE)
    assert night.line(plan, old).path == "tag-and-rule"

    assert night.apply(plan) == {"done": 1}
    assert tags(night) == {model: {ARCHIVE_TAG: plan}}
    assert night.verify(plan).is_clean
    night.rgw.wait_until(lambda: night.classes()[model] == "GLACIER_IR", LONGEST_WAIT)

    found = night.verify(plan)
    assert (found.is_clean, found.waiting, found.as_planned["archived"]) == (True, 0, 1)
    assert found.spent_rules == (f"s3://{night.bucket}",)
    everything = dict.fromkeys((*old.keys, *latest.keys), "STANDARD")
    assert night.classes() == {**everything, model: "GLACIER_IR"}
    assert night.versions() == all_of(old, latest)
    body = night.client.get_object(Bucket=night.bucket, Key=model)["Body"].read()
    assert body == bytes(FILES[MODEL])
    steps.rules(night.lab.run(), plan, "remove")
    assert night.rgw.provider.rules(night.bucket) == theirs


def test_what_is_overwritten_after_it_was_tagged_is_never_moved(night: Night) -> None:
    """A new object has no tags: the rule that moves its neighbour, tagged before it, passes it by."""
    old, other = night.save(100), night.save(200)
    night.save(300)
    plan = night.plan(ARCHIVE)
    assert night.apply(plan) == {"done": 2}
    newer = night.upload(f"runs/chat/checkpoint-100/{MODEL}", b"trained on" * 30_000)

    moved = f"runs/chat/checkpoint-200/{MODEL}"
    night.rgw.wait_until(lambda: night.classes()[moved] == "GLACIER_IR", LONGEST_WAIT)

    assert night.classes()[newer.key] == "STANDARD"
    found = night.verify(plan)
    assert [different.uri.rpartition("/")[0] for different in found.differences] == [old.uri]
    assert other.uri != old.uri


def test_undo_before_the_rule_acts_leaves_nothing_to_move(night: Night) -> None:
    old, latest = night.save(100), night.save(200)
    plan = night.plan(ARCHIVE)
    night.apply(plan)

    if steps.undo(night.lab.run(), plan).is_clean:
        assert set(night.classes().values()) == {"STANDARD"}
    else:
        # It was a day sooner than the test: then it is told, as no copy is safe here.
        assert night.classes()[f"runs/chat/checkpoint-100/{MODEL}"] == "GLACIER_IR"
    assert tags(night) == {}
    assert night.rgw.provider.rules(night.bucket) == BucketRules()
    assert night.versions() == all_of(old, latest)


def test_what_the_gateway_has_moved_is_told_as_what_nobody_takes_back_safely(night: Night) -> None:
    night.save(100)
    night.save(200)
    plan = night.plan(ARCHIVE)
    said = steps.show(night.lab.run(), plan).warnings
    assert any("what it has moved Moraine cannot take back" in warning for warning in said)
    # The gateway takes a tag for a change: its clock and that of the receipts have to agree.
    night.apply(plan, clock=steps.utc_now)
    model = f"runs/chat/checkpoint-100/{MODEL}"
    night.rgw.wait_until(lambda: night.classes()[model] == "GLACIER_IR", LONGEST_WAIT)

    report = steps.undo(night.lab.run(clock=steps.utc_now), plan)

    assert (report.is_clean, report.left) == (False, 1)
    assert "a person can copy it" in report.chunks[0].left_alone[0].reason
    assert night.classes()[model] == "GLACIER_IR"
    assert tags(night) == {}


def test_rules_that_somebody_changed_since_the_plan_refuse_and_nothing_is_tagged(night: Night) -> None:
    night.save(100)
    night.save(200)
    plan = night.plan(ARCHIVE)
    night.rgw.provider.put_rules(night.bucket, BucketRules((THEIRS,)))
    before = night.rgw.provider.rules(night.bucket)

    with pytest.raises(PlanRefused, match="rule logs is new"):
        night.apply(plan)

    assert tags(night) == {}
    assert night.rgw.provider.rules(night.bucket) == before
