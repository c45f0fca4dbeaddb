"""What a registry's answer says."""

import pytest

from pipelines.domain.registry import ModelVersion, is_touched_by, model_versions


def test_a_version_is_read_with_what_mlflow_may_leave_out() -> None:
    [version] = model_versions({"model_versions": [{"name": "chat", "version": 3}]})
    assert version == ModelVersion("chat", "3", "", (), "", "", "")
    assert list(model_versions({})) == []


@pytest.mark.parametrize(
    "stage, aliases, label",
    [
        ("None", (), "models:/chat/3"),
        ("Production", ("champion",), "models:/chat/3 (Production, @champion)"),
        ("", ("a", "b"), "models:/chat/3 (@a, @b)"),
    ],
)
def test_a_label_says_why_a_version_matters(stage: str, aliases: tuple[str, ...], label: str) -> None:
    assert ModelVersion("chat", "3", stage, aliases, "", "", "").label == label


@pytest.mark.parametrize(
    "source, artifact, is_touched",
    [
        ("s3://train/runs/1/checkpoint-10", "s3://train/runs/1/checkpoint-10/", True),
        ("s3://train/runs/1/checkpoint-10/model.pt", "s3://train/runs/1/checkpoint-10", True),
        ("s3://train/runs/1/", "s3://train/runs/1/checkpoint-10", True),
        ("s3://train/runs/1/checkpoint-1", "s3://train/runs/1/checkpoint-10", False),
        ("s3://train/runs/2", "s3://train/runs/1/checkpoint-10", False),
        ("", "s3://train/runs/1", False),
    ],
)
def test_a_served_model_touches_what_lies_at_above_or_below_it(
    source: str, artifact: str, *, is_touched: bool
) -> None:
    assert is_touched_by(source, artifact) is is_touched
