"""Every checkpoint gets one decision, with its rule; only what no rule keeps is cleared."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from lifecycle.decide.checkpoints import by_run, decide, decide_run, run_of
from lifecycle.model import (
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    FailedGate,
    Keep,
    PriceList,
    Surroundings,
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
    around = Surroundings(
        "snapshot",
        DAY,
        {"s3": PriceList(DAY, {})},
        {"s3://train": GIB},
        gates,
        {"s3://train": capability} if capability else {},
    )
    runs = by_run(sorted(artifacts, key=run_of))
    return {d.artifact.step: d for d in decide(runs, around, by or policy(), DAY)}


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
    around = Surroundings("s", DAY, capabilities={"s3://train": UNVERSIONED})
    assert [d.rule for d in decide_run(by_epoch, around, policy(), DAY)] == ["delete", "delete", "latest"]


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


def test_many_deletes_go_in_one_request_where_each_has_its_own_condition() -> None:
    batches = replace(UNVERSIONED, delete_batch=True)
    found = decided([artifact(1, 400), LATEST], capability=batches)[1]
    assert isinstance(found, Delete)
    assert found.path == "delete-batch-if-match"
    # One by one must be safe too: that is how an interrupted one is finished.
    only_batches = replace(batches, delete=False)
    cold = artifact(1, 400, classes=(share("GLACIER_IR"),))
    assert isinstance(decided([cold, LATEST], capability=only_batches)[1], Keep)


def test_a_class_that_cannot_be_read_at_once_needs_the_policys_word() -> None:
    by = policy("to: GLACIER_IR", "to: DEEP_ARCHIVE, cold: accept")
    found = decided([artifact(2, 60), LATEST], by)[2]
    assert isinstance(found, Archive)
    assert found.to == "DEEP_ARCHIVE"


GOOGLE = BucketCapability("train", "off", True, True, False, True, scheme="gs", soft_delete_days=7)
ON_GOOGLE = POLICY.replace("s3://", "gs://").replace("GLACIER_IR", "COLDLINE")


def decided_on_google(
    *artifacts: Artifact, by: str = ON_GOOGLE, capability: BucketCapability = GOOGLE
) -> dict[int | None, Decision]:
    moved = [
        replace(a, uri=a.uri.replace("s3:", "gs:"), checkpoint_id=a.uri.replace("s3:", "gs:"))
        for a in (*artifacts, LATEST)
    ]
    around = Surroundings("snapshot", DAY, capabilities={"gs://train": capability})
    return {
        d.artifact.step: d
        for d in decide_run(
            moved, around, parse_policy(by.replace(", irreversible: true", ""), origin="p"), DAY
        )
    }


@pytest.mark.parametrize(
    "said", [{"soft_delete_days": 7}, {"soft_delete_days": 0, "versioning": "on"}], ids=["soft", "versions"]
)
def test_where_cloud_storage_keeps_what_is_deleted_a_delete_can_be_undone(said: dict[str, object]) -> None:
    # Even where the condition is not enforced, as with S3's delete markers.
    loose = replace(GOOGLE, delete=False, **said)  # type: ignore[arg-type]
    found = decided_on_google(artifact(1, 400), capability=loose)[1]
    assert isinstance(found, Delete)
    assert found.path == "soft-delete"


def test_without_soft_delete_and_versions_a_delete_on_cloud_storage_needs_the_policys_word() -> None:
    bare = replace(GOOGLE, soft_delete_days=0)
    cold = artifact(1, 400, classes=(share("ARCHIVE"),))
    kept = decided_on_google(cold, capability=bare)[1]
    assert (kept.rule, "for good" in kept.reason) == ("delete", True)
    around = Surroundings("s", DAY, capabilities={"gs://train": bare})
    by = parse_policy(ON_GOOGLE, origin="p")
    old = replace(cold, uri="gs://train/runs/chat/checkpoint-1")
    newest = replace(LATEST, uri="gs://train/runs/chat/checkpoint-900")
    found = decide_run([old, newest], around, by, DAY)[0]
    assert isinstance(found, Delete)
    assert found.path == "delete-if-match"
    unsafe = replace(around, capabilities={"gs://train": replace(bare, delete=False)})
    assert "generations" in decide_run([old, newest], unsafe, by, DAY)[0].reason


def test_on_cloud_storage_a_rewrite_has_no_limit_of_size() -> None:
    large = artifact(2, 60, classes=(share(size=50 * GIB),))
    found = decided_on_google(large)[2]
    assert isinstance(found, Archive)
    assert found.to == "COLDLINE"


def test_nothing_is_archived_where_the_bucket_chooses_classes_itself() -> None:
    found = decided_on_google(artifact(2, 60), capability=replace(GOOGLE, autoclass=True))[2]
    assert (found.rule, "Autoclass" in found.reason) == ("archive", True)


@pytest.mark.parametrize("to", ["GLACIER_IR", "STANDARD_IA"])
def test_a_class_of_another_cloud_keeps(to: str) -> None:
    found = decided_on_google(artifact(2, 60), by=ON_GOOGLE.replace("COLDLINE", to))[2]
    assert (found.rule, found.reason) == ("archive", f"{to} is no class of gs:// buckets")


def test_a_policy_about_a_bucket_is_not_about_one_of_that_name_in_another_cloud() -> None:
    found = decided_on_google(artifact(1, 400), by=ON_GOOGLE.replace("gs://", "s3://"))[1]
    assert found.rule == "match"
