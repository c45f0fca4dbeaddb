"""`make demo` as a newcomer runs it: the real DAGs, a real approval, and the closing screen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.xdist_group("the-demo")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "-m", "pipelines.demo", "run", "--dir", str(directory)]
    return directory, subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def test_it_ends_well_and_every_promise_is_kept(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, ended = demo
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "all as planned" in ended.stdout
    assert "GONE" not in ended.stdout
    for promise in ("registry serves", "best checkpoint", "latest checkpoint", "interrupted save"):
        assert promise in ended.stdout
    assert "where to look next" in ended.stdout


def test_every_task_of_the_three_dags_ran(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, ended = demo
    for task in ("nightly_costs.publish", "lifecycle_plan.clean_up.ask", "lifecycle_apply.verify"):
        assert any(task in line and line.split()[0] == "done" for line in ended.stdout.splitlines()), task
    assert "FAILED" not in ended.stdout


def test_the_approval_names_who_gave_it(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, _ = demo
    (approval,) = (directory / "lake" / "plans").glob("*/approvals/*.json")
    assert json.loads(approval.read_text())["by"] == "you, by starting the demo"
