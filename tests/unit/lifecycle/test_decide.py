"""Every checkpoint gets one decision, with its rule; only what no rule keeps is cleared."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from lifecycle.decide import decide
from lifecycle.model import (
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    Facts,
    FailedGate,
    Keep,
    PriceList,
)
from lifecycle.policy import Policy, parse_policy

DAY = date(2026, 11, 20)
GIB = 1024**3
UNVERSIONED = BucketCapability("train", "off", True, True, True, True)
POLICY = """
name: stale
match: {buckets: ["s3://train"], prefixes: ["runs/"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 90d, irreversible: true}
limits: {objects: 10, bytes: 1TiB, usd_month: 5, share_of_bucket: 0.5, runs: 3}
"""


def policy(old: str = "", new: str = "") -> Policy:
    assert old in POLICY
    return parse_policy(POLICY.replace(old, new, 1) if old else POLICY, origin="p")


def share(storage_class: str = "STANDARD", size: int = GIB) -> ClassShare:
    movable = size if size >= 128 * 1024 else 0
    return ClassShare(storage_class, 1, size, 1 if movable else 0, movable, size)


def artifact(step: int | None, days_old: float, **said: object) -> Artifact:
    made = Artifact(
        checkpoint_id=f"s3://train/runs/chat/checkpoint-{step}",
        uri=f"s3://train/runs/chat/checkpoint-{step}",
        bucket="train",
        run="runs/chat",
        framework="hf",
        step=step,
        epoch=None,
        state="complete",
        state_reason="",
        kind="intermediate",
        is_latest=False,
        is_best=False,
        is_protected=False,
        protected_because="",
        object_count=1,
        size_bytes=GIB,
        last_modified_at=datetime(2026, 11, 21) - timedelta(days=days_old),
        cost_usd_month=Decimal("0.02"),
        classes=(share(),),
    )
    return replace(made, **said)  # type: ignore[arg-type]


LATEST = artifact(900, 10)
"""Without a younger one beside it, each checkpoint would be the latest of its run."""


def decided(
    artifacts: Sequence[Artifact],
    by: Policy | None = None,
    *,
    capability: BucketCapability | None = UNVERSIONED,
    gates: tuple[FailedGate, ...] = (),
) -> dict[int | None, Decision]:
    facts = Facts(
        "snapshot",
        DAY,
        tuple(artifacts),
        {"train": GIB},
        PriceList(DAY, {}),
        gates,
        {"s3://train": capability} if capability else {},
    )
    return {d.artifact.step: d for d in decide(facts, by or policy(), DAY)}


def test_age_alone_decides_where_nothing_protects() -> None:
    found = decided([artifact(1, 90), artifact(2, 89.9), artifact(3, 30), artifact(4, 29.9), LATEST])
    assert isinstance(found[1], Delete)
    assert isinstance(found[2], Archive)
    assert isinstance(found[3], Archive)
    assert found[3].to == "GLACIER_IR"
    assert isinstance(found[4], Keep)
    assert found[4].rule == "age"
    assert all(decision.reason for decision in found.values())


@pytest.mark.parametrize(
    "said, rule, words",
    [
        ({"uri": "s3://train/models/x"}, "match", "runs/"),
        ({"doubt": "its objects do not add up"}, "doubt", "add up"),
        ({"state": "incomplete", "state_reason": "no index"}, "complete", "incomplete: no index"),
        ({"state": "in_progress"}, "complete", "in_progress"),
        ({"state": "stub"}, "complete", "stub"),
        ({"state": "marked_deleted"}, "complete", "marked_deleted"),
        ({"is_protected": True, "protected_because": "models:/chat/3"}, "protected", "models:/chat/3"),
        ({"is_protected": True}, "protected", "the facts say so"),
        ({"pins": ("runs/chat/checkpoint-1/PINNED",)}, "pinned", "PINNED"),
        ({"pins": ("runs/chat/checkpoint-1/keep_until_2026-11-20",)}, "pinned", "keep_until"),
        ({"kind": "final"}, "kind", "final"),
        ({"kind": "best_copy"}, "kind", "best copy"),
        ({"kind": "registered"}, "kind", "registered"),
        ({"is_latest": True}, "latest", "latest"),
        ({"is_best": True}, "best", "best"),
    ],
)
def test_each_rule_keeps_an_old_checkpoint_and_says_why(
    said: dict[str, object], rule: str, words: str
) -> None:
    found = decided([artifact(1, 400, **said), LATEST])[1]
    assert isinstance(found, Keep)
    assert (found.rule, words in found.reason) == (rule, True), found.reason


def test_a_pin_with_a_date_ends_with_its_day() -> None:
    passed = artifact(1, 400, pins=("runs/chat/checkpoint-1/keep_until_2026-11-19",))
    assert isinstance(decided([passed, LATEST])[1], Delete)


def test_another_bucket_than_the_policys_is_left_alone() -> None:
    other = artifact(1, 400, bucket="other", uri="s3://other/runs/chat/checkpoint-1")
    assert isinstance(decided([other, LATEST])[1], Keep)


def test_the_newest_by_step_are_kept() -> None:
    found = decided([artifact(n, 400 - n) for n in range(1, 6)], policy("latest: 1", "latest: 3"))
    assert {step for step, decision in found.items() if decision.rule == "latest"} == {3, 4, 5}


def test_after_a_roll_back_the_newest_by_step_and_by_time_are_both_kept() -> None:
    found = decided([artifact(5000, 300), artifact(3000, 200), artifact(4000, 100), artifact(1000, 400)])
    assert found[5000].rule == "latest"
    assert found[4000].rule == "latest"
    assert isinstance(found[3000], Delete)


def test_without_steps_epochs_order_a_run() -> None:
    by_epoch = [replace(artifact(None, 400 - n), epoch=n, checkpoint_id=f"c{n}") for n in range(1, 4)]
    facts = Facts("s", DAY, tuple(by_epoch), {}, PriceList(DAY, {}), (), {"s3://train": UNVERSIONED})
    assert [d.rule for d in decide(facts, policy(), DAY)] == ["delete", "delete", "latest"]


def test_a_run_whose_order_is_not_known_is_kept_whole() -> None:
    unordered = replace(artifact(None, 400), checkpoint_id="c1", uri="s3://train/runs/chat/c1")
    found = decided([unordered, artifact(1, 400), LATEST])
    assert found[None].rule == "order"
    assert found[1].rule == "order"


def test_where_the_best_is_unknown_every_complete_one_stays_unless_the_loss_is_accepted() -> None:
    cautious = policy("best_unknown: accept", "best_unknown: keep")
    assert decided([artifact(1, 400), LATEST], cautious)[1].rule == "best"
    assert isinstance(
        decided([artifact(1, 400), artifact(2, 300, is_best=True), LATEST], cautious)[1], Delete
    )
    assert isinstance(decided([artifact(1, 400), LATEST])[1], Delete)
    uninterested = policy("best: 1, best_unknown: accept", "best: 0")
    assert isinstance(decided([artifact(1, 400, is_best=True), LATEST], uninterested)[1], Delete)


def test_steps_that_are_a_multiple_stay() -> None:
    by = policy("latest: 1", "latest: 1, every_n_steps: 500")
    found = decided([artifact(499, 400), artifact(500, 400), LATEST], by)
    assert isinstance(found[499], Delete)
    assert found[500].rule == "every_n_steps"


def test_a_run_keeps_its_floor_of_complete_checkpoints() -> None:
    by = policy("min_complete_per_run: 1", "min_complete_per_run: 3")
    found = decided([artifact(n, 400 - n) for n in range(1, 6)], by)
    assert {step for step, decision in found.items() if isinstance(decision, Keep)} == {3, 4, 5}
    assert found[3].rule == "floor"


def test_a_run_without_a_complete_checkpoint_is_not_touched() -> None:
    found = decided([artifact(1, 400, state="incomplete"), artifact(2, 300, state="stub")])
    assert {decision.rule for decision in found.values()} == {"complete"}
    assert "all there is" in found[1].reason


def test_a_run_that_changed_lately_is_left_alone_as_a_whole() -> None:
    found = decided([artifact(1, 400), artifact(2, 2, state="in_progress"), artifact(900, 10)])
    assert found[1].rule == "quiet"
    assert "run" in found[1].reason


def test_unknown_capabilities_and_suspended_versioning_protect() -> None:
    assert decided([artifact(1, 400), LATEST], capability=None)[1].rule == "doubt"
    suspended = replace(UNVERSIONED, versioning="suspended")
    assert decided([artifact(1, 400), LATEST], capability=suspended)[1].rule == "doubt"


def test_a_failed_gate_protects_its_bucket_and_one_without_a_bucket_protects_all() -> None:
    for bucket in ("train", ""):
        found = decided([artifact(1, 400), LATEST], gates=(FailedGate("closes", bucket, "off by 3%"),))[1]
        assert (found.rule, "closes" in found.reason) == ("gate", True)
    elsewhere = decided([artifact(1, 400), LATEST], gates=(FailedGate("closes", "other", ""),))[1]
    assert isinstance(elsewhere, Delete)


def test_deleting_for_good_needs_the_policys_word_and_an_enforced_condition() -> None:
    unsaid = decided([artifact(1, 400), LATEST], policy(", irreversible: true", ""))[1]
    assert isinstance(unsaid, Archive)
    cold = artifact(1, 400, classes=(share("GLACIER_IR"),))
    kept = decided([cold, LATEST], policy(", irreversible: true", ""))[1]
    assert (kept.rule, "for good" in kept.reason) == ("delete", True)
    unsafe = decided([cold, LATEST], capability=replace(UNVERSIONED, delete=False))[1]
    assert (unsafe.rule, "If-Match" in unsafe.reason) == ("delete", True)


def test_where_versions_are_kept_a_delete_leaves_one_and_an_archive_saves_nothing() -> None:
    versioned = replace(UNVERSIONED, versioning="on", copy_source=False, delete=False)
    by = policy(", irreversible: true", "")
    found = decided([artifact(1, 400), artifact(2, 60), LATEST], by, capability=versioned)
    assert isinstance(found[1], Delete)
    assert found[1].path == "delete-marker"
    assert (found[2].rule, "saves nothing" in found[2].reason) == ("archive", True)


@pytest.mark.parametrize("missing", ["copy_source", "copy_destination"])
def test_nothing_is_archived_where_a_condition_on_copies_is_not_enforced(missing: str) -> None:
    unsafe = replace(UNVERSIONED, **{missing: False})  # type: ignore[arg-type]
    found = decided([artifact(2, 60), LATEST], capability=unsafe)[2]
    assert (found.rule, "not safe" in found.reason) == ("archive", True)


def test_objects_above_the_copy_limit_need_conditions_on_copies_in_parts() -> None:
    large = artifact(2, 60, classes=(share(size=6 * GIB),))
    assert isinstance(decided([large, LATEST])[2], Archive)
    found = decided([large, LATEST], capability=replace(UNVERSIONED, copy_in_parts=False))[2]
    assert (found.rule, "5 GiB" in found.reason) == ("archive", True)


@pytest.mark.parametrize(
    "storage_class", ["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", "X"]
)
def test_nothing_ever_gets_hotter_and_unknown_classes_stay(storage_class: str) -> None:
    found = decided([artifact(2, 60, classes=(share(storage_class),)), LATEST])[2]
    assert (found.rule, "hotter" in found.reason) == ("archive", True)


def test_small_objects_alone_are_not_worth_an_archive() -> None:
    assert decided([artifact(2, 60, classes=(share(size=100_000),)), LATEST])[2].rule == "archive"
