"""What the small files of the labelled listings say of their checkpoints."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tests.sql.conftest import Build, landed
from tests.sql.corpus_states import read_states

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
AS_OF = date(2026, 11, 19)
LISTED_AT = datetime(2026, 11, 20)
WITNESSED = "intermediate.int_checkpoints_witnessed"

Row = dict[str, Any]
Said = Mapping[str, Row]
Lines = Mapping[str, list[Row]]


def corpus() -> Lines:
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(CORPUS.glob("*.jsonl"))
    }


def inventory_row(bucket: str, line: Row) -> Row:
    folder, slash, leaf = line["key"].rpartition("/")
    return {
        "bucket": bucket,
        "object_key": line["key"],
        "directory": folder + slash,
        "leaf": leaf,
        "size_bytes": line["size"],
        "etag": line["etag"],
        "storage_class": "STANDARD",
        "last_modified_at": LISTED_AT + timedelta(days=line["last_modified"]),
        "lists_versions": False,
        "is_delete_marker": False,
        "snapshot_at": LISTED_AT,
    }


def witnessed(tmp_path: Path, build: Build, listings: Lines) -> Said:
    rows = [inventory_row(bucket, line) for bucket, lines in listings.items() for line in lines]
    file = landed(tmp_path, "s3_inventory", rows)
    said = read_states(tmp_path, file, listings, LISTED_AT)
    made = build({"s3_inventory": rows, "checkpoint_states": said}, [WITNESSED], as_of=AS_OF)
    return {row["checkpoint_id"].removeprefix("s3://"): row for row in dicts(made, WITNESSED)}


def dicts(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    result = connection.execute(f"select * from {table}")
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def test_the_contents_of_the_corpus_tell_the_latest_and_the_best_of_its_labels(
    tmp_path: Path, build: Build
) -> None:
    listings = corpus()
    said = witnessed(tmp_path, build, listings)
    labels = {
        name: line["label"]
        for bucket, lines in listings.items()
        for line in lines
        if (name := f"{bucket}/{line['label'].get('group')}") in said
    }
    pointed = {name for name, label in labels.items() if label.get("latest_from") == "pointer"}
    told = {name for name, label in labels.items() if str(label.get("best_from")).startswith("content")}
    assert len(pointed) > 8
    assert len(told) > 3
    assert {name for name in pointed if not said[name]["is_told_latest"]} == set()
    assert {name for name in told if not said[name]["is_told_best"]} == set()
    assert {name for name in told if not said[name]["is_best_settled"]} == set()
    wrong = {name for name, row in said.items() if row["is_told_best"] and not labels[name].get("best")}
    assert wrong == set()


def hf_run(*best: object, steps: tuple[int, ...] = (1, 2, 3)) -> list[Row]:
    """Three saves, each with a state that names a best one."""
    lines = []
    for step, named in zip(steps, best, strict=True):
        content = named if named is None or isinstance(named, str) else json.dumps(named)
        for leaf, size in (("model.safetensors", 1000), ("optimizer.pt", 2000), ("trainer_state.json", 100)):
            key = f"run/checkpoint-{step}/{leaf}"
            lines.append(
                {
                    "key": key,
                    "size": size,
                    "etag": f"{step}{leaf}",
                    "last_modified": step - 10,
                    "content": content if leaf == "trainer_state.json" else None,
                }
            )
    return lines


def names(checkpoint: object) -> Row:
    return {"best_model_checkpoint": checkpoint}


NEWEST = {
    "named-by-its-host": (names("/out/checkpoint-1"), True),
    "named-by-its-uri": (names("s3://named-by-its-uri/run/checkpoint-1"), True),
    "elsewhere": (names("s3://named-by-its-uri/run/checkpoint-1"), False),
    "gone": (names("/out/checkpoint-9"), False),
    "above": (names("../checkpoint-1/.."), False),
    "none": (names(None), False),
    "unreadable": ("not json", False),
    "refused": (None, False),
}
"""What the newest of three saves says, and whether that leaves no other one that could be the best."""


def test_the_best_is_settled_only_where_the_newest_save_names_one_that_is_there(
    tmp_path: Path, build: Build
) -> None:
    older = names("/out/checkpoint-2")
    runs = {bucket: hf_run(older, older, newest) for bucket, (newest, _) in NEWEST.items()}
    said = witnessed(tmp_path, build, runs)
    settled = {name.partition("/")[0] for name, row in said.items() if row["is_best_settled"]}
    assert settled == {bucket for bucket, (_, settles) in NEWEST.items() if settles}
    assert {name for name, row in said.items() if row["is_told_best"]} == {
        f"{bucket}/run/checkpoint-1" for bucket in settled
    }


def ray_trial(*losses: float | None) -> list[Row]:
    """A checkpoint per loss, and what the trial reported of those that have one."""
    lines: list[Row] = []
    for number, _ in enumerate(losses):
        for leaf in ("model.pt", ".metadata.json"):
            key = f"trial/checkpoint_{number:06d}/{leaf}"
            lines.append({"key": key, "size": 100, "etag": key, "last_modified": number - 10})
    reports = [
        {"loss": loss, "lr": 0.5**number, "checkpoint_dir_name": f"checkpoint_{number:06d}"}
        for number, loss in enumerate(losses)
        if loss is not None
    ]
    text = "\n".join(map(json.dumps, reports))
    lines.append({"key": "trial/result.json", "size": 100, "etag": "r", "last_modified": -1, "content": text})
    lines.append({"key": "trial/params.pkl", "size": 100, "etag": "p", "last_modified": -9})
    return lines


def test_the_reports_of_a_trial_settle_the_best_only_where_they_tell_of_every_checkpoint(
    tmp_path: Path, build: Build
) -> None:
    said = witnessed(
        tmp_path,
        build,
        {"all": ray_trial(3, 1, 2, 2.5), "some": ray_trial(3, 1, None, 2.5), "none": ray_trial(None, None)},
    )
    of = {(name[:4].rstrip("/"), int(name[-1])): row for name, row in said.items()}
    assert {key for key, row in of.items() if row["is_best_settled"]} == {("all", n) for n in range(4)}
    assert {key for key, row in of.items() if row["is_told_best"]} == {("all", 1), ("some", 1)}
    assert of["all", 1]["best_from"] == "content:result.json"
    # Which way a learning rate is better, nobody says: both ends may be meant.
    assert {key for key, row in of.items() if row["may_be_best"]} == {
        ("all", 0),
        ("all", 3),
        ("some", 0),
        ("some", 3),
    }
