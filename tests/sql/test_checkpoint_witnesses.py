"""What the small files of the labelled listings say of their checkpoints."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines.domain.configuration import Source
from pipelines.domain.deliveries import Landed
from pipelines.sources import Place, checkpoint_states, open_place
from pipelines.sources.checkpoint_states import Answer
from pipelines.sources.state_candidates import Candidate, choose, wanted_files
from tests.sql.conftest import Build, landed

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


def states(place: Place, file: Path, bucket: str, lines: list[Row]) -> list[Row]:
    """Read the contents as a night would: those files that it chooses, and no others."""
    listing = Landed(
        source="train",
        kind="s3-inventory",
        table="s3_inventory",
        delivery_id="x",
        delivered_at=LISTED_AT,
        scope=bucket,
        checksum="",
        row_count=0,
        byte_count=0,
    )
    contents = {line["key"]: line.get("content") for line in lines}
    rows: list[Row] = []
    for candidate in choose(place, listing, [file], wanted_files()):
        rows += checkpoint_states._told(candidate, answer(contents[candidate.object_key], candidate))
    return [{"provider": "aws", "bucket": bucket, "read_at": LISTED_AT, **row} for row in rows]


def answer(content: object, candidate: Candidate) -> Answer:
    if content is None:
        return Answer("refused", message="the store refused the request")
    assert candidate.size_bytes
    return Answer("read", (content if isinstance(content, str) else json.dumps(content)).encode())


def witnessed(tmp_path: Path, build: Build, listings: Lines) -> Said:
    rows = [inventory_row(bucket, line) for bucket, lines in listings.items() for line in lines]
    file = landed(tmp_path, "s3_inventory", rows)
    source = Source(name="train", kind="s3-inventory", uri=str(tmp_path), bucket="any")
    place = open_place(source, tmp_path, (), tmp_path / "scratch")
    said = [row for bucket, lines in listings.items() for row in states(place, file, bucket, lines)]
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
