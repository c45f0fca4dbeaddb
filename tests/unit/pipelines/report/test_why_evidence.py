"""Each witness of a checkpoint is listed with what it says."""

import io

import duckdb
import pytest
from rich.console import Console

from pipelines.domain.text import to_json
from pipelines.report import explain, print_explanation
from pipelines.report.explained import Evidence

RUN = "s3://train/runs/nlp/chat"
OLD, NEW = f"{RUN}/checkpoint-500", f"{RUN}/checkpoint-1000"
WITNESSES = """
create table marts.checkpoint_witnesses (
    provider varchar, bucket varchar, save_directory varchar, framework varchar, witness_kind varchar,
    witness varchar, says varchar, checkpoint_id varchar, outcome varchar, remark varchar, is_heard boolean)
"""
COMPLETE = """
insert into marts.checkpoints by name
select * exclude (name, given, moment) replace (
    replace(checkpoint_id, '-500', name) as checkpoint_id,
    replace(checkpoint_uri, '-500', name) as checkpoint_uri, given as step, moment as last_modified_at)
from marts.checkpoints
cross join (values
    ('-600', 600, timestamp '2026-09-01'),
    ('-700', 700, timestamp '2026-11-01'),
    ('-700/global_step700', 700, timestamp '2026-11-02')
) as more(name, given, moment)
where step = 500
"""


def evidence(connection: duckdb.DuckDBPyConnection, uri: str) -> dict[str, str]:
    return {each.witness: each.says for each in explain(connection, uri).evidence}


def orders(connection: duckdb.DuckDBPyConnection, uri: str) -> dict[str, str]:
    return {witness: says for witness, says in evidence(connection, uri).items() if witness.endswith("order")}


def test_a_snapshot_that_is_older_than_its_witnesses_is_explained_and_says_so(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    said = evidence(snapshot, NEW)
    assert "older than marts.checkpoint_witnesses" in said["small files"]
    assert "step order" in said


@pytest.fixture
def heard(writer: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A snapshot with witnesses; `says` adds one of the run's folder."""
    writer.execute(WITNESSES)
    return writer


def says(connection: duckdb.DuckDBPyConnection, kind: str, **told: object) -> None:
    row = {
        "provider": "aws",
        "bucket": "train",
        "save_directory": "runs/nlp/chat/",
        "framework": "hf_trainer",
        "witness": "runs/nlp/chat/checkpoint-1000/trainer_state.json",
        "says": "",
        "checkpoint_id": "",
        "outcome": "says_nothing",
        "remark": "",
        "is_heard": True,
        **told,
    }
    values = [kind, *row.values()]
    names = ", ".join(["witness_kind", *row])
    marks = ", ".join("?" * len(values))
    connection.execute(f"insert into marts.checkpoint_witnesses ({names}) values ({marks})", values)


def test_steps_and_times_say_where_it_stands_in_its_folder(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(COMPLETE)

    assert orders(writer, OLD) == {
        "step order": "number 3 from the highest step, of 3 complete checkpoints in its folder",
        "time order": "number 2 from the newest, of 3 complete checkpoints in its folder",
    }
    assert orders(writer, f"{RUN}/checkpoint-700") == {
        "step order": "the highest step of 3 complete checkpoints in its folder",
        "time order": "the newest of 3 complete checkpoints in its folder",
    }
    assert orders(writer, NEW) == {
        "step order": "incomplete, intermediate: not among 3 complete checkpoints of its folder"
    }


def test_what_is_alone_or_has_no_step_says_so(writer: duckdb.DuckDBPyConnection) -> None:
    assert evidence(writer, OLD)["time order"] == "the only complete checkpoint of its folder"
    writer.execute("update marts.checkpoints set step = null, epoch = null")
    assert evidence(writer, OLD)["step order"] == "its name has no step, so its place is not known"


@pytest.mark.parametrize(
    "told, sentence",
    [
        ({"outcome": "names", "checkpoint_id": OLD}, "names this one as the best"),
        ({"outcome": "names", "checkpoint_id": NEW}, "names checkpoint-1000 as the best"),
        ({"outcome": "names_nothing", "says": "/gone"}, "names /gone as the best, which is not here"),
        ({"outcome": "says_nothing"}, "names none as the best"),
        (
            {"outcome": "unread", "remark": "it is not JSON"},
            "not read, so that nothing of what it says is known: it is not JSON",
        ),
        (
            {"outcome": "names", "checkpoint_id": OLD, "is_heard": False},
            "names this one as the best; a newer one counts instead",
        ),
    ],
)
def test_a_state_file_says_whom_it_names(
    heard: duckdb.DuckDBPyConnection, told: dict[str, object], sentence: str
) -> None:
    says(heard, "best", **told)
    assert evidence(heard, OLD)["state file checkpoint-1000/trainer_state.json"] == sentence


def test_pointers_metrics_and_claims_are_told_apart(heard: duckdb.DuckDBPyConnection) -> None:
    about = {"checkpoint_id": OLD}
    says(heard, "latest", witness="runs/nlp/chat/latest", says="checkpoint-500", outcome="names", **about)
    says(
        heard, "metric", witness="metrics", says="loss 2.5", outcome="best", remark="lower is better", **about
    )
    says(heard, "registered", witness="", says="models:/chat/1 (Production)", outcome="claims", **about)
    says(heard, "in_use", witness="", says="run abc", outcome="claims", **about)

    told = evidence(heard, OLD)

    assert told["pointer file latest"] == "names this one as the latest"
    assert told["metric in metrics"] == (
        "loss 2.5: lower is better, and no other checkpoint of its folder is better"
    )
    assert told["registry"] == "registered as models:/chat/1 (Production)"
    assert told["run"] == "used by run abc"
    assert "small files" not in told


def test_a_file_of_another_folder_or_framework_says_nothing_of_it(heard: duckdb.DuckDBPyConnection) -> None:
    says(heard, "latest", save_directory="runs/nlp/chat/eval/")
    says(heard, "latest", framework="deepspeed")
    says(heard, "latest", provider="gcp")
    assert [each.witness for each in explain(heard, OLD).evidence] == [
        "step order",
        "time order",
        "small files",
    ]


def test_an_object_has_the_evidence_of_its_checkpoint(heard: duckdb.DuckDBPyConnection) -> None:
    says(heard, "best", outcome="names", checkpoint_id=OLD)
    assert explain(heard, f"{OLD}/model.safetensors").evidence == explain(heard, OLD).evidence


def test_a_hostile_file_is_told_and_made_visible(heard: duckdb.DuckDBPyConnection, hostile: str) -> None:
    says(heard, "best", witness=f"runs/nlp/chat/{hostile}", outcome="names_nothing", says=hostile)

    explanation = explain(heard, OLD)
    console = Console(record=True, width=200, color_system=None, file=io.StringIO())
    print_explanation(explanation, console)

    text = console.export_text()
    assert Evidence(f"pointer file {hostile}", f"names {hostile} as the best, which is not here") in (
        explanation.evidence
    )
    assert "\x1b" not in text
    assert r"we[red]ird'; drop table marts.checkpoints; --\x1b[2J" in text
    assert "\x1b" not in to_json(explanation)
