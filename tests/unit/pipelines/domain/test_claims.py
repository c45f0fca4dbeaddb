"""Who needs a checkpoint, said by a place, a folder, a path of another machine, or nothing at all."""

import pytest

from pipelines.domain.claims import Claim, Claims, place_named

CHECKPOINT = "s3://train/runs/chat/checkpoint-5"


@pytest.mark.parametrize(
    "uri, place",
    [
        ("S3A://b/Key with ä%20/", "s3://b/Key with ä%20"),
        ("s3n://b/x", "s3://b/x"),
        ("gcs://b/x", "gs://b/x"),
        ("s3://b", "s3://b"),
        ("runs:/abc/model", ""),
        ("models:/m-1", ""),
        ("mlflow-artifacts://host:5000/1/abc", "1/abc"),
        ("mlflow-artifacts:/", ""),
        ("dbfs:/mnt/x", "mnt/x"),
        ("abfss://c@a.dfs.core.windows.net/x/y", "x/y"),
        ("/mnt//x/./y/", "mnt/x/y"),
        ("./out:1/x", "out:1/x"),
        ("", ""),
    ],
)
def test_places_are_told_in_one_spelling(uri: str, place: str) -> None:
    assert place_named(uri) == place


@pytest.mark.parametrize(
    "claim, is_on",
    [
        (Claim("x", CHECKPOINT), True),
        (Claim("x", "s3://train"), True),
        (Claim("x", "s3://train/runs"), True),
        (Claim("x", CHECKPOINT + "/model/x"), True),
        (Claim("x", CHECKPOINT + "0"), False),
        (Claim("x", "s3://train/run"), False),
        (Claim("x", "S3://train/runs/Chat"), False),
        (Claim("x", "gs://train/runs/chat"), False),
        (Claim("x", "s3://other"), False),
        (Claim("x", folders=("chat",)), True),
        (Claim("x", folders=("cha", "5")), False),
        (Claim("x", "chat"), True),
        (Claim("x", "mnt/runs/chat"), True),
        (Claim("x", "mnt/chat/checkpoint-5/model.pt"), True),
        (Claim("x", "mnt/runs/other"), False),
        (Claim("x", "mnt/other/checkpoint-5"), False),
        (Claim("x", "mnt/other", ("chat",)), True),
        (Claim("x", "mnt/other", ("abc",)), False),
        (Claim("x"), True),
    ],
)
def test_a_claim_holds_what_it_could_mean_and_no_neighbour(claim: Claim, *, is_on: bool) -> None:
    assert Claims.of([claim]).on(CHECKPOINT) == ("x" if is_on else None)
    assert Claims.of([claim]).on(CHECKPOINT + "/") == ("x" if is_on else None)
