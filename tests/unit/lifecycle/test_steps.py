"""The lifecycle from a snapshot to a verified bucket."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from lifecycle import steps
from lifecycle.errors import PlanRefused
from lifecycle.plan import directory as plan_directory
from lifecycle.plan.decisions import sha256_of
from lifecycle.providers import ObjectState
from lifecycle.steps.run import directory_of
from pipelines import retention
from pipelines.domain.configuration import Source
from pipelines.errors import NotFound, Terminal
from pipelines.stores import LocalStore

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

COLUMNS = [
    *(
        "action_id",
        "action",
        "scheme",
        "bucket",
        "object_key",
        "version_id",
        "generation",
        "etag",
        "size_bytes",
    ),
    *("last_modified_at", "storage_class", "target_class", "checkpoint_id", "rule", "reason"),
    *("saving_usd_month", "path", "is_marker"),
]


def test_a_plan_is_made_approved_applied_and_verified(lab: Lab) -> None:
    saves = lab.fill()
    lab.publish()
    made = lab.plan()
    assert made.has_changes
    assert (made.totals.delete.checkpoints, made.totals.archive.checkpoints) == (1, 1)
    steps.approve(lab.run(), made.id, "Ada")
    report = steps.apply(lab.run(), made.id)
    assert report.is_clean
    assert report.is_finished
    found = lab.classes()
    assert not set(saves["old"].keys) & set(found)
    assert {found[key] for key in saves["stale"].keys[:2]} == {"GLACIER_IR"}
    assert found[saves["stale"].keys[2]] == "STANDARD"
    assert set(saves["latest"].keys) < set(found)
    assert steps.verify(lab.run(), made.id).is_clean
    assert not [key for key in found if key.startswith(".moraine-canary/")]


def test_the_lake_is_told_of_a_plan_that_is_kept_elsewhere(lab: Lab, tmp_path: Path) -> None:
    lab.fill()
    snapshot = lab.publish()
    made = steps.plan(lab.run(), lab.policy(), tmp_path / "plans of the team")

    (known,) = retention.unfinished_plans(LocalStore(lab.home / "lake"), lab.now)

    assert known == retention.Plan(made.id, snapshot.snapshot_id, made.expires_at)


def test_a_plan_directory_holds_what_the_contract_says(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    home = Path(lab.plan().path)
    assert home == lab.home / "lake" / "plans" / home.name
    document = json.loads((home / "plan.json").read_text())
    assert {"id", "fingerprint", "snapshot_id", "policy", "policy_hash", "price_date"} <= document.keys()
    assert {
        "code_version",
        "created_at",
        "expires_at",
        "totals",
        "capabilities",
        "warnings",
    } <= document.keys()
    table = pq.read_table(home / "actions" / "chunk-00000.parquet")
    assert table.column_names == COLUMNS
    rows = table.to_pylist()
    assert [row["action"] for row in rows] == ["archive"] * 2 + ["delete"] * 3
    assert [row["path"] for row in rows] == ["copy-in-place"] * 2 + ["delete-batch-if-match"] * 3
    assert all(row["reason"] and row["rule"] and row["etag"] for row in rows)


def test_planning_again_after_applying_finds_nothing_to_do(lab: Lab) -> None:
    saves = lab.fill()
    steps.apply(lab.run(), lab.approved())
    now = lab.classes()
    lab.saves.remove(saves["old"])
    lab.saves[:] = [
        replace(made, objects=tuple(replace(o, storage_class=now[o.key]) for o in made.objects))
        for made in lab.saves
    ]
    lab.publish("two")
    assert not lab.plan().has_changes


def test_nothing_to_do_is_a_plan_too(lab: Lab) -> None:
    lab.save(400, 10)
    plan = lab.approved()
    assert steps.chunks(lab.run(), plan) == []
    report = steps.apply(lab.run(), plan)
    assert report.is_clean
    assert steps.verify(lab.run(), plan).is_clean


def test_chunks_are_applied_one_by_one_in_any_order(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.steps.planning.chunk_size", lambda _tally, _terms: 2)
    lab.fill()
    plan = lab.approved()
    first, second = steps.chunks(lab.run(), plan)
    assert not steps.apply_chunk(lab.run(), plan, second).is_finished
    assert steps.apply_chunk(lab.run(), plan, second).is_clean
    assert steps.apply_chunk(lab.run(), plan, first).is_finished
    assert steps.verify(lab.run(), plan).is_clean
    with pytest.raises(NotFound, match="no such chunk"):
        steps.apply_chunk(lab.run(), plan, "chunk-00009")


def test_two_applies_cannot_run_together(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    directory = directory_of(lab.run(), plan)
    with directory.locked(None), pytest.raises(PlanRefused, match="another apply"):
        steps.apply(lab.run(), plan)
    with directory.locked("chunk-00000"), pytest.raises(PlanRefused, match="another apply"):
        steps.apply_chunk(lab.run(), plan, "chunk-00000")
    with directory.locked("chunk-00001"):
        assert steps.apply_chunk(lab.run(), plan, "chunk-00000").is_clean


def test_a_stop_ends_between_two_changes_and_running_again_goes_on(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    stop = lab.home / "lake" / "plans" / plan / "stop"
    stop.touch()
    report = steps.apply(lab.run(), plan)
    assert not report.is_clean
    assert not report.is_finished
    assert report.chunks[0].left == 5
    stop.unlink()
    told: list[tuple[int, int]] = []
    run = lab.run(is_stopped=lambda: len(told) >= 2, on_progress=lambda *n: told.append(n), workers=1)
    heard = steps.apply(run, plan)
    assert heard.chunks[0].left == 3
    assert told == [(1, 5), (2, 5)]
    assert steps.apply(lab.run(), plan).is_finished


def test_a_checkpoint_that_has_grown_is_left_out(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    folder = saves["old"].keys[0].rpartition("/")[0]
    new = ObjectState(f"{folder}/late.bin", "e", 5, lab.now, "STANDARD")
    lab.provider.put("acme-training", new)  # type: ignore[attr-defined]
    report = steps.apply(lab.run(), plan)
    assert report.chunks[0].results == {"done": 2, "skipped": 3}
    assert set(saves["old"].keys) < set(lab.classes())
    assert not steps.verify(lab.run(), plan).is_clean


def test_why_finds_the_checkpoint_of_an_object_and_nothing_else(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    assert steps.why(lab.run(), plan, saves["old"].uri + "/model.safetensors").decision == "delete"
    assert steps.why(lab.run(), plan, saves["old"].uri + "/").decision == "delete"
    with pytest.raises(NotFound, match="nothing there is touched"):
        steps.why(lab.run(), plan, saves["old"].uri + "0")


def test_a_plan_is_named_by_its_id_or_its_directory(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    made = steps.plan(lab.run(), lab.policy(), lab.home / "elsewhere")
    assert Path(made.path) == lab.home / "elsewhere" / made.id
    assert steps.show(lab.run(), made.path).id == made.id
    with pytest.raises(NotFound, match="no such plan"):
        steps.show(lab.run(), made.id)


def test_a_lake_in_a_bucket_needs_a_directory_for_plans(lab: Lab) -> None:
    config = lab.config
    config.write_text(config.read_text().replace("lake: lake", "lake: s3://lake/here"))
    run = steps.open_run(config, lab.now)
    with pytest.raises(Terminal, match="--out DIR"):
        steps.plan(run, lab.policy())


def test_a_canary_needs_a_bucket(lab: Lab) -> None:
    assert steps.canary(lab.run(), "s3://acme-datasets/any/key").versioning == "on"
    with pytest.raises(Terminal, match="needs a bucket"):
        steps.canary(lab.run(), "file:somewhere")


def test_an_approval_needs_a_name(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    made = lab.plan()
    with pytest.raises(Terminal, match="name"):
        steps.approve(lab.run(), made.id, "  ")
    approval = steps.approve(lab.run(), made.id, " Ada ", "over")
    assert (approval.by, approval.fingerprint) == ("Ada", made.fingerprint)
    assert json.loads((Path(made.path) / "approvals" / "0001.json").read_text())["reason"] == "over"


def test_an_unreadable_approval_counts_for_nothing(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    made = lab.plan()
    (Path(made.path) / "approvals").mkdir()
    (Path(made.path) / "approvals" / "0001.json").write_text('{"by": "Ada"}')
    with pytest.raises(PlanRefused, match="nobody approved"):
        steps.apply(lab.run(), made.id)


def test_the_policies_of_the_settings_are_found_by_path(lab: Lab) -> None:
    folder = lab.home / lab.run().settings.configuration.policies
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "b.yaml").write_text("name: b\n")
    (folder / "a.yaml").write_text("name: a\n")
    (folder / "notes.txt").write_text("no policy\n")
    found = [Path(path) for path in steps.policies(lab.run())]
    assert [path.name for path in found if path.name in ("a.yaml", "b.yaml", "notes.txt")] == [
        "a.yaml",
        "b.yaml",
    ]
    assert all(path.is_file() for path in found)


def test_settings_without_policies_say_where_one_goes(lab: Lab) -> None:
    for path in (lab.home / lab.run().settings.configuration.policies).glob("*.yaml"):
        path.unlink()
    with pytest.raises(NotFound, match="no policies"):
        steps.policies(lab.run())


def test_a_plan_of_settings_without_a_registry_warns(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    run = lab.run()
    bill = Source(name="bill", kind="focus", uri="bills")
    configuration = run.settings.configuration.model_copy(update={"sources": (bill,)})
    without = replace(run, settings=replace(run.settings, configuration=configuration))
    assert any("registry" in warning for warning in steps.plan(without, lab.policy()).warnings)
    assert not any("registry" in warning for warning in lab.plan().warnings)


def test_a_step_reads_each_file_of_a_plan_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return sha256_of(path)

    lab.fill()
    lab.publish()
    made = lab.plan()
    monkeypatch.setattr(plan_directory, "sha256_of", counted)
    everything = ["chunk-00000.parquet", "decisions.parquet", "survivors.parquet"]
    for step in (
        lambda: steps.approve(lab.run(), made.id, "Ada"),
        lambda: steps.apply_chunk(lab.run(), made.id, "chunk-00000"),
        lambda: steps.verify(lab.run(), made.id),
    ):
        hashed.clear()
        step()
        assert sorted(hashed) == everything
