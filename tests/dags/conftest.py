"""Nothing in this folder imports Airflow into the process of the other tests; `inside/` runs in its own."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

collect_ignore = ["inside"]


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dags(root: Path) -> Path:
    return root / "dags"


@pytest.fixture(scope="session")
def bare_environment() -> Mapping[str, str]:
    """The environment without what a surrounding test run, or an Airflow of this machine, put into it."""
    foreign = ("PYTEST_", "AIRFLOW", "MORAINE", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
