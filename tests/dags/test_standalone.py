import importlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

# Ignores TERM and has a child, as Airflow's scheduler does; both hold the pipe open for as long as they live.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pipe = open(sys.argv[1], "w")
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[pipe.fileno()])
print("up", file=pipe, flush=True)
time.sleep(60)
"""


@pytest.fixture
def standalone(dags: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(dags))
    module = importlib.import_module("standalone")
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.5)
    return module


def test_a_program_ends_with_all_of_its_children(standalone: ModuleType, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [sys.executable, "-c", STUBBORN, str(pipe)]
    with standalone._group(words, os.environ, tmp_path / "log") as program:
        alive = pipe.open(encoding="utf-8")
        assert alive.readline() == "up\n"
    assert program.returncode == -signal.SIGKILL
    with alive:
        # The end of the file can be read once nobody holds the pipe open any more.
        assert select.select([alive], [], [], 5)[0] == [alive]
        assert alive.read() == ""


def test_a_port_that_is_taken_is_said_before_anything_starts(
    dags: Path, bare_environment: Mapping[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, dags / "standalone.py", "--port", str(port)],
            cwd=tmp_path,
            env=bare_environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == (
        f"error port {port} is taken\n  where: 127.0.0.1\n  fix:   Choose another with --port.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_airflow_listens_on_this_machine_only(standalone: ModuleType, tmp_path: Path) -> None:
    variables = standalone._airflow_variables(tmp_path, 8080)
    assert variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "True"
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
