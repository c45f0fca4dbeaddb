"""The three DAGs, task by task, in this process, over fake steps."""

import io
import json
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import rehearsal
import rehearse
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session
from rehearsal import Answer, Progress
from sqlalchemy import func, select

import pipelines
from pipelines import snapshots
from pipelines import steps as real_steps  # before a test puts the fakes there
from pipelines.domain.snapshots import BuildMeta, Snapshot
from pipelines.gates.results import write_results
from pipelines.stores import LocalStore
from tests.dags import fake_steps
from tests.fakes.chat import running_chat
from tests.fakes.warehouses import PASSED, make_build, publish_build

from .conftest import Calls

Rehearsed = Callable[[], tuple[object, str]]
Dags = Mapping[str, DAG]

pytestmark = pytest.mark.usefixtures("calls")

DAY = "2026-11-20"
ADA = Answer("Approve", "ada", "old runs")
PLANS = ["old-uploads", "stale-checkpoints"]


@pytest.fixture(scope="session")
def dags(migrated: None) -> Dags:  # noqa: ARG001  (wanted done)
    bag = DagBag()
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        for task in dag.tasks:
            task.retry_delay = rehearsal.RETRY_DELAY
    loaded: Dags = bag.dags
    return loaded


def states(run: DagRun) -> dict[str, tuple[str, int]]:
    """Return `task` or `task [mapped name]` → its state and number of tries."""
    return {
        f"{task.task_id}{f' [{task.rendered_map_index}]' if task.map_index >= 0 else ''}": (
            str(task.state),
            task.try_number,
        )
        for task in run.get_task_instances()
    }


def events() -> list[Mapping[str, str]]:
    with create_session() as session:
        return list(session.scalars(select(AssetEvent.extra)))


def run_night(dags: Dags, **conf: str) -> DagRun:
    return dags["nightly_costs"].test(run_conf=conf)


def run_plan(dags: Dags, answer: Answer) -> tuple[DagRun, list[str]]:
    """Return the run, and the plans whose application it triggered."""
    with rehearsal._answering(answer, Progress(io.StringIO())):
        run = dags["lifecycle_plan"].test()
    return run, sorted(conf["plan"] for conf in rehearsal._take_queued("lifecycle_apply", run.start_date))


def test_a_night_goes_through_all_stages_of_its_day_in_order(dags: Dags, calls: Calls) -> None:
    run = run_night(dags, day=DAY)
    assert run.state == "success"
    assert set(states(run).values()) == {("success", 1)}
    assert states(run).keys() == {
        "ingest.list_sources",
        "ingest.find [aws-bill]",
        "ingest.find [train]",
        "ingest.share_out",
        "ingest.land [train d0 parts 1-4]",
        "ingest.land [train d1 parts 1-4]",
        "ingest.finish [aws-bill]",
        "ingest.finish [train]",
        *("build", "check", "publish", "report_damage"),
    }
    done = calls()
    assert [done[0], *sorted(done[1:3]), *sorted(done[3:5]), *sorted(done[5:7]), *done[7:]] == [
        f"source_names {DAY}",
        *(f"find {DAY} aws-bill", f"find {DAY} train"),
        *(f"land {DAY} train d0", f"land {DAY} train d1"),
        *(f"finish {DAY} aws-bill", f"finish {DAY} train d0 d1"),
        *(f"build {DAY}", f"check {DAY}", f"publish {DAY}", f"quarantined {DAY}"),
    ]


