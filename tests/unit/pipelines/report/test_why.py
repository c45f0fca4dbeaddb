"""Everything known about one object or checkpoint."""

import io
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.domain.text import to_json
from pipelines.errors import NotFound, Terminal
from pipelines.report import Listing, explain, print_explanation

OLD = "s3://train/runs/nlp/chat/checkpoint-500"
NEW = "s3://train/runs/nlp/chat/checkpoint-1000"


Listed = Callable[..., tuple[Listing, ...]]
_TYPES = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}


def printed(connection: duckdb.DuckDBPyConnection, uri: str, listings: tuple[Listing, ...] = ()) -> str:
    console = Console(record=True, width=100, color_system=None, file=io.StringIO())
    print_explanation(explain(connection, uri, listings), console)
    return re.sub(" +", " ", console.export_text())


@pytest.mark.parametrize("uri", [OLD, OLD + "/"])
def test_a_checkpoint_is_explained(snapshot: duckdb.DuckDBPyConnection, uri: str) -> None:
    explanation = explain(snapshot, uri)

    assert explanation.kind == "checkpoint"
    assert explanation.checkpoint is not None
    assert explanation.checkpoint.step == 500
    assert explanation.cost_usd_month == Decimal(8)
    assert [file.role for file in explanation.objects] == ["weights", "metadata"]
    assert explanation.reasons == (
        "nothing protects it: a retention policy that matches may archive or delete it",
    )


def test_an_object_is_explained_with_its_share_of_the_cost(snapshot: duckdb.DuckDBPyConnection) -> None:
    explanation = explain(snapshot, f"{OLD}/trainer_state.json")

    assert explanation.kind == "object"
    assert explanation.checkpoint is not None
    assert explanation.checkpoint.checkpoint_id == OLD
    assert explanation.cost_usd_month == Decimal(2)
    assert explanation.reasons[0] == "it is written last and proves that the save ended"


def test_protection_and_state_say_why(snapshot: duckdb.DuckDBPyConnection) -> None:
    explanation = explain(snapshot, NEW)

    assert explanation.reasons == (
        "incomplete: shard 2 of 2 is missing",
        "protected: the newest step of its run",
    )
    assert explanation.cost_usd_month is None


