"""The safety rules of the lifecycle, one by one. Each test fails when its rule is taken out of the code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from lifecycle import settings, steps
from lifecycle.errors import LimitPassed, NotEnforced, PlanRefused, Protected, UnsafePolicy
from lifecycle.providers import CANARY_PREFIX, ClassChange, MemoryProvider, ObjectState, Removal, Target
from pipelines.errors import Refused, Transient

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

POLICY = """
name: stale
match: {kind: checkpoint, buckets: ["s3://acme-training", "s3://acme-datasets"], prefixes: ["runs/"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 90d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def changes(lab: Lab) -> list[tuple[str, str]]:
    return memory(lab).changes


def refuse_and_change_nothing(lab: Lab, plan: str, kind: type[Refused], words: str) -> None:
    before = list(changes(lab))
    with pytest.raises(kind, match=words) as caught:
        steps.apply(lab.run(), plan)
    assert caught.value.exit_code == 4
    assert changes(lab) == before


def test_rule_1_an_empty_policy_and_one_that_matches_everything_are_refused(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    for text in ("", POLICY.replace("match:", "# match:")):
        with pytest.raises(UnsafePolicy):
            lab.plan(text)
    assert not (lab.home / "lake" / "plans").exists()


def test_rule_2_what_is_protected_in_the_facts_is_never_planned(lab: Lab) -> None:
    served = lab.save(100, 200, is_protected=True, protected_because="models:/chat/3")
    lab.save(400, 10)
    plan = lab.approved()
    assert steps.why(lab.run(), plan, served.uri).reason == "protected: models:/chat/3"
    assert not steps.chunks(lab.run(), plan)


@pytest.mark.parametrize("beside", ["", "/model.safetensors", "/.."])
def test_rule_2_what_was_registered_since_is_protected_when_applying(lab: Lab, beside: str) -> None:
    saves = lab.fill()
    plan = lab.approved()
    where = saves["old"].uri + beside if beside != "/.." else saves["old"].uri.rpartition("/")[0]
    lab.registered(where)
    refuse_and_change_nothing(lab, plan, Protected, "registry names")


def test_rule_2_a_registry_that_cannot_be_read_protects_everything(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    (lab.home / "registry" / "answer.json").write_text("<html>bad gateway</html>")
    refuse_and_change_nothing(lab, plan, Protected, "cannot be read")


def test_rule_2_a_pin_since_the_plan_protects_when_applying(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    pin = ObjectState(f"{saves['stale'].keys[0].rpartition('/')[0]}/PINNED", "e", 0, lab.now, "STANDARD")
    memory(lab).put("acme-training", pin)
    refuse_and_change_nothing(lab, plan, Protected, "somebody pinned")


def test_rule_2_an_object_on_hold_is_left_alone(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    held = saves["old"].keys[0]
    versions = memory(lab).buckets["acme-training"].keys[held]
    assert versions[-1]
    versions[-1] = replace(versions[-1], hold="legal hold")
    report = steps.apply(lab.run(), plan)
    assert not report.is_clean
    assert held in lab.classes()
    assert lab.results(plan)[held] == "protected"


def test_rule_3_every_decision_carries_its_reason_and_why_prints_it_for_any_object(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    lines = lab.lines(plan)
    assert len(lines) == 4
    assert all(line.rule and line.reason for line in lines)
    for made in saves.values():
        for key in made.keys:
            assert steps.why(lab.run(), plan, f"s3://{made.bucket}/{key}").reason


def test_rule_4_apply_takes_an_approved_plan_and_never_a_policy(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    with pytest.raises(Exception, match="no such plan"):
        steps.apply(lab.run(), str(lab.policy()))
    assert not changes(lab)


def test_rule_5_an_unapproved_plan_is_refused(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    refuse_and_change_nothing(lab, lab.plan().id, PlanRefused, "nobody approved")


def test_rule_5_an_approval_of_another_plan_does_not_count(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    first, second = lab.plan(), lab.plan(POLICY.replace("30d", "31d"))
    steps.approve(lab.run(), first.id, "Ada")
    approvals = Path(first.path) / "approvals"
    (Path(second.path) / "approvals").mkdir()
    for path in approvals.iterdir():
        (Path(second.path) / "approvals" / path.name).write_text(path.read_text())
    refuse_and_change_nothing(lab, second.id, PlanRefused, "nobody approved")


def test_rule_5_an_edited_plan_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    path = lab.home / "lake" / "plans" / plan / "plan.json"
    path.write_text(path.read_text().replace("checkpoint-300", "checkpoint-400"))
    refuse_and_change_nothing(lab, plan, PlanRefused, "the plan was edited")


def test_rule_5_an_edited_file_of_decisions_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    path = lab.home / "lake" / "plans" / plan / "decisions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    refuse_and_change_nothing(lab, plan, PlanRefused, "the plan was edited")


def test_rule_5_an_edited_action_file_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    home = lab.home / "lake" / "plans" / plan
    (home / "actions" / "chunk-00000.parquet").write_bytes((home / "survivors.parquet").read_bytes())
    refuse_and_change_nothing(lab, plan, PlanRefused, "the plan was edited")


def test_rule_5_a_chunk_is_refused_when_a_file_that_it_needs_was_edited(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.steps.planning.chunk_size", lambda _tally, _terms: 2)
    lab.fill()
    plan = lab.approved()
    home = lab.home / "lake" / "plans" / plan
    first, second = steps.chunks(lab.run(), plan)
    (home / "actions" / f"{second}.parquet").write_bytes((home / "actions" / f"{first}.parquet").read_bytes())
    before = list(changes(lab))
    with pytest.raises(PlanRefused, match="the plan was edited"):
        steps.apply_chunk(lab.run(), plan, second)
    with pytest.raises(PlanRefused, match="the plan was edited"):
        steps.apply(lab.run(), plan)
    for needed in ("decisions.parquet", "survivors.parquet"):
        sealed = (home / needed).read_bytes()
        (home / needed).write_bytes(sealed + b" ")
        with pytest.raises(PlanRefused, match="the plan was edited"):
            steps.apply_chunk(lab.run(), plan, first)
        (home / needed).write_bytes(sealed)
    assert changes(lab) == before


def test_rule_5_a_stale_plan_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    lab.publish("two")
    refuse_and_change_nothing(lab, plan, PlanRefused, "the plan is stale")


def test_rule_5_an_expired_plan_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    with pytest.raises(PlanRefused, match="the plan expired at"):
        steps.apply(lab.run(now=lab.now + timedelta(hours=24)), plan)
    assert not changes(lab)


def test_rule_5_a_plan_of_other_code_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.fill()
    plan = lab.approved()
    monkeypatch.setattr(settings, "code_version", lambda: "0.2.0+other")
    refuse_and_change_nothing(lab, plan, PlanRefused, "the plan is foreign")


def test_rule_5_a_used_up_plan_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    assert steps.apply(lab.run(), plan).is_finished
    refuse_and_change_nothing(lab, plan, PlanRefused, "it is used up")


@pytest.mark.parametrize(
    "limit, words",
    [
        ("objects: 1000", "objects: 4"),
        ("bytes: 50TiB", "bytes: 1GiB"),
        ("usd_month: 5000", "usd_month: 0.01"),
        ("share_of_bucket: 1", "share_of_bucket: 0.1"),
    ],
)
def test_rule_6_above_a_limit_the_plan_is_refused(lab: Lab, limit: str, words: str) -> None:
    lab.fill()
    lab.publish()
    with pytest.raises(LimitPassed, match=limit.split(":", maxsplit=1)[0]):
        lab.plan(POLICY.replace(limit, words))
    assert not (lab.home / "lake" / "plans").exists()


def test_rule_7_nothing_is_deleted_for_good_unless_the_policy_says_so(lab: Lab) -> None:
    saves = lab.fill()
    lab.publish()
    plan = lab.approved(POLICY.replace(", irreversible: true", ""))
    assert steps.apply(lab.run(), plan).is_clean
    assert set(saves["old"].keys) <= set(lab.classes())


def test_rule_7_where_versions_are_kept_a_delete_leaves_the_version(lab: Lab) -> None:
    old = lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    for made in lab.saves:
        versions = memory(lab).buckets["acme-datasets"].keys
        stamped = tuple(
            replace(item, version_id=state.version_id)
            for item in made.objects
            if (state := versions[item.key][-1])
        )
        lab.saves[lab.saves.index(made)] = replace(made, objects=stamped)
    plan = lab.approved(POLICY.replace(", irreversible: true", ""))
    assert steps.apply(lab.run(), plan).is_clean
    assert not set(old.keys) & set(lab.classes("acme-datasets"))
    assert {state.key for state in lab.provider.versions("acme-datasets", old.keys[0])}
    assert steps.verify(lab.run(), plan).is_clean


def test_rule_8_a_run_keeps_its_floor_and_one_without_a_complete_checkpoint_is_not_touched(lab: Lab) -> None:
    for step in (100, 200, 300, 400):
        lab.save(step, 400 - step / 10)
        lab.save(step, 400 - step / 10, run="runs/broken", state="incomplete")
    plan = lab.approved(POLICY.replace("min_complete_per_run: 1", "min_complete_per_run: 3"))
    changed = [(line.run, line.step) for line in lab.lines(plan) if line.is_change]
    assert changed == [("runs/chat", 100)]


def test_rule_8_when_others_removed_what_was_to_remain_nothing_more_goes(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    for name in ("latest", "young", "stale"):
        del memory(lab).buckets["acme-training"].keys[saves[name].keys[0]]
    refuse_and_change_nothing(lab, plan, Protected, "still whole")


@pytest.mark.parametrize("condition", ["copy-source", "copy-destination", "delete-batch"])
def test_rule_9_where_a_condition_is_no_longer_enforced_nothing_is_changed(lab: Lab, condition: str) -> None:
    lab.fill()
    plan = lab.approved()
    memory(lab).enforced -= {condition}
    refuse_and_change_nothing(lab, plan, NotEnforced, "does not keep to")


def test_rule_9_where_conditions_are_not_enforced_only_safe_paths_are_planned_and_the_plan_says_so(
    lab: Lab,
) -> None:
    memory(lab).enforced = frozenset()
    lab.fill()
    lab.publish()
    made = lab.plan()
    assert {line.path for line in lab.lines(made.id) if line.is_change} == {"tag-and-rule"}
    assert any("no copy is safe there" in warning for warning in made.warnings)
    assert any("conditions on deletes" in warning for warning in made.warnings)


def test_rule_9_where_not_even_tags_are_taken_nothing_is_planned_and_the_plan_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(lab).enforced = frozenset()
    monkeypatch.setattr(memory(lab), "tag", lambda *_said: None)
    lab.fill()
    lab.publish()
    made = lab.plan()
    assert not made.has_changes
    assert any("conditions on copies" in warning for warning in made.warnings)


def test_rule_9_versioning_that_was_switched_off_since_is_refused(lab: Lab) -> None:
    lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    plan = lab.approved()
    memory(lab).buckets["acme-datasets"].versioning = "off"
    refuse_and_change_nothing(lab, plan, NotEnforced, "versioning")


@pytest.mark.parametrize("change", ["etag", "size_bytes", "last_modified_at", "storage_class"])
def test_rule_9_an_object_that_changed_since_the_plan_is_left_alone(lab: Lab, change: str) -> None:
    saves = lab.fill()
    plan = lab.approved()
    key = saves["old"].keys[0]
    versions = memory(lab).buckets["acme-training"].keys[key]
    others = {"etag": "other", "size_bytes": 7, "last_modified_at": lab.now, "storage_class": "STANDARD_IA"}
    assert versions[-1]
    versions[-1] = replace(versions[-1], **{change: others[change]})  # type: ignore[arg-type]
    report = steps.apply(lab.run(), plan)
    assert not report.is_clean
    assert key in lab.classes()
    assert lab.results(plan)[key] in ("changed", "skipped")


def test_rule_9_an_object_that_changes_between_look_and_change_is_left_alone(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    key = saves["old"].keys[0]

    def somebody_writes(name: str, changed: str) -> None:
        if (name, changed) == ("delete", key):
            memory(lab).put("acme-training", ObjectState(key, "new", 5, lab.now, "STANDARD"))

    memory(lab).before_change = somebody_writes
    assert not steps.apply(lab.run(), plan).is_clean
    assert key in lab.classes()
    assert lab.results(plan)[key] == "changed"


def test_rule_10_each_change_is_journaled_before_and_after(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    journal = lab.home / "lake" / "plans" / plan / "receipts" / "chunk-00000.jsonl"
    seen: list[tuple[str, str]] = []

    def read_journal(_: str, key: str) -> None:
        if not key.startswith(CANARY_PREFIX):
            lines = [json.loads(line) for line in journal.read_text().splitlines()]
            seen.append((key, next(line["event"] for line in reversed(lines) if line["uri"].endswith(key))))

    memory(lab).before_change = read_journal
    steps.apply(lab.run(), plan)
    assert len(seen) == 5
    assert {event for _, event in seen} == {"intent"}
    assert set(lab.results(plan).values()) == {"done"}


class _Killed(BaseException):
    """What a SIGKILL looks like from inside."""


class _Dying:
    """A provider whose process dies at the n-th change: before it has an effect, or after."""

    def __init__(self, inner: MemoryProvider, at: int, when: str) -> None:
        self._inner, self._at, self._when, self._begun = inner, at, when, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        return [self._delete(bucket, target) for target in targets]

    def _delete(self, bucket: str, target: Target) -> Removal:
        self._die(target.key, "before", 1)
        (answer,) = self._inner.delete_batch(bucket, [target])
        self._die(target.key, "after", 0)
        return answer

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        self._die(state.key, "before", 1)
        etag = self._inner.change_class(bucket, state, change)
        self._die(state.key, "after", 0)
        return etag

    def _die(self, key: str, when: str, count: int) -> None:
        if key.startswith(CANARY_PREFIX):
            return
        self._begun += count
        if (when, self._begun) == (self._when, self._at):
            raise _Killed


@pytest.mark.parametrize("dies_at", range(1, 6))
@pytest.mark.parametrize("when", ["before", "after"])
def test_rule_10_dying_at_any_change_and_running_again_does_everything_once(
    lab: Lab, dies_at: int, when: str
) -> None:
    lab.fill()
    plan = lab.approved()
    with pytest.raises(_Killed):
        steps.apply(lab.run(clouds={"s3": _Dying(memory(lab), dies_at, when)}, workers=1), plan)
    before = list(changes(lab))
    assert len(before) == dies_at - (when == "before")
    assert steps.apply(lab.run(), plan).is_finished
    assert len(before + changes(lab)[len(before) :]) == 5
    assert len(set(changes(lab))) == 5
    assert steps.verify(lab.run(), plan).is_clean


def test_rule_10_an_intent_without_an_outcome_is_settled_by_looking(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    provider = memory(lab)
    steps.apply(lab.run(), plan)
    count = len(provider.changes)
    home = lab.home / "lake" / "plans" / plan
    journal = home / "receipts" / "chunk-00000.jsonl"
    intents = [line for line in journal.read_text().splitlines() if '"event": "intent"' in line]
    journal.write_text("\n".join(intents) + '\n{"action_id": "torn')
    (home / "finished.json").unlink()
    assert steps.apply(lab.run(), plan).is_clean
    assert len(provider.changes) == count
    assert saves["stale"].keys[0] in lab.classes()


def test_rule_11_the_completeness_marker_goes_first(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    order: list[str] = []
    memory(lab).before_change = lambda name, key: order.append(key) if name == "delete" else None
    steps.apply(lab.run(), plan)
    deleted = [key for key in order if not key.startswith(CANARY_PREFIX)]
    assert deleted[0].endswith("trainer_state.json")
    assert sorted(deleted) == sorted(saves["old"].keys)


def test_rule_11_after_a_changed_marker_the_rest_of_the_checkpoint_stays(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    marker = saves["old"].keys[2]

    def somebody_writes(_name: str, key: str) -> None:
        if key == marker:
            memory(lab).put("acme-training", ObjectState(key, "new", 5, lab.now, "STANDARD"))

    memory(lab).before_change = somebody_writes
    assert not steps.apply(lab.run(), plan).is_clean
    assert set(saves["old"].keys) <= set(lab.classes())
    assert [lab.results(plan)[key] for key in saves["old"].keys] == ["skipped", "skipped", "changed"]


def test_rule_12_doubt_about_one_checkpoint_stops_before_the_first_change_of_any(lab: Lab) -> None:
    for step in range(100, 1000, 100):
        lab.save(step, 200 - step / 10)
    last = lab.save(1000, 40, run="runs/zebra")
    lab.save(1100, 10, run="runs/zebra")
    plan = lab.approved()
    memory(lab).put(
        "acme-training", ObjectState("runs/zebra/checkpoint-1000/PINNED", "e", 0, lab.now, "STANDARD")
    )
    refuse_and_change_nothing(lab, plan, Protected, last.uri.rpartition("/")[2])


def test_rule_12_a_snapshot_that_contradicts_itself_protects_the_checkpoint(lab: Lab) -> None:
    lab.fill()
    snapshot = lab.publish()
    with duckdb.connect(str(lab.home / "lake" / snapshot.warehouse)) as connection:
        connection.execute("update marts.checkpoints set object_count = 4 where step = 100")
    made = lab.plan()
    assert steps.why(lab.run(), made.id, lab.saves[0].uri).rule == "doubt"
    assert made.totals.delete.checkpoints == 0


def test_rule_12_a_store_that_stops_answering_leaves_too_much_and_the_next_run_finishes(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    provider, calls = memory(lab), 0

    def fail(_: str, key: str) -> None:
        nonlocal calls
        calls += not key.startswith(CANARY_PREFIX)
        if calls >= 3:
            raise Transient("the store does not answer", where=key, fix="Run again.")

    provider.before_change = fail
    with pytest.raises(Transient):
        steps.apply(lab.run(), plan)
    assert set(saves["latest"].keys) < set(lab.classes())
    provider.before_change = lambda _name, _key: None
    assert steps.apply(lab.run(), plan).is_finished
    assert steps.verify(lab.run(), plan).is_clean


def test_rule_13_verify_lists_the_bucket_and_does_not_believe_the_receipts(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    back, lost = saves["old"].keys[0], saves["latest"].keys[0]
    memory(lab).put("acme-training", ObjectState(back, "x", 1, lab.now, "STANDARD"))
    del memory(lab).buckets["acme-training"].keys[lost]
    hot = saves["stale"].keys[0]
    memory(lab).put("acme-training", ObjectState(hot, "x", 1024**3, lab.now, "STANDARD"))
    found = steps.verify(lab.run(), plan)
    assert {
        (entry.expected, entry.uri.rpartition("/")[2], entry.difference) for entry in found.differences
    } == {
        ("deleted", "model.safetensors", "it is still there"),
        ("kept", "model.safetensors", "it is not there"),
        ("archived", "model.safetensors", "its class is STANDARD, not GLACIER_IR"),
    }
    assert not found.is_clean


def test_rule_14_nothing_is_planned_on_facts_that_failed_a_gate(lab: Lab) -> None:
    lab.fill()
    lab.save(100, 400, run="runs/other", bucket="acme-datasets")
    lab.save(900, 10, run="runs/other", bucket="acme-datasets")
    lab.failed_gates.append(("inventory-fresh", "acme-training", "it is 9 days old"))
    plan = lab.approved()
    assert {line.bucket for line in lab.lines(plan) if line.is_change} == {"acme-datasets"}


def test_rule_14_a_bucket_whose_inventory_failed_is_kept_whole_while_others_go_on(lab: Lab) -> None:
    lab.fill()
    lab.save(100, 400, run="runs/other", bucket="acme-datasets")
    lab.save(900, 10, run="runs/other", bucket="acme-datasets")
    lab.exclusions.append(("inventory_is_fresh", "acme-training", "its listing is old"))
    plan = steps.show(lab.run(), lab.approved())
    lines = lab.lines(plan.id)
    assert {line.bucket for line in lines if line.is_change} == {"acme-datasets"}
    kept = [line for line in lines if line.bucket == "acme-training"]
    assert kept
    assert {line.rule for line in kept} == {"gate"}
    assert "inventory_is_fresh: 72 h, expected at most 48h. its listing is old" in kept[0].reason
    assert "nothing is planned in s3://acme-training: the check inventory_is_fresh failed" in plan.warnings


def test_rule_14_a_plan_is_refused_when_its_bucket_is_left_out_by_then(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    (published,) = (lab.home / "lake").glob("published/*/warehouse.duckdb")
    with closing(duckdb.connect(str(published))) as connection:
        connection.execute(
            "insert into marts.quality_results values "
            "('inventory_is_fresh', 'warn', false, '72 h', 'at most 48h', 'old', 'acme-training', true)"
        )
    with pytest.raises(PlanRefused, match="inventory_is_fresh"):
        steps.apply(lab.run(), plan)
    assert not changes(lab)


def test_rule_14_a_failed_gate_that_names_no_bucket_stops_everything(lab: Lab) -> None:
    lab.fill()
    lab.failed_gates.append(("bill-closes", "aws", "off by 3 %"))
    lab.publish()
    assert not lab.plan().has_changes


def test_rule_14_facts_older_than_the_policy_allows_are_refused_when_planning_and_applying(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    late = lab.ends_at + timedelta(hours=73)
    with pytest.raises(PlanRefused, match="the facts are too old"):
        steps.plan(lab.run(now=late), lab.policy())
    plan = lab.approved(POLICY + "expires: 30d\n")
    with pytest.raises(PlanRefused, match="the facts are too old"):
        steps.apply(lab.run(now=late), plan)
    assert not changes(lab)
