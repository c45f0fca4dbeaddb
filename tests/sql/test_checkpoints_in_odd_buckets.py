"""Buckets that people really have: odd names, stray files, old versions, half-deleted saves."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import duckdb

from pipelines.domain.teams import Teams

AS_OF = date(2026, 1, 30)
LISTED_AT = datetime(2026, 1, 31)
MARTS = ("marts.checkpoints", "marts.checkpoint_objects", "marts.checkpoint_waste")

Row = Mapping[str, object]


class Build(Protocol):
    def __call__(
        self,
        rows: Mapping[str, Sequence[Row] | str],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
    ) -> duckdb.DuckDBPyConnection: ...


def stored(key: str, *, size: int = 1000, days_ago: float = 10, **more: object) -> Row:
    folder, slash, leaf = key.rpartition("/")
    return {
        "bucket": "b",
        "object_key": key,
        "directory": folder + slash,
        "leaf": leaf,
        "size_bytes": size,
        "storage_class": "STANDARD",
        "last_modified_at": LISTED_AT - timedelta(days=days_ago),
        "lists_versions": False,
        "snapshot_at": LISTED_AT,
        **more,
    }


def trainer_save(folder: str, *, days_ago: float = 10, **more: object) -> list[Row]:
    return [
        {**stored(f"{folder}/{leaf}", days_ago=days_ago), **more}
        for leaf in ("model.safetensors", "optimizer.pt", "trainer_state.json")
    ]


def judge(build: Build, objects: Sequence[Row], **tables: Sequence[Row]) -> dict[str, dict[str, Any]]:
    connection = build({"s3_inventory": objects, **tables}, MARTS, as_of=AS_OF)
    result = connection.execute("select * from marts.checkpoints")
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return {row["checkpoint_id"].removeprefix("s3://b/"): row for row in rows}


def states(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: row["state"] for name, row in found.items()}


LOOK_ALIKES = {
    "eval/checkpoint-100/cam.jpg": "pictures",
    "results/checkpoint-100/all_results.json": "results",
    "2024/final/_METADATA": "a year, not a step",
    "data/2024/part/manifest.ocdbt": "an array store",
    "7/commit_success.txt": "a commit of something",
    "models/v1-5-pruned.ckpt": "a downloaded model",
    "tf/bert_model.ckpt.index": "a downloaded model of another framework",
    "hub/sd_xl_base_1.0.safetensors": "a downloaded model",
    "datasets/shard-000001.safetensors": "a dataset",
    "serving/1762000000/variables/variables.data-00000-of-00001": "an export",
    "other/model.tar.gz": "an archive, of no job",
    "lake/_delta_log/_last_checkpoint": "a log",
    "flink/checkpoints/fd7/chk-101/_metadata": "a stream",
    "best/best.pt": "a best one alone",
    "rocksdb/checkpoint-000123/MANIFEST-000004": "a database",
    "zarr/step-3/0.0": "an array",
    "state/checkpoint_5": "a file of anybody",
    "anybody/last.ckpt": "a last one alone",
    "capitals/CHECKPOINT-5/trainer_state.json": "names are exact",
    "no_number/checkpoint-/trainer_state.json": "a checkpoint has a number",
    "a_hash/checkpoint-#/trainer_state.json": "a hash sign is no number",
    "text/my-checkpoint-5/trainer_state.json": "text in front",
    "trainer_state.json": "no folder",
    "base/model.safetensors": "weights alone",
    "tag/latest": "a pointer",
}


def test_what_only_looks_like_a_checkpoint_is_left_alone(build: Build) -> None:
    assert judge(build, [stored(key) for key in LOOK_ALIKES]) == {}


def test_names_are_exact_whatever_is_in_them(build: Build) -> None:
    runs = ("a_b", "aXb", "a%b", "a'b", 'a"b', "a\nb", "a  b ", "ä", "a#root", "a[1]*?", ".", "a=1")
    objects = [row for run in runs for row in trainer_save(f"{run}/checkpoint-5")]
    found = judge(build, objects)
    assert states(found) == {f"{run}/checkpoint-5": "complete" for run in runs}
    assert {row["run"] for row in found.values()} == set(runs)
    assert {row["object_count"] for row in found.values()} == {3}


def test_a_shorter_name_does_not_swallow_a_longer_one(build: Build) -> None:
    found = judge(build, trainer_save("run/checkpoint-5") + trainer_save("run/checkpoint-50"))
    assert {name: row["object_count"] for name, row in found.items()} == {
        "run/checkpoint-5": 3,
        "run/checkpoint-50": 3,
    }


def test_checkpoints_at_the_root_of_a_bucket_and_below_empty_folder_names(build: Build) -> None:
    objects = [
        *trainer_save("checkpoint-5"),
        *trainer_save("/checkpoint-6"),
        *trainer_save("run//checkpoint-7"),
        stored("epoch=1-step=2.ckpt"),
    ]
    found = judge(build, objects)
    assert {name: row["step"] for name, row in found.items()} == {
        "checkpoint-5": 5,
        "/checkpoint-6": 6,
        "run//checkpoint-7": 7,
        "epoch=1-step=2.ckpt": 2,
    }


def test_steps_are_compared_as_numbers_and_one_too_long_to_be_one_is_kept(build: Build) -> None:
    steps = ("9", "10", "000100", "99999999999999999999")
    found = judge(build, [row for step in steps for row in trainer_save(f"run/checkpoint-{step}")])
    assert {
        name.rpartition("-")[2]: (row["is_latest"], row["is_protected"]) for name, row in found.items()
    } == {
        "9": (False, False),
        "10": (False, False),
        "000100": (True, True),
        "99999999999999999999": (False, True),
    }


def test_a_file_and_a_folder_of_one_name_are_one_checkpoint_and_the_file_stays(build: Build) -> None:
    folder = [stored(f"run/step=5.ckpt/{leaf}") for leaf in ("__0_0.distcp", ".metadata", "meta.pt")]
    found = judge(build, [*folder, stored("run/step=5.ckpt"), stored("run/step=6.ckpt")])
    assert {name: row["object_count"] for name, row in found.items()} == {
        "run/step=5.ckpt": 3,
        "run/step=6.ckpt": 1,
    }


def test_the_empty_object_that_a_console_leaves_for_a_folder_changes_nothing(build: Build) -> None:
    found = judge(
        build,
        [
            stored("run/checkpoint-5/", size=0),
            *trainer_save("run/checkpoint-5"),
            *trainer_save("run/checkpoint-6"),
            *trainer_save("run/checkpoint-7"),
        ],
    )
    assert (found["run/checkpoint-5"]["object_count"], found["run/checkpoint-5"]["is_protected"]) == (
        4,
        False,
    )


def test_a_save_without_its_optimizer_is_whole_and_keeps_the_one_before(build: Build) -> None:
    cut = [row for row in trainer_save("run/checkpoint-7") if row["leaf"] != "optimizer.pt"]
    found = judge(build, [*trainer_save("run/checkpoint-5"), *trainer_save("run/checkpoint-6"), *cut])
    assert states(found)["run/checkpoint-7"] == "complete"
    assert {name[-1]: row["is_protected"] for name, row in found.items()} == {
        "5": False,
        "6": True,
        "7": True,
    }
    assert found["run/checkpoint-6"]["protected_because"].startswith("the save after it has fewer files")


def test_a_file_that_no_layout_knows_keeps_the_checkpoint_it_lies_in(build: Build) -> None:
    objects = [*trainer_save("run/checkpoint-5"), *trainer_save("run/checkpoint-6")]
    found = judge(build, [*objects, stored("run/checkpoint-5/figures/thesis.png")])
    assert found["run/checkpoint-5"]["is_protected"]
    assert "1 objects that its layout does not know" in found["run/checkpoint-5"]["protected_because"]


def test_a_replaced_or_deleted_version_is_not_there(build: Build) -> None:
    versions = {"lists_versions": True, "is_delete_marker": False}
    save = trainer_save("run/checkpoint-5", is_latest=True, **versions)
    replaced = stored("run/checkpoint-5/optimizer.pt", size=7, is_latest=False, version_id="old", **versions)
    deleted = [
        stored("run/checkpoint-6/model.safetensors", is_latest=True, **versions),
        stored("run/checkpoint-6/trainer_state.json", is_latest=False, **versions),
        stored(
            "run/checkpoint-6/trainer_state.json", is_latest=True, **{**versions, "is_delete_marker": True}
        ),
    ]
    found = judge(build, [*save, replaced, *deleted])
    assert found["run/checkpoint-5"]["size_bytes"] == 3000
    assert found["run/checkpoint-6"]["state_reason"] == "trainer_state.json: missing"


def test_an_empty_copy_called_last_is_not_the_latest(build: Build) -> None:
    objects = [stored(f"run/step={step}.ckpt", days_ago=30 - step) for step in (5, 6)]
    found = judge(build, [*objects, stored("run/last.ckpt", size=0, days_ago=2)])
    assert {name: row["is_latest"] for name, row in found.items()} == {
        "run/step=5.ckpt": False,
        "run/step=6.ckpt": True,
        "run/last.ckpt": False,
    }
    assert found["run/last.ckpt"]["is_protected"]


def test_what_a_cut_deletion_leaves_is_a_stub_and_never_the_latest(build: Build) -> None:
    left = [stored("run/checkpoint-9/trainer_state.json"), stored("run/checkpoint-9/rng_state.pth")]
    found = judge(build, [*trainer_save("run/checkpoint-5"), *left])
    assert states(found) == {"run/checkpoint-5": "complete", "run/checkpoint-9": "stub"}
    assert found["run/checkpoint-5"]["is_latest"]


def test_a_run_without_any_whole_save_loses_nothing(build: Build) -> None:
    objects = [stored(f"run/checkpoint-{step}/model.safetensors") for step in (5, 6, 7)]
    found = judge(build, objects)
    assert set(states(found).values()) == {"incomplete"}
    assert all(row["is_protected"] for row in found.values())


def test_a_save_under_way_is_protected_and_a_whole_one_is_whole_at_once(build: Build) -> None:
    under_way = [stored("run/checkpoint-6/model.safetensors", days_ago=0.5)]
    found = judge(build, [*trainer_save("run/checkpoint-5", days_ago=0.6), *under_way])
    assert states(found) == {"run/checkpoint-5": "complete", "run/checkpoint-6": "in_progress"}
    assert found["run/checkpoint-6"]["is_protected"]


def test_an_item_under_its_temporary_name_keeps_a_save_from_being_whole(build: Build) -> None:
    item = "run/10/default.orbax-checkpoint-tmp-1700000000"
    objects = [stored("run/10/_CHECKPOINT_METADATA"), stored(f"{item}/d/0af3"), stored(f"{item}/_METADATA")]
    assert states(judge(build, objects)) == {"run/10": "incomplete"}


def test_a_model_in_the_registry_is_kept_wherever_its_source_points(build: Build) -> None:
    objects = [row for step in (1, 2, 3, 4) for row in trainer_save(f"run/checkpoint-{step}")]
    versions = [
        {"name": "chat", "version": "1", "stage": "Archived", "source": "s3://b/run/checkpoint-1/"},
        {"name": "chat", "version": "2", "source": "s3://b/run/checkpoint-2/model.safetensors"},
    ]
    found = judge(build, objects, mlflow_versions=versions)
    assert {name[-1]: (row["kind"], row["is_protected"]) for name, row in found.items()} == {
        "1": ("registered", True),
        "2": ("registered", True),
        "3": ("intermediate", False),
        "4": ("intermediate", True),
    }
    assert found["run/checkpoint-1"]["protected_because"] == "registered as models:/chat/1 (Archived)"


def test_two_folders_of_saves_in_one_run_have_a_latest_each(build: Build) -> None:
    saves = [
        stored(f"run/{folder}/global_step{step}/{leaf}")
        for folder in ("ckpt", "checkpoints")
        for step in (5, 6)
        for leaf in ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    ]
    found = judge(build, saves)
    assert {row["run"] for row in found.values()} == {"run"}
    assert [name for name, row in found.items() if row["is_latest"]] == [
        name for name in found if name.endswith("6")
    ]


def test_a_checkpoint_inside_a_checkpoint_belongs_to_the_outer_one(build: Build) -> None:
    def nested(step: int, *kinds: str) -> list[Row]:
        folder = f"run/checkpoint-{step}/global_step{step}"
        states = [
            stored(f"{folder}/zero_pp_rank_{rank}_mp_rank_00_{kind}.pt") for kind in kinds for rank in (0, 1)
        ]
        return [*states, stored(f"run/checkpoint-{step}/trainer_state.json")]

    whole, cut = nested(5, "model_states", "optim_states"), nested(6, "model_states")
    found = judge(build, [*whole, *cut, stored("run/checkpoint-5/latest")])
    assert {row["framework"] for row in found.values()} == {"hf_trainer"}
    assert states(found) == {"run/checkpoint-5": "complete", "run/checkpoint-6": "incomplete"}
    # ZeRO-3 keeps the only weights in the optimizer's files.
    assert found["run/checkpoint-5"]["optimizer_bytes"] == 0
    assert found["run/checkpoint-6"]["state_reason"] == (
        "the optimizer states that hold the weights: missing"
    )


def test_ten_thousand_checkpoints_of_one_run_have_one_latest(build: Build) -> None:
    rows = [stored(f"run/step={step}.ckpt", days_ago=10_000 - step) for step in range(10_000)]
    found = judge(build, rows)
    assert len(found) == 10_000
    assert [name for name, row in found.items() if row["is_latest"]] == ["run/step=9999.ckpt"]


def test_equal_times_after_a_bucket_copy_leave_the_highest_step_and_the_last_copy(build: Build) -> None:
    steps = [stored(f"run/step={step}.ckpt") for step in (1, 2, 3)]
    found = judge(build, [*steps, stored("run/last.ckpt")])
    assert {name: row["is_protected"] for name, row in found.items()} == {
        "run/step=1.ckpt": False,
        "run/step=2.ckpt": False,
        "run/step=3.ckpt": True,
        "run/last.ckpt": True,
    }


def test_keys_that_differ_in_case_only_are_two_runs(build: Build) -> None:
    found = judge(build, trainer_save("run/checkpoint-5") + trainer_save("RUN/checkpoint-5"))
    assert {row["run"] for row in found.values()} == {"run", "RUN"}
    assert {row["object_count"] for row in found.values()} == {3}


def test_two_frameworks_in_one_folder_have_a_latest_each(build: Build) -> None:
    files = [stored(f"run/model_{step:07d}.pth") for step in (4999, 9999)]
    found = judge(build, [*trainer_save("run/checkpoint-5"), *trainer_save("run/checkpoint-6"), *files])
    assert {name for name, row in found.items() if row["is_latest"]} == {
        "run/checkpoint-6",
        "run/model_0009999.pth",
    }


def test_files_of_one_stem_are_one_checkpoint_and_a_missing_part_is_seen(build: Build) -> None:
    whole = [stored(f"tf/ckpt-1.{end}") for end in ("index", "data-00000-of-00002", "data-00001-of-00002")]
    cut = [stored(f"tf/ckpt-2.{end}") for end in ("index", "data-00000-of-00002")]
    found = judge(build, [*whole, *cut, stored("tf/checkpoint")])
    assert states(found) == {"tf/ckpt-1": "complete", "tf/ckpt-2": "incomplete"}
    assert (found["tf/ckpt-1"]["object_count"], found["tf/ckpt-1"]["is_latest"]) == (3, True)


def test_a_mark_beside_a_checkpoint_says_that_it_is_not_whole(build: Build) -> None:
    name = "gpt--val_loss=1.5-step={}-consumed_samples=8.0"
    leaves = ("weights/__0_0.distcp", "weights/.metadata", "weights/metadata.json", "context/model.yaml")
    saves = [stored(f"nemo/{name.format(step)}/{leaf}") for step in (10, 20) for leaf in leaves]
    found = judge(build, [*saves, stored(f"nemo/{name.format(20)}-unfinished", size=0)])
    assert {row["step"]: (row["state"], row["is_latest"]) for row in found.values()} == {
        10: ("complete", True),
        20: ("incomplete", False),
    }


def test_a_pin_keeps_a_checkpoint_and_one_that_ran_out_does_not(build: Build) -> None:
    saves = [row for step in (1, 2, 3, 4) for row in trainer_save(f"run/checkpoint-{step}")]
    pins = ("checkpoint-1/PINNED", "checkpoint-2/keep_until_2026-12-31", "checkpoint-3/keep_until_2026-01-01")
    found = judge(build, [*saves, *(stored(f"run/{pin}", size=0) for pin in pins)])
    assert {name[-1]: row["is_protected"] for name, row in found.items()} == {
        "1": True,
        "2": True,
        "3": False,
        "4": True,
    }


def test_the_same_bytes_in_another_run_are_linked(build: Build) -> None:
    def save(run: str, days_ago: float) -> list[Row]:
        tags = {"model.safetensors": "m", "optimizer.pt": "o", "trainer_state.json": "t"}
        return [
            stored(f"{run}/checkpoint-5/{leaf}", days_ago=days_ago, etag=tag) for leaf, tag in tags.items()
        ]

    found = judge(build, save("run", 20) + save("copy", 10))
    assert {name: row["copy_of"] for name, row in found.items()} == {
        "run/checkpoint-5": None,
        "copy/checkpoint-5": "s3://b/run/checkpoint-5",
    }