def test_the_screen_tells_all(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = printed(snapshot, NEW)

    for fact in (
        NEW,
        "run s3://train/runs/nlp/chat",
        "step 1,000, epoch 2",
        "state incomplete, 1 of 2 shards",
        "latest yes",
        "best not known",
        "cost not known",
        "team (nobody)",
        "model-00001-of-00002.safetensors weights STANDARD 300",
    ):
        assert fact in text


def test_the_screen_of_an_object_names_its_checkpoint(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = printed(snapshot, f"{OLD}/model.safetensors")

    assert f"checkpoint {OLD}" in text
    assert "cost $6.00 a month, its share by bytes of the checkpoint" in text
    assert "version v1" in text


@pytest.mark.parametrize(
    "uri, near",
    [
        (f"{OLD}0", f"Known below s3://train/runs/nlp/chat/: {OLD}, {NEW}."),
        ("s3://train/runs/nlp/chatter", f"Known below s3://train/runs/nlp/: {OLD}, {NEW}."),
        ("s3://train/elsewhere/deep/down", "Known below s3://train/: "),
        ("s3://other/a", "there are some in train"),
    ],
    ids=["a typing error", "a run's neighbour", "another folder", "another bucket"],
)
def test_an_unknown_place_names_what_is_near(
    snapshot: duckdb.DuckDBPyConnection, uri: str, near: str
) -> None:
    with pytest.raises(NotFound) as error:
        explain(snapshot, uri)

    assert near in error.value.fix


def test_wildcards_in_a_name_match_only_themselves(snapshot: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(NotFound):
        explain(snapshot, "s3://train/runs/nlp/chat/checkpoint-5%")
    with pytest.raises(NotFound):
        explain(snapshot, "s3://train/runs/nlp/chat/checkpoint_500")


def test_a_hostile_name_is_bound_and_made_visible(snapshot: duckdb.DuckDBPyConnection, hostile: str) -> None:
    with pytest.raises(NotFound) as error:
        explain(snapshot, f"s3://train/{hostile}")

    assert "\x1b" not in str(error.value)
    assert explain(snapshot, OLD).kind == "checkpoint"


def test_a_hostile_object_is_explained(writer: duckdb.DuckDBPyConnection, hostile: str) -> None:
    writer.execute(
        "update marts.checkpoint_objects set object_key = ? where role = 'metadata'",
        [f"runs/nlp/chat/checkpoint-500/{hostile}"],
    )

    text = printed(writer, f"{OLD}/{hostile}")

    assert "\x1b" not in text
    assert r"we[red]ird'; drop table marts.checkpoints; --\x1b[2J" in text


def test_a_snapshot_without_checkpoints_says_what_to_add(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("delete from marts.checkpoints")

    with pytest.raises(NotFound, match="s3-inventory"):
        explain(writer, OLD)


@pytest.mark.parametrize("uri", ["s3://train", "s3://train/", "/a/path", "http://host/x"])
def test_what_is_no_object_is_refused(snapshot: duckdb.DuckDBPyConnection, uri: str) -> None:
    with pytest.raises(Terminal, match="s3://bucket/key"):
        explain(snapshot, uri)


@pytest.fixture
def listed(tmp_path: Path) -> Listed:
    """Lands a list of the bucket `train` with these rows, in a folder that looks like a pattern."""

    def land(*rows: dict[str, object], table: str = "s3_inventory") -> tuple[Listing, ...]:
        at = datetime(2026, 11, 19, 3)
        moment = "created_at" if table == "gcs_inventory" else "last_modified_at"
        given = [{"bucket": "train", "size_bytes": 2**30, moment: at, **row} for row in rows]
        schema = pa.schema([(name, _TYPES[kind]) for name, kind in RAW_TABLES[table]])
        path = tmp_path / "scope=[a]*" / "rows.parquet"
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist(given, schema=schema), path)
        return (Listing("inventory", table, "train", at, len(given), (path,)),)

    return land


def test_the_story_says_since_when_it_lies_there_and_what_that_cost(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    [told] = explain(snapshot, OLD).story
    assert told.startswith("written 2026-10-01, and untouched for 49 days on 2026-11-19; ")
    assert told.endswith("at today's rate of $8.00 a month that cost $12.88")
    assert "not known" in explain(snapshot, NEW).story[0]


def test_a_run_is_explained(snapshot: duckdb.DuckDBPyConnection) -> None:
    explanation = explain(snapshot, "s3://train/runs/nlp/chat/")

    assert explanation.kind == "run"
    assert explanation.run is not None
    assert (explanation.run.checkpoint_count, explanation.run.latest) == (2, NEW)
    assert explanation.reasons == (
        "a retention policy keeps 1 of its 2 checkpoints",
        "older than the latest",
    )
    assert "checkpoints 2, of which 1 complete" in printed(snapshot, "s3://train/runs/nlp/chat")


def test_a_run_of_another_cloud_is_another_run(snapshot: duckdb.DuckDBPyConnection) -> None:
    for uri in ("gs://train/runs/nlp/chat", OLD.replace("s3:", "gs:"), f"gs{OLD[2:]}/model.safetensors"):
        with pytest.raises(NotFound):
            explain(snapshot, uri)


def test_versions_that_a_plain_listing_hides_are_told(
    snapshot: duckdb.DuckDBPyConnection, listed: Listed
) -> None:
    key = "runs/nlp/chat/checkpoint-500/model.safetensors"
    old = {"object_key": key, "lists_versions": True, "is_latest": False}
    rows = listed(
        {"object_key": key, "lists_versions": True, "is_latest": True, "version_id": "v2"},
        {**old, "version_id": "v1"},
        {**old, "is_delete_marker": True, "size_bytes": None},
        {**old, "object_key": key + "2"},
    )

    explanation = explain(snapshot, f"s3://train/{key}", rows)

    assert [version.state for version in explanation.versions] == ["current", "noncurrent", "delete_marker"]
    assert "hidden behind it: 1 older version of 1.00 GiB" in "; ".join(explanation.story)
    below = explain(snapshot, OLD, rows).story[-1]
    assert below == "hidden below it: 3 older versions or delete markers of 2.00 GiB"


def test_an_object_of_no_checkpoint_is_explained_by_the_list(
    snapshot: duckdb.DuckDBPyConnection, listed: Listed
) -> None:
    rows = listed({"object_key": "data/x.parquet", "storage_class": "STANDARD"})

    explanation = explain(snapshot, "s3://train/data/x.parquet", rows)

    assert explanation.kind == "other object"
    assert "no retention policy can touch it" in explanation.reasons[0]
    assert explanation.cost_usd_month == Decimal("1.333333")
    assert "what object state current" in " ".join(
        printed(snapshot, "s3://train/data/x.parquet", rows).split()
    )


@pytest.mark.parametrize(
    "table, row, words",
    [
        (
            "s3_inventory",
            {"lists_versions": True, "is_latest": True, "is_delete_marker": True},
            "delete marker",
        ),
        ("s3_inventory", {"lists_versions": True, "is_latest": False}, "no version of it is current"),
        ("gcs_inventory", {"generation": 5, "soft_deleted_at": datetime(2026, 11, 1)}, "soft-delete window"),
        (
            "gcs_inventory",
            {"generation": 5, "deleted_at": datetime(2026, 11, 1)},
            "no version of it is current",
        ),
    ],
)
def test_what_was_deleted_and_is_still_paid_for_says_so(
    snapshot: duckdb.DuckDBPyConnection, listed: Listed, table: str, row: dict[str, object], words: str
) -> None:
    scheme = "gs" if table == "gcs_inventory" else "s3"
    versioned = {"lists_versions": True} if scheme == "s3" else {"generation": 5}
    rows = listed({"object_key": "data/x", **versioned, **row}, table=table)
    explanation = explain(snapshot, f"{scheme}://train/data/x", rows)
    assert words in explanation.reasons[0]
    assert explanation.cost_usd_month is None


def test_a_folder_that_is_no_run_is_summed_up(snapshot: duckdb.DuckDBPyConnection, listed: Listed) -> None:
    rows = listed({"object_key": "data/a/1"}, {"object_key": "data/a/2"}, {"object_key": "data/ab"})
    explanation = explain(snapshot, "s3://train/data/a", rows)
    assert explanation.kind == "folder"
    assert explanation.folder is not None
    assert explanation.folder.object_count == 2
    assert "2.00 GiB in 2 objects" in printed(snapshot, "s3://train/data/a/", rows)


def test_what_is_nowhere_says_what_was_searched_and_the_nearest_folder(
    snapshot: duckdb.DuckDBPyConnection, listed: Listed
) -> None:
    rows = listed({"object_key": "data/a/1"})
    with pytest.raises(NotFound) as error:
        explain(snapshot, "s3://train/data/a/b/c", rows)
    assert "the list inventory of bucket train of 2026-11-19 03:00 UTC (1 rows)" in error.value.what
    assert error.value.fix.startswith("s3://train/data/a/ is listed, with 1 object below it. Known below")
    with pytest.raises(NotFound, match="no list of bucket train has landed"):
        explain(snapshot, "s3://train/data/a/b/c")


@pytest.mark.parametrize("name", ["a\nb", "ä/😀", "50%_*?[x]", 'it\'s "x"; --', "a//b", " ", "\x1b[2J"])
def test_hostile_keys_are_found_as_they_are(
    snapshot: duckdb.DuckDBPyConnection, listed: Listed, name: str
) -> None:
    rows = listed({"object_key": f"data/{name}"}, {"object_key": f"data/{name}x"})
    explanation = explain(snapshot, f"s3://train/data/{name}", rows)
    assert [version.object_key for version in explanation.versions] == [f"data/{name}"]
    assert "\x1b" not in printed(snapshot, f"s3://train/data/{name}", rows)
    assert to_json(explanation)


def test_copies_of_the_same_bytes_are_named(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(
        "insert into marts.checkpoints select * replace ("
        "'s3://other/x' as checkpoint_id, 's3://other/x' as checkpoint_uri, 'other' as bucket, 'r' as run) "
        "from marts.checkpoints where step = 500"
    )
    writer.execute(
        "insert into marts.checkpoint_objects select * replace ("
        "'s3://other/x' as checkpoint_id, 'other' as bucket, 'x/model.safetensors' as object_key) "
        "from marts.checkpoint_objects where checkpoint_id = ?",
        [OLD],
    )
    assert explain(writer, OLD).copies == ("s3://other/x",)
    assert explain(writer, f"{OLD}/model.safetensors").copies == ("s3://other/x/model.safetensors",)
    assert "the same bytes are at s3://other/x" in printed(writer, OLD)
