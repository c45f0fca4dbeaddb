"""The labelled listings in `tests/corpus` say what counts as a checkpoint and what is protected."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.domain.configuration import Engine
from pipelines.reference.layout_catalogue import read_frameworks
from pipelines.sources.checkpoint_states import TABLE
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import Model, shipped_models
from tests.sql.conftest import landed
from tests.sql.corpus_measures import PAGE, Measured, measure, page
from tests.sql.corpus_states import read_states

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
AS_OF = date(2026, 11, 19)
LISTED_AT = datetime(2026, 11, 20)
KNOWN = ("deepspeed", "hf_trainer", "lightning", "orbax_gcs")
"""Where every word of every label is told, the roles of files too."""

KEPT_ALTHOUGH_NOT_LABELLED = {
    "deepspeed/neox/zero3/ckpt/global_step1500": "broken, but the newest step of its run",
    "hf_trainer/llm-sft/mistral-7b-chat-v4-crashed/checkpoint-1000": "broken, but the newest step of its run",
    "orbax_gcs/tpu/gemma-pretrain/ckpts/4000": "broken, but the newest step of its run",
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """What the warehouse says about the whole corpus."""

    checkpoints: Mapping[str, Row]
    objects: Mapping[tuple[str, str], Row]


def listing(name: str) -> list[Row]:
    lines = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


LISTINGS = {path.stem: listing(path.stem) for path in sorted(CORPUS.glob("*.jsonl"))}


def labels(*names: str) -> Iterator[tuple[str, str, Row]]:
    for name in names:
        for line in LISTINGS[name]:
            yield name, line["key"], line["label"]


def groups(*names: str) -> dict[str, Row]:
    return {f"{name}/{label['group']}": label for name, _, label in labels(*names) if label["group"]}


def inventory_row(bucket: str, line: Row) -> dict[str, object]:
    folder, slash, leaf = line["key"].rpartition("/")
    return {
        "bucket": bucket,
        "object_key": line["key"],
        "directory": folder + slash,
        "leaf": leaf,
        "size_bytes": line["size"],
        "etag": line["etag"],
        "storage_class": line["storage_class"],
        "last_modified_at": LISTED_AT + timedelta(days=line["last_modified"]),
        "lists_versions": False,
        "is_delete_marker": False,
        "snapshot_at": LISTED_AT,
    }


def google_row(bucket: str, line: Row) -> dict[str, object]:
    row = inventory_row(bucket, line)
    return {**row, "generation": 1, "created_at": row["last_modified_at"]}


def judge(folder: Path, listings: Mapping[str, list[Row]], table: str = "s3_inventory") -> Judged:
    """Build the warehouse of the listings and of what their small files say."""
    row_of = inventory_row if table == "s3_inventory" else google_row
    rows = [row_of(bucket, line) for bucket, lines in listings.items() for line in lines]
    listed = landed(folder, table, rows)
    said = read_states(folder, listed, listings, LISTED_AT, table)
    path = folder / "warehouse.duckdb"
    engine = Engine(memory_limit="1GB", temp_directory=str(folder / "spill"))
    inputs = Inputs(files={table: (listed,), TABLE: (landed(folder, TABLE, said),)})
    build_warehouse(path, inputs=inputs, as_of=AS_OF, engine=engine, models=checkpoint_models())
    with duckdb.connect(str(path), read_only=True) as made:
        found = _dicts(made, "marts.checkpoints")
        members = _dicts(made, "marts.checkpoint_objects")
    checkpoints = {row["checkpoint_id"].partition("://")[2]: row for row in found}
    objects = {(row["bucket"], row["object_key"]): row for row in members}
    assert len(objects) == len(members), "an object belongs to two checkpoints"
    assert sum(row["object_count"] for row in found) == len(members)
    return Judged(checkpoints, objects)


def _dicts(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    result = connection.execute(f"select * from {table}")
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def checkpoint_models() -> tuple[Model, ...]:
    needed = {"marts.checkpoints", "marts.checkpoint_objects"}
    for model in reversed(shipped_models()):
        if model.table in needed:
            needed.update(model.depends_on)
    return tuple(model for model in shipped_models() if model.table in needed)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(tmp_path_factory.mktemp("corpus"), LISTINGS)


@pytest.fixture(scope="module")
def measured(judged: Judged) -> tuple[Measured, ...]:
    return measure(labels(*LISTINGS), judged.checkpoints, judged.objects)


def test_checkpoints_are_recognised_as_well_as_promised(measured: tuple[Measured, ...]) -> None:
    total = measured[-1]
    assert total.objects > 1200
    assert total.groups > 180
    assert total.precision >= 0.999
    assert total.recall >= 0.98
    assert total.right / total.groups >= 0.98
    assert min(total.states, total.latests, total.bests) / total.compared >= 0.97


def test_the_page_about_checkpoints_is_current(measured: tuple[Measured, ...]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(measured, read_frameworks()), (
        "write it anew: python -m tests.sql.corpus_measures"
    )


def test_every_framework_of_the_labels_is_in_the_catalogue() -> None:
    known = {framework.framework for framework in read_frameworks()}
    assert {label["framework"] for _, _, label in labels(*LISTINGS) if label["group"]} <= known


def test_every_object_of_a_known_framework_is_in_the_checkpoint_that_its_label_names(judged: Judged) -> None:
    expected, made = {}, {}
    for name, key, label in labels(*KNOWN):
        row = judged.objects.get((name, key))
        made[name, key] = row and (
            row["framework"],
            row["run"],
            row["checkpoint_id"],
            row["step"],
            row["role"],
        )
        expected[name, key] = label["group"] and (
            label["framework"],
            label["run"],
            f"s3://{name}/{label['group']}",
            label["step"],
            label["role"],
        )
    assert made == expected
    assert len([row for row in made.values() if row]) == 453


def test_no_look_alike_becomes_a_checkpoint(judged: Judged) -> None:
    not_checkpoints = [(name, key) for name, key, label in labels(*LISTINGS) if not label["is_checkpoint"]]
    assert len(not_checkpoints) > 100
    assert [key for key in not_checkpoints if key in judged.objects] == []


def test_no_pointer_is_part_of_a_checkpoint(judged: Judged) -> None:
    pointers = [(name, key) for name, key, label in labels(*LISTINGS) if label["kind"] == "pointer"]
    assert len(pointers) > 10
    assert [key for key in pointers if key in judged.objects] == []


@pytest.mark.parametrize("name", KNOWN)
def test_state_kind_latest_and_epoch_are_those_of_the_labels(judged: Judged, name: str) -> None:
    labelled = groups(name)
    assert labelled
    made = {group: row for group, row in judged.checkpoints.items() if row["bucket"] == name}
    assert {
        group: (row["state"], row["kind"], row["is_latest"], row["epoch"]) for group, row in made.items()
    } == {
        group: (label["state"], label["kind"], label["latest"], label["epoch"])
        for group, label in labelled.items()
    }


def test_best_is_told_by_names_and_small_files_and_unknown_where_neither_tells(judged: Judged) -> None:
    labelled = groups(*KNOWN)
    told = {group for group, label in labelled.items() if label["best"] and label["best_from"] != "external"}
    assert told == {group for group in labelled if judged.checkpoints[group]["is_best"]}
    by_content = {group for group in told if labelled[group]["best_from"].startswith("content:")}
    assert {judged.checkpoints[group]["best_from"] for group in by_content} == {
        "content:trainer_state.json",
        "content:metrics",
    }
    silent = [group for group, label in labelled.items() if label["best"] and group not in told]
    assert {
        (judged.checkpoints[group]["is_best"], judged.checkpoints[group]["best_from"]) for group in silent
    } <= {(None, "unknown")}


def test_a_checkpoint_that_a_label_protects_is_protected(judged: Judged) -> None:
    protected = {group for group, label in groups(*KNOWN).items() if label["protected"]}
    assert {group for group in protected if not judged.checkpoints[group]["is_protected"]} == set()


def test_an_object_that_a_label_protects_is_never_in_an_unprotected_checkpoint(judged: Judged) -> None:
    at_risk = set()
    for name, key, label in labels(*LISTINGS):
        row = judged.objects.get((name, key))
        group = row and row["checkpoint_id"].partition("://")[2]
        if label["protected"] and group and not judged.checkpoints[group]["is_protected"]:
            at_risk.add(group)
    assert at_risk == set()


def test_what_no_label_protects_is_free_but_for_the_newest_step_of_a_run(judged: Judged) -> None:
    free = {group for group, label in groups(*KNOWN).items() if not label["protected"]}
    kept = {group for group in free if judged.checkpoints[group]["is_protected"]}
    assert kept == set(KEPT_ALTHOUGH_NOT_LABELLED)


def test_every_reason_to_keep_and_every_gap_is_said(judged: Judged) -> None:
    for row in judged.checkpoints.values():
        assert bool(row["protected_because"]) == row["is_protected"]
        assert bool(row["state_reason"]) == (row["state"] != "complete")


def test_a_missing_rank_and_a_missing_shard_are_named(judged: Judged) -> None:
    deepspeed = judged.checkpoints["deepspeed/neox/zero3/ckpt/global_step1500"]
    assert deepspeed["state_reason"] == "optimizer_states: 5 of 8 files, missing rank 2 and more"
    trainer = judged.checkpoints["hf_trainer/llm-sft/mistral-7b-chat-v4-crashed/checkpoint-1000"]
    assert "weights_shards: 2 of 3 files, missing shard 3" in trainer["state_reason"]
    assert "trainer_state.json: missing" in trainer["state_reason"]


def test_weights_and_optimizer_are_told_apart_only_where_they_are_apart(judged: Judged) -> None:
    apart = judged.checkpoints["deepspeed/neox/20b/checkpoints/global_step1000"]
    assert (apart["weights_bytes"], apart["optimizer_bytes"]) == (13958643712, 4 * 21474836480)
    together = judged.checkpoints["deepspeed/neox/zero3/ckpt/global_step500"]
    assert together["optimizer_bytes"] == 0


def without_commit_files(lines: list[Row]) -> list[Row]:
    return [line for line in lines if not line["key"].endswith("commit_success.txt")]


@pytest.mark.parametrize(
    "table, expected",
    [
        # Releases before 0.12.3 wrote no such file on S3: no proof of anything.
        pytest.param("s3_inventory", "complete", id="s3"),
        # Google Cloud Storage cannot rename: the file is the commit.
        pytest.param("gcs_inventory", "incomplete", id="gcs"),
    ],
)
def test_a_commit_file_that_no_save_has_means_opposite_things_on_the_two_clouds(
    tmp_path: Path, table: str, expected: str
) -> None:
    listings = {"orbax_gcs": without_commit_files(LISTINGS["orbax_gcs"])}
    result = judge(tmp_path, listings, table).checkpoints
    assert result["orbax_gcs/tpu/gemma-pretrain/ckpts/1000"]["state"] == expected


def test_on_google_cloud_the_labels_hold_as_well(tmp_path: Path) -> None:
    listings = {"orbax_gcs": LISTINGS["orbax_gcs"]}
    result = judge(tmp_path, listings, "gcs_inventory")
    states = {group: row["state"] for group, row in result.checkpoints.items()}
    assert states == {group: label["state"] for group, label in groups("orbax_gcs").items()}
    assert {row["provider"] for row in result.checkpoints.values()} == {"gcp"}
    assert {row["provider"] for row in result.objects.values()} == {"gcp"}
