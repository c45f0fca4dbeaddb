"""Everything known about one object or checkpoint."""

import io
import re
from decimal import Decimal

import duckdb
import pytest
from rich.console import Console

from pipelines.errors import NotFound, Terminal
from pipelines.report import explain, print_explanation

OLD = "s3://train/runs/nlp/chat/checkpoint-500"
NEW = "s3://train/runs/nlp/chat/checkpoint-1000"


def printed(connection: duckdb.DuckDBPyConnection, uri: str) -> str:
    console = Console(record=True, width=100, color_system=None, file=io.StringIO())
    print_explanation(explain(connection, uri), console)
    return re.sub(" +", " ", console.export_text())


@pytest.mark.parametrize("uri", [OLD, OLD + "/"])
def test_a_checkpoint_is_explained(snapshot: duckdb.DuckDBPyConnection, uri: str) -> None:
    explanation = explain(snapshot, uri)

    assert explanation.kind == "checkpoint"
    assert explanation.checkpoint.step == 500
    assert explanation.cost_usd_month == Decimal(8)
    assert [file.role for file in explanation.objects] == ["weights", "metadata"]
    assert explanation.reasons == (
        "nothing protects it: a retention policy that matches may archive or delete it",
    )


def test_an_object_is_explained_with_its_share_of_the_cost(snapshot: duckdb.DuckDBPyConnection) -> None:
    explanation = explain(snapshot, f"{OLD}/trainer_state.json")

    assert explanation.kind == "object"
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
        "best not known from names",
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
        ("s3://train/runs/nlp/chat", f"Known below s3://train/runs/nlp/chat/: {OLD}, {NEW}."),
        ("s3://train/elsewhere/deep/down", "Known below s3://train/: "),
        ("s3://other/a", "there are some in train"),
    ],
    ids=["a typing error", "a run", "another folder", "another bucket"],
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
