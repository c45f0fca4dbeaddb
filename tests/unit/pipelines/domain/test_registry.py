"""What a registry's answer says."""

import pytest

from pipelines.domain.claims import Claim
from pipelines.domain.registry import ModelVersion, active_runs, aliases, model_versions


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


def test_a_deleted_version_serves_nothing() -> None:
    entries = [{"name": "chat", "version": 3, "current_stage": "Deleted_Internal", "source": "s3://b/x"}]
    assert list(model_versions({"model_versions": entries})) == []


def test_a_version_that_is_located_needs_its_place_and_nothing_else_of_its_run() -> None:
    version = ModelVersion("chat", "3", "", (), "s3a://b/runs/1/model/", "abc", "READY")
    assert version.claim == Claim("models:/chat/3", "s3://b/runs/1/model")
    unknown = ModelVersion("chat", "3", "", (), "runs:/abc/model", "abc", "READY", model_id="m-1")
    assert unknown.claim == Claim("models:/chat/3", "", ("abc", "m-1"))


def run(**fields: object) -> dict[str, object]:
    info = {"run_id": "abc", "run_name": "chat", "status": "RUNNING", "start_time": "1763596800000"}
    return {"info": {**info, "artifact_uri": "s3://b/mlflow/1/abc/artifacts"}, **fields}


def test_a_run_that_has_not_ended_needs_what_it_names() -> None:
    data = {
        "params": [
            {"key": "output_dir", "value": "s3a://b/runs/chat/"},
            {"key": "resume_from_checkpoint", "value": "/mnt/runs/old/checkpoint-500"},
            {"key": "resume", "value": "true"},
            {"key": "lr", "value": "0.1"},
            {"key": "config", "value": "/etc/x/y"},
            {"key": "empty", "value": ""},
            {"key": "long", "value": "s3://" + "x" * 5000},
        ],
        "tags": [{"key": "dataset", "value": "gs://data/x"}],
    }
    outputs = {"model_outputs": [{"model_id": "m-1", "step": 5}, {}]}
    [active] = active_runs({"runs": [run(data=data, outputs=outputs)]})
    assert active.label == "run chat (abc), RUNNING since 2025-11-20"
    assert [(one.named_by, one.location) for one in active.places] == [
        ("artifact_uri", "s3://b/mlflow/1/abc/artifacts"),
        ("params.output_dir", "s3://b/runs/chat"),
        ("params.resume_from_checkpoint", "mnt/runs/old/checkpoint-500"),
        ("tags.dataset", "gs://data/x"),
    ]
    assert active.claims[0] == Claim(active.label, "", ("abc", "m-1"))
    assert active.claims[2].label.endswith(", as params.output_dir")


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "", None])
def test_a_run_that_has_ended_needs_nothing(status: str | None) -> None:
    assert list(active_runs({"runs": [{"info": {"run_id": "abc", "status": status}}]})) == []


@pytest.mark.parametrize("start", [None, "soon", 1e30, "-9" * 30])
def test_a_start_that_is_no_time_is_left_out(start: object) -> None:
    entry = {"info": {"run_id": "abc", "status": "SCHEDULED", "start_time": start}}
    [active] = active_runs({"runs": [entry]})
    assert active.label == "run abc, SCHEDULED"


def test_aliases_are_told_of_by_the_models() -> None:
    models = [{"name": "chat", "aliases": [{"alias": "champion", "version": "3"}]}, {"name": "x"}]
    assert list(aliases({"registered_models": models})) == [("chat", "3", "champion")]
