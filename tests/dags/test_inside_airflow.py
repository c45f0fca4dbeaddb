import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.mark.xdist_group("airflow")
def test_all_that_runs_inside_airflow_passes(root: Path, bare_environment: Mapping[str, str]) -> None:
    words = ["-m", "pytest", "tests/dags/inside", "-q", "-p", "no:cacheprovider", "--show-capture=no"]
    ran = subprocess.run(
        [sys.executable, *words], cwd=root, env=bare_environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
