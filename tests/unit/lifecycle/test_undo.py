"""Undoing a plan: everything back that can be, nothing that came later touched, and a plan used up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import boto3
import pytest

from lifecycle import steps
from lifecycle.errors import AclChanged, PlanRefused
from lifecycle.model import PriceList
from lifecycle.providers import CANARY_PREFIX, ClassChange, MemoryProvider, ObjectState
from lifecycle.steps.run import directory_of
from lifecycle.undo.costs import Leg, Tally, cost_of
from pipelines.demo.objects import StoredObject

if TYPE_CHECKING:
    from pathlib import Path

    from lifecycle.undo.journey import UndoReport
    from tests.unit.lifecycle.conftest import Lab, Save

BUCKET, VERSIONED = "acme-training", "acme-datasets"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
"""A store on this machine reads the clock."""
KEEPS_DELETES = """
name: stale
match: {kind: checkpoint, buckets: ["s3://acme-training", "s3://acme-datasets"], prefixes: ["runs/"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 90d}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""
"""Nothing is deleted for good: archives where there are no versions, delete markers where there are."""


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def fill(lab: Lab) -> dict[str, Save]:
    """One checkpoint to archive in the one bucket, one to delete in the other."""
    saves = {
        "stale": lab.save(200, 60),
        "latest": lab.save(400, 10),
        "old": lab.save(100, 120, bucket=VERSIONED),
        "last": lab.save(500, 10, bucket=VERSIONED),
    }
    if not lab.url and VERSIONED in memory(lab).buckets:
        _know_versions(lab)
    return saves


def _know_versions(lab: Lab) -> None:
    """Let the snapshot know what versions the objects have."""
    versions = memory(lab).buckets[VERSIONED].keys

    def known(item: StoredObject) -> StoredObject:
        state = versions[item.key][-1] if item.bucket == VERSIONED else None
        return replace(item, version_id=state.version_id) if state else item

    lab.saves[:] = [replace(made, objects=tuple(map(known, made.objects))) for made in lab.saves]


def everything(lab: Lab) -> dict[str, dict[str, str]]:
    return {bucket: lab.classes(bucket) for bucket in (BUCKET, VERSIONED)}


def home(lab: Lab, plan: str) -> Path:
    return lab.home / "lake" / "plans" / plan


@pytest.fixture
def applied(lab: Lab) -> str:
    """A plan that was carried out."""
    fill(lab)
    plan = lab.approved(KEEPS_DELETES)
    assert steps.apply(lab.run(), plan).is_clean
    return plan


def test_an_applied_plan_is_undone_and_verified(lab: Lab) -> None:
    fill(lab)
    before = everything(lab)
    plan = lab.approved(KEEPS_DELETES)
    steps.apply(lab.run(), plan)
    assert everything(lab) != before
    report = steps.undo(lab.run(), plan, "Ada", "the run goes on")
    assert report.is_clean
    assert [chunk.results for chunk in report.chunks] == [{"done": 5}]
    assert everything(lab) == before
    found = steps.verify(lab.run(), plan)
    assert found.is_clean
    assert found.is_undone
    assert found.checked == {"kept": 7, "restored": 5}


def test_what_was_deleted_for_good_is_listed(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    report = steps.undo(lab.run(), plan)
    (chunk,) = report.chunks
    assert (chunk.results, chunk.for_good, chunk.left) == ({"done": 2}, 3, 0)
    assert not report.is_clean
    assert {left.uri.rpartition("/")[2] for left in chunk.left_alone} == {
        key.rpartition("/")[2] for key in saves["old"].keys
    }
    found = steps.verify(lab.run(), plan)
    assert found.difference_count == 3
    assert found.left_out == {"for good": 3}
    assert found.left == 0
    assert {different.difference for different in found.differences} == {
        "it cannot be undone, as the plan said"
    }


def test_a_plan_that_was_never_applied_has_nothing_to_undo_and_may_be_applied(lab: Lab) -> None:
    fill(lab)
    plan = lab.approved(KEEPS_DELETES)
    report = steps.undo(lab.run(), plan)
    assert report.is_clean
    assert not report.chunks
    assert not (home(lab, plan) / "undo").exists()
    assert steps.apply(lab.run(), plan).is_clean


def test_who_went_back_and_why_is_noted_before_the_first_change(lab: Lab, applied: str) -> None:
    seen: list[bool] = []
    record = home(lab, applied) / "undo" / "record-0001.json"
    memory(lab).before_change = lambda _, key: (
        None if key.startswith(CANARY_PREFIX) else seen.append(record.is_file())
    )
    steps.undo(lab.run(), applied, " Ada ", "the run goes on")
    assert seen
    assert all(seen)
    noted = json.loads(record.read_text())
    assert (noted["by"], noted["reason"], noted["plan_id"]) == ("Ada", "the run goes on", applied)
    assert noted["at"].endswith("Z")


def test_a_second_undo_changes_and_notes_nothing(lab: Lab, applied: str) -> None:
    steps.undo(lab.run(), applied)
    before, files = list(memory(lab).changes), _contents(home(lab, applied))
    assert steps.undo(lab.run(), applied).is_clean
    assert memory(lab).changes == before
    assert _contents(home(lab, applied)) == files


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_plan_that_was_undone_is_never_applied_again(lab: Lab) -> None:
    fill(lab)
    plan = lab.approved(KEEPS_DELETES)
    run = lab.run(is_stopped=lambda: len(memory(lab).changes) >= 2, workers=1)
    assert not steps.apply(run, plan).is_finished
    steps.undo(lab.run(), plan)
    before = list(memory(lab).changes)
    with pytest.raises(PlanRefused, match="was undone"):
        steps.apply(lab.run(), plan)
    with pytest.raises(PlanRefused, match="was undone"):
        steps.approve(lab.run(), plan, "Ada")
    assert memory(lab).changes == before


def test_an_undo_while_an_apply_runs_is_refused(lab: Lab, applied: str) -> None:
    directory = directory_of(lab.run(), applied)
    before = list(memory(lab).changes)
    with directory.locked("chunk-00000"), pytest.raises(PlanRefused, match="is running"):
        steps.undo(lab.run(), applied)
    assert memory(lab).changes == before


def test_an_expired_plan_can_be_undone(lab: Lab, applied: str) -> None:
    assert steps.undo(lab.run(now=lab.now + timedelta(days=30)), applied).is_clean


def test_an_edited_plan_is_not_undone(lab: Lab, applied: str) -> None:
    path = home(lab, applied) / "plan.json"
    path.write_text(path.read_text().replace("GLACIER_IR", "STANDARD_IA"))
    before = list(memory(lab).changes)
    with pytest.raises(PlanRefused, match="edited"):
        steps.undo(lab.run(), applied)
    assert memory(lab).changes == before


def test_a_receipt_names_nothing_outside_of_its_plan(lab: Lab, applied: str) -> None:
    (journal,) = (home(lab, applied) / "receipts").glob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        line["uri"] = f"s3://{BUCKET}/runs/chat/checkpoint-400/model.safetensors"
    strange = {
        "action_id": "00000-000099",
        "event": "outcome",
        "at": "2026-11-21T06:00:00Z",
        "result": "done",
    }
    journal.write_text("".join(json.dumps(line) + "\n" for line in [*lines, strange]))
    before = len(memory(lab).changes)
    assert steps.undo(lab.run(), applied).is_clean
    changed = {key for _, key in memory(lab).changes[before:]}
    assert not any("checkpoint-400" in key for key in changed)


def test_a_word_to_stop_is_heard_before_and_between_changes(lab: Lab, applied: str) -> None:
    stop = home(lab, applied) / "stop"
    stop.touch()
    with pytest.raises(PlanRefused, match="asked to stop"):
        steps.undo(lab.run(), applied)
    assert not (home(lab, applied) / "undo").exists()
    stop.unlink()
    told: list[tuple[int, int]] = []
    run = lab.run(is_stopped=lambda: len(told) >= 2, on_progress=lambda *n: told.append(n), workers=1)
    report = steps.undo(run, applied)
    assert report.left == 3
    assert told == [(1, 5), (2, 5)]
    found = steps.verify(lab.run(), applied)
    assert (found.left, found.difference_count) == (3, 3)
    assert steps.undo(lab.run(), applied).is_clean


def test_copies_stay_where_conditions_are_no_longer_enforced_and_markers_still_go(
    lab: Lab, applied: str
) -> None:
    memory(lab).enforced -= {"copy-destination"}
    report = steps.undo(lab.run(), applied)
    assert report.chunks[0].results == {"failed": 2, "done": 3}
    assert "does not enforce" in report.chunks[0].left_alone[0].reason
    assert "GLACIER_IR" in lab.classes().values()
    memory(lab).enforced |= {"copy-destination"}
    assert steps.undo(lab.run(), applied).is_clean


def test_a_bucket_that_cannot_be_measured_is_told(lab: Lab, applied: str) -> None:
    kept = memory(lab).buckets.pop(BUCKET)
    report = steps.undo(lab.run(), applied)
    assert report.chunks[0].results == {"failed": 2, "done": 3}
    memory(lab).buckets[BUCKET] = kept
    assert steps.undo(lab.run(), applied).is_clean


def test_markers_go_without_a_canary(lab: Lab) -> None:
    lab.save(100, 120, bucket=VERSIONED)
    lab.save(500, 10, bucket=VERSIONED)
    _know_versions(lab)
    plan = lab.approved(KEEPS_DELETES)
    steps.apply(lab.run(), plan)
    touched: list[str] = []
    memory(lab).before_change = lambda _, key: touched.append(key)
    assert steps.undo(lab.run(), plan).is_clean
    assert not [key for key in touched if key.startswith(CANARY_PREFIX)]


def test_what_somebody_wrote_after_the_apply_stays_and_is_told_by_verify(lab: Lab, applied: str) -> None:
    keys = [next(iter(lab.saves[number].keys)) for number in (0, 2)]
    for bucket, key in zip((BUCKET, VERSIONED), keys, strict=True):
        lab.provider.put(bucket, ObjectState(key, "new", 5, lab.now, "STANDARD"))  # type: ignore[attr-defined]
    report = steps.undo(lab.run(), applied)
    assert not report.is_clean
    for bucket, key in zip((BUCKET, VERSIONED), keys, strict=True):
        assert lab.provider.head(bucket, key).etag == "new"
    found = steps.verify(lab.run(), applied)
    assert not found.is_clean
    told = {different.uri: different.difference for different in found.differences}
    for bucket, key in zip((BUCKET, VERSIONED), keys, strict=True):
        assert told[f"s3://{bucket}/{key}"] == "somebody wrote it since"


def test_verify_after_an_undo_looks_with_its_own_eyes(lab: Lab, applied: str) -> None:
    steps.undo(lab.run(), applied)
    key = lab.saves[0].keys[0]
    versions = memory(lab).buckets[BUCKET].keys
    versions[key][-1] = replace(versions[key][-1], storage_class="STANDARD_IA")
    del versions[lab.saves[0].keys[1]]
    found = steps.verify(lab.run(), applied)
    assert {d.difference for d in found.differences} == {
        "its class is STANDARD_IA, not STANDARD",
        "it is not there",
    }


def test_an_undone_plan_keeps_no_snapshot(lab: Lab) -> None:
    fill(lab)
    plan = lab.approved(KEEPS_DELETES)
    run = lab.run(is_stopped=lambda: len(memory(lab).changes) >= 1, workers=1)
    assert not steps.apply(run, plan).is_finished
    assert steps.undo(lab.run(), plan).is_clean
    assert (home(lab, plan) / "finished.json").is_file()


def test_going_back_early_costs_what_is_left_of_the_minimum_time(lab: Lab) -> None:
    fill(lab)
    plan = lab.approved(KEEPS_DELETES)
    steps.apply(lab.run(), plan)
    after = lab.now + timedelta(days=60)
    report = steps.undo(lab.run(now=after, clock=lambda: after), plan)
    # 3 GiB: 30 of 90 days at 0.004, two requests into STANDARD without a listed price.
    assert report.cost.one_off_usd == Decimal("0.012")
    assert report.cost.usd_month == 3 * Decimal("0.016")
    assert report.cost.unpriced_bytes == 0


def test_without_a_published_snapshot_undo_works_and_cost_is_not_known(lab: Lab, applied: str) -> None:
    (lab.home / "lake" / "published" / "current.json").unlink()
    report = steps.undo(lab.run(), applied)
    assert report.is_clean
    assert report.cost.unpriced_bytes > 0


def test_a_class_without_a_price_is_not_called_free() -> None:
    tally = Tally()
    tally.add(Leg("gs", "ARCHIVE", "STANDARD", 3), 1000)
    assert cost_of(tally, {}).unpriced_bytes == 1000
    assert cost_of(tally, {"gs": PriceList(YESTERDAY, {})}).one_off_usd == 0


class _Moto:
    """A plan applied on a strict S3 endpoint, with the clock of this machine."""

    def __init__(self, serve: Callable[..., Lab]) -> None:
        self.lab = serve(fill, as_of=YESTERDAY)
        self.client = boto3.client("s3", endpoint_url=self.lab.url)
        self.stale, _, self.old, _ = self.lab.saves

    def apply(self) -> str:
        run = self.lab.run(clock=steps.utc_now)
        plan = self.lab.approved(KEEPS_DELETES)
        assert steps.apply(run, plan).is_clean
        return plan

    def undo(self, plan: str) -> UndoReport:
        return steps.undo(self.lab.run(clock=steps.utc_now), plan)


@pytest.fixture
def moto(serve: Callable[..., Lab]) -> _Moto:
    return _Moto(serve)


def test_on_s3_classes_and_versions_come_back(moto: _Moto) -> None:
    before = everything(moto.lab)
    versions = {v.version_id for v in moto.lab.provider.versions(VERSIONED, "runs/")}
    plan = moto.apply()
    assert not set(moto.old.keys) & set(moto.lab.classes(VERSIONED))
    assert moto.undo(plan).is_clean
    assert everything(moto.lab) == before
    assert {v.version_id for v in moto.lab.provider.versions(VERSIONED, "runs/")} == versions
    assert steps.verify(moto.lab.run(), plan).is_clean


def test_on_s3_what_was_written_since_is_neither_replaced_nor_removed(moto: _Moto) -> None:
    plan = moto.apply()
    rewritten = moto.stale.keys[0]
    moto.client.put_object(Bucket=BUCKET, Key=rewritten, Body=b"new")
    moto.client.put_object(Bucket=VERSIONED, Key=moto.old.keys[0], Body=b"new")
    report = moto.undo(plan)
    assert report.chunks[0].results["changed"] == 2
    for bucket, key in ((BUCKET, rewritten), (VERSIONED, moto.old.keys[0])):
        assert moto.client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"new"
    assert not steps.verify(moto.lab.run(), plan).is_clean


def test_a_copy_after_which_others_may_read_it_is_done_and_says_so_there_and_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_class, said = lab.provider.change_class, "its access is another one"

    def with_other_grants(bucket: str, state: ObjectState, change: ClassChange) -> str:
        token = change_class(bucket, state, change)
        if state.key.startswith(CANARY_PREFIX):
            return token
        raise AclChanged(token, said)

    monkeypatch.setattr(lab.provider, "change_class", with_other_grants)
    lab.save(200, 60)
    lab.save(400, 10)
    plan = lab.approved()
    assert steps.apply(lab.run(), plan).is_clean
    assert steps.undo(lab.run(), plan, "Ada").is_clean
    folder = lab.home / "lake" / "plans" / plan
    for journal in ("receipts", "undo"):
        (path,) = (folder / journal).glob("*.jsonl")
        receipts = [json.loads(line) for line in path.read_text().splitlines()]
        done = [line for line in receipts if line.get("result") == "done"]
        assert {(line["detail"], bool(line["etag"])) for line in done} == {(said, True)}