def test_a_night_without_anything_new_is_published_all_the_same(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DELIVERIES", "0")
    run = run_night(dags, day=DAY)
    found = states(run)
    assert run.state == "success"
    assert found["ingest.land"] == ("skipped", 0)
    assert found["ingest.finish [train]"] == found["publish"] == ("success", 1)
    assert f"publish {DAY}" in calls()


def test_a_night_with_a_damaged_delivery_is_published_and_ends_red(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DAMAGE", "d1")
    before = events()
    run = run_night(dags, day=DAY)
    found = states(run)
    assert run.state == "failed"
    assert found["ingest.land [train d1 parts 1-4]"] == found["publish"] == ("success", 1)
    assert found["report_damage"] == ("failed", 1)
    assert calls()[-2:] == [f"publish {DAY}", f"quarantined {DAY}"]
    assert len(events()) == len(before) + 1


def test_a_first_night_is_shared_by_a_bounded_number_of_tasks(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DELIVERIES", "5")
    monkeypatch.setattr("ingestion.MOST_SHARES", 2)
    run = run_night(dags, day=DAY)
    shares = {name for name in states(run) if name.startswith("ingest.land")}
    assert shares == {
        "ingest.land [train d0 parts 1-4 and 2 more]",
        "ingest.land [train d3 parts 1-4 and 1 more]",
    }
    assert sum(call.startswith("land") for call in calls()) == 5


def test_who_waits_for_the_marts_hears_snapshot_and_day(dags: Dags) -> None:
    before = events()
    run_night(dags, day=DAY)
    assert events()[len(before) :] == [{"snapshot_id": f"{DAY}-abc", "day": DAY}]


def test_a_failed_gate_fails_publish_once_and_tells_nobody(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", "publish refused")
    before = events()
    run = run_night(dags, day=DAY)
    assert run.state == "failed"
    assert states(run)["publish"] == ("failed", 1)
    assert calls().count(f"publish {DAY}") == 1
    assert events() == before


def test_a_night_that_its_checks_refuse_fails_once_tells_once_and_leaves_the_snapshot_before(
    dags: Dags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moraine.yaml").write_text(
        "lake: lake\nengine: {temp_directory: tmp}\nsources: [{name: bill, kind: focus, uri: bills}]\n"
        "notify: [{kind: webhook, url_from: MORAINE_WEBHOOK_URL}]\n"
    )
    lake = LocalStore(tmp_path / "lake")
    before = publish_build(lake, make_build(tmp_path / "build.duckdb"), day=date(2026, 11, 19))
    built = make_build(lake.root / "build" / DAY / "warehouse.duckdb")
    with closing(duckdb.connect(str(built))) as connection:
        write_results(connection, [PASSED, replace(PASSED, check_id="planted", passed=False)])
    meta = BuildMeta("b" * 16, date.fromisoformat(DAY), "0.1.0")
    lake.write(f"build/{DAY}/build.json", json.dumps(meta.to_json()).encode())

    def publish(run: fake_steps.Run) -> Snapshot:
        return real_steps.publish(real_steps.open_run(tmp_path / "moraine.yaml", run.as_of, run.now))

    monkeypatch.setattr(pipelines.steps, "publish", publish, raising=False)
    with running_chat() as chat:
        monkeypatch.setenv("MORAINE_WEBHOOK_URL", chat.url)
        runs = [run_night(dags, day=DAY) for _ in range(2)]
    assert [(run.state, states(run)["publish"]) for run in runs] == [("failed", ("failed", 1))] * 2
    assert snapshots.current(lake) == before
    (told,) = chat.posted
    assert "- planted: 0, expected 0." in told
    assert f"In force stays: {before.snapshot_id}" in told


@pytest.mark.parametrize(
    "step, task",
    [("find", "find [train]"), ("land", "land [train d0 parts 1-4]"), ("finish", "finish [train]")],
)
def test_a_source_that_cannot_be_read_fails_once_and_nothing_is_built(
    dags: Dags, monkeypatch: pytest.MonkeyPatch, step: str, task: str
) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", f"{step} terminal")
    found = states(run_night(dags, day=DAY))
    assert found[f"ingest.{task}"] == ("failed", 1)
    assert found["build"] == found["publish"] == found["report_damage"] == ("upstream_failed", 0)


def test_a_store_that_does_not_answer_is_asked_again(dags: Dags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", "build transient 1")
    run = run_night(dags, day=DAY)
    assert (run.state, states(run)["build"]) == ("success", ("success", 2))


def test_a_day_that_is_none_fails_at_once(dags: Dags, calls: Calls) -> None:
    with pytest.raises(ValueError, match="not a 'date'"):
        run_night(dags, day="yesterday")
    assert calls() == []


def test_what_is_approved_is_recorded_and_triggered_for_each_policy(dags: Dags, calls: Calls) -> None:
    run, triggered = run_plan(dags, ADA)
    found = states(run)
    assert run.state == "success"
    assert found["clean_up.plan [nothing-to-do.yaml]"] == ("skipped", 1)
    assert calls()[0] == "policies acme/moraine.yaml"
    assert sorted(call for call in calls() if call.startswith("approve")) == [
        "approve old-uploads ada old runs",
        "approve stale-checkpoints ada old runs",
    ]
    assert triggered == ["old-uploads", "stale-checkpoints"]


def test_what_is_rejected_is_neither_recorded_nor_triggered(dags: Dags, calls: Calls) -> None:
    run, triggered = run_plan(dags, Answer("Reject", "ada", ""))
    assert run.state == "success"
    assert states(run)["clean_up.record_approval [old-uploads]"] == ("skipped", 1)
    assert not any(call.startswith("approve") for call in calls())
    assert triggered == []


def test_where_one_person_is_enough_nobody_is_asked_again(dags: Dags) -> None:
    found = states(run_plan(dags, ADA)[0])
    assert found["clean_up.record_approval [old-uploads]"] == ("success", 1)
    assert found["clean_up.second_question [old-uploads]"] == ("skipped", 1)
    assert found["clean_up.release [old-uploads]"] == ("success", 1)


def test_a_plan_that_needs_two_people_asks_both(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TWO_PEOPLE", "old-uploads")
    run, triggered = run_plan(dags, replace(ADA, second="grace"))
    assert run.state == "success"
    assert sorted(call for call in calls() if call.startswith("approve")) == [
        "approve old-uploads ada old runs",
        "approve old-uploads grace old runs",
        "approve stale-checkpoints ada old runs",
    ]
    assert triggered == ["old-uploads", "stale-checkpoints"]


def test_the_same_person_twice_is_refused_and_only_other_plans_are_triggered(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TWO_PEOPLE", "old-uploads")
    run, triggered = run_plan(dags, ADA)
    assert run.state == "failed"
    assert states(run)["clean_up.record_second [old-uploads]"] == ("failed", 1)
    assert calls().count("approve old-uploads ada old runs") == 1
    assert triggered == ["stale-checkpoints"]


def test_a_plan_whose_approval_is_refused_holds_no_other_plan_back(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", "approve refused 1")
    run, triggered = run_plan(dags, ADA)
    assert run.state == "failed"
    ended = {plan: states(run)[f"clean_up.record_approval [{plan}]"][0] for plan in PLANS}
    assert sorted(ended.values()) == ["failed", "success"]
    assert triggered == [plan for plan in PLANS if ended[plan] == "success"]
    assert sum(call.startswith("approve") for call in calls()) == 2


def test_a_plan_that_waits_for_its_second_answer_holds_no_other_plan_back(
    dags: Dags, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_one, queued_before = rehearsal._answer_question, []

    def answer_last(task: Any, answer: Answer, session: Any) -> None:  # noqa: ANN401  (Airflow's, untyped)
        is_second = task.task_id.endswith("ask_again")
        queued = select(DagRun).where(DagRun.dag_id == "lifecycle_apply", DagRun.state == "queued")
        queued_before.append([run.conf["plan"] for run in session.scalars(queued)] if is_second else [])
        if not is_second or queued_before[-1] or len(queued_before) > 100:
            answer_one(task, answer, session)

    monkeypatch.setattr(rehearsal, "_answer_question", answer_last)
    monkeypatch.setenv("FAKE_TWO_PEOPLE", "old-uploads")
    _, triggered = run_plan(dags, replace(ADA, second="grace"))
    assert queued_before[-1] == ["stale-checkpoints"]
    assert triggered == PLANS


def test_what_the_second_person_rejects_is_not_triggered(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_one = rehearsal._answer_question

    def reject_again(task: Any, answer: Answer, session: Any) -> None:  # noqa: ANN401  (Airflow's, untyped)
        is_second = task.task_id.endswith("ask_again")
        answer_one(task, replace(answer, choice="Reject") if is_second else answer, session)

    monkeypatch.setattr(rehearsal, "_answer_question", reject_again)
    monkeypatch.setenv("FAKE_TWO_PEOPLE", "old-uploads")
    run, triggered = run_plan(dags, replace(ADA, second="grace"))
    assert run.state == "success"
    assert states(run)["clean_up.release [old-uploads]"] == ("skipped", 1)
    assert triggered == ["stale-checkpoints"]
    assert "approve old-uploads grace old runs" not in calls()


def test_a_second_question_that_was_passed_by_is_no_approval(
    dags: Dags, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TWO_PEOPLE", "old-uploads")
    with rehearsal._answering(ADA, Progress(io.StringIO())):
        run = dags["lifecycle_plan"].test(mark_success_pattern=r"clean_up\.ask_again")
    assert states(run)["clean_up.record_second [old-uploads]"] == ("failed", 1)
    queued = [conf["plan"] for conf in rehearsal._take_queued("lifecycle_apply", run.start_date)]
    assert queued == ["stale-checkpoints"]
    assert calls().count("approve old-uploads ada old runs") == 1


def test_a_question_that_was_passed_by_is_no_approval(dags: Dags, calls: Calls) -> None:
    # What a person does who marks the question as a success in Airflow's pages.
    run = dags["lifecycle_plan"].test(mark_success_pattern=r"clean_up\.ask")
    assert run.state == "failed"
    assert states(run)["clean_up.record_approval [old-uploads]"] == ("failed", 1)
    assert not any(call.startswith("approve") for call in calls())
    assert rehearsal._take_queued("lifecycle_apply", run.start_date) == []


def test_an_approved_plan_is_applied_by_chunks_and_then_verified(dags: Dags, calls: Calls) -> None:
    run = dags["lifecycle_apply"].test(run_conf={"plan": "old-uploads"})
    assert run.state == "success"
    assert {"apply_chunk [chunk-00000]", "apply_chunk [chunk-00001]"} < states(run).keys()
    assert calls()[0] == "chunks old-uploads"
    assert sorted(calls()[1:3]) == [f"apply_chunk old-uploads chunk-0000{number}" for number in (0, 1)]
    assert calls()[3:] == ["verify old-uploads"]


def test_a_refused_plan_fails_once_and_is_not_verified(dags: Dags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", "apply_chunk refused")
    found = states(dags["lifecycle_apply"].test(run_conf={"plan": "old-uploads"}))
    assert found["apply_chunk [chunk-00000]"] == ("failed", 1)
    assert found["verify"] == ("upstream_failed", 0)


def test_apply_needs_a_plan(dags: Dags, calls: Calls) -> None:
    with pytest.raises(ValueError, match="plan"):
        dags["lifecycle_apply"].test()
    assert calls() == []


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Rehearsed:
    """Call the program; return its exit code and what it prints."""

    def run() -> tuple[object, str]:
        words = ["--day", DAY, "--answer", "Approve", "--by", "ada", "--reason", "old runs"]
        monkeypatch.setattr("sys.argv", ["rehearse.py", *words])
        with pytest.raises(SystemExit) as ended:
            rehearse.main()
        return ended.value.code, capfd.readouterr().out

    return run


def test_a_rehearsal_runs_all_three_and_leaves_no_run_in_the_queue(
    rehearsed: Rehearsed, calls: Calls
) -> None:
    code, out = rehearsed()
    assert code == 0
    assert len(re.findall(r"^done +\d+\.\d s  lifecycle_apply\.verify$", out, re.MULTILINE)) == 2
    assert "asked             Clean up by old-uploads: 2 objects?" in out
    assert "answered          Approve, ada: old runs" in out
    assert [f"publish {DAY}", "approve old-uploads ada old runs"] == [
        call for call in calls() if call.startswith(("publish", "approve old"))
    ]
    with create_session() as session:
        assert session.scalars(select(DagRun.run_id).where(DagRun.state == "queued")).all() == []
        longest = session.scalar(select(func.max(func.length(XComModel.value))))
    assert longest < 1000, "tasks hand on names and counts, never data"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "Airflow's handler would ignore it"


def test_a_rehearsal_of_a_published_night_goes_on_and_says_what_is_damaged(
    rehearsed: Rehearsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DAMAGE", "d1")
    code, out = rehearsed()
    assert code == 1
    assert "error nightly_costs.report_damage: 1 delivery is damaged and in quarantine" in out
    assert "train d1: a data file is cut short (s3://inventories/d1.csv.gz)" in out
    assert len(re.findall(r"^done .*lifecycle_apply\.verify$", out, re.MULTILINE)) == 2


def test_a_rehearsal_stops_where_a_night_failed_and_says_why(
    rehearsed: Rehearsed, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TROUBLE", "build terminal")
    code, out = rehearsed()
    assert code == 1
    assert "error nightly_costs.build: it did not work\n  where: the fake build\n  fix:   Leave it" in out
    assert "not run           nightly_costs.publish" in out
    assert not any(call.startswith("policies") for call in calls())
