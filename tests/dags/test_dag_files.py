import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

DAG_FILES = {"lifecycle_apply.py", "lifecycle_plan.py", "nightly_costs.py"}

Seen = Mapping[str, Any]

pytestmark = pytest.mark.xdist_group("airflow")


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory, bare_environment: Mapping[str, str]) -> Seen:
    """What the DAG processor sees."""
    variables = {
        **bare_environment,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    ran = subprocess.run(
        [sys.executable, Path(__file__).with_name("look_at_dags.py")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: Seen = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_all_dags_load(seen: Seen) -> None:
    assert seen["import_errors"] == {}
    assert seen["dags"].keys() == {"lifecycle_apply", "lifecycle_plan", "nightly_costs"}


def test_nothing_heavy_is_imported_while_airflow_parses_the_files(seen: Seen) -> None:
    assert seen["heavy"] == []


def test_a_night_is_ingest_then_build_then_check_then_publish_and_a_look_at_what_is_damaged(
    seen: Seen,
) -> None:
    assert [edge for edge in seen["dags"]["nightly_costs"]["edges"] if not edge.startswith("ingest.")] == [
        "build > check",
        "check > publish",
        "publish > report_damage",
    ]


def test_sources_are_searched_their_chunks_dealt_out_landed_and_finished(seen: Seen) -> None:
    edges = seen["dags"]["nightly_costs"]["edges"]
    assert [edge for edge in edges if edge.startswith("ingest.")] == [
        "ingest.find > ingest.finish",
        "ingest.find > ingest.share_out",
        "ingest.finish > build",
        "ingest.land > ingest.finish",
        "ingest.list_sources > ingest.find",
        "ingest.share_out > ingest.land",
    ]


def test_nothing_is_applied_that_was_not_asked_and_recorded(seen: Seen) -> None:
    edges = seen["dags"]["lifecycle_plan"]["edges"]
    assert [edge for edge in edges if edge.endswith("> clean_up.apply")] == [
        "clean_up.release > clean_up.apply"
    ]
    assert [edge for edge in edges if edge.endswith("> clean_up.release")] == [
        "clean_up.record_approval > clean_up.release",
        "clean_up.record_second > clean_up.release",
    ]
    assert [edge for edge in edges if edge.endswith("> clean_up.record_approval")] == [
        "clean_up.ask > clean_up.record_approval",
        "clean_up.plan > clean_up.record_approval",
    ]


def test_a_plan_is_verified_after_all_of_its_chunks(seen: Seen) -> None:
    assert seen["dags"]["lifecycle_apply"]["edges"] == ["apply_chunk > verify", "list_chunks > apply_chunk"]


def test_nights_start_on_a_clock_plans_on_new_facts_and_applying_on_nothing(seen: Seen) -> None:
    assert {name: dag["schedule"] for name, dag in seen["dags"].items()} == {
        "nightly_costs": "CronPartitionTimetable",
        "lifecycle_plan": "PartitionedAssetTimetable",
        "lifecycle_apply": "NullTimetable",
    }


def test_one_run_at_a_time_and_no_catching_up(seen: Seen) -> None:
    assert {(dag["max_active_runs"], dag["catchup"]) for dag in seen["dags"].values()} == {(1, False)}


def test_the_night_is_the_only_switch(seen: Seen) -> None:
    paused = {name: dag["is_paused_upon_creation"] for name, dag in seen["dags"].items()}
    assert paused == {"nightly_costs": None, "lifecycle_plan": False, "lifecycle_apply": False}


@pytest.mark.parametrize("name", sorted(DAG_FILES))
def test_a_dag_file_has_at_most_60_lines(dags: Path, name: str) -> None:
    assert len((dags / name).read_text(encoding="utf-8").splitlines()) <= 60


def test_airflow_skips_every_file_that_is_no_dag_file(dags: Path) -> None:
    skipped = set((dags / ".airflowignore").read_text(encoding="utf-8").split())
    assert skipped == {path.name for path in dags.glob("*.py")} - DAG_FILES
