"""These tests import Airflow, which takes over logging and reads its environment once: a process of its own.

`tests/dags/test_inside_airflow.py` starts it. The parent of this folder does not collect it.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "dags")]
_HOME = tempfile.TemporaryDirectory(prefix="moraine-airflow-")

# ruff: noqa: E402  (Airflow reads its environment while it is imported)
from rehearse import environment

os.environ |= environment(Path(_HOME.name))

from airflow.utils import db

import lifecycle
import pipelines
from tests.dags import fake_steps

Calls = Callable[[], list[str]]

# Third parties warning about one another; nothing that our code could do about.
_NOISE = (
    "ignore:Using `httpx` with `starlette.testclient`::fastapi.testclient",
    "ignore:GitWildMatchPattern:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in _NOISE:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def migrated() -> None:
    db.initdb()


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: None) -> Calls:  # noqa: ARG001  (wanted done)
    """Fake steps instead of the real ones, and the calls that they got so far."""
    for package in (pipelines, lifecycle):
        monkeypatch.setattr(package, "steps", None, raising=False)
        monkeypatch.setitem(sys.modules, f"{package.__name__}.steps", sys)
    fake_steps.install()
    log = tmp_path / "calls"
    log.touch()
    monkeypatch.setenv("FAKE_CALLS", str(log))
    monkeypatch.setenv("MORAINE_CONFIG", "acme/moraine.yaml")
    return lambda: log.read_text(encoding="utf-8").splitlines()
