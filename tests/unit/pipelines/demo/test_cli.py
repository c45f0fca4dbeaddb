"""The commands of the demo."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pipelines.demo.cli import app
from pipelines.domain.registry import SEARCH_PATH


def test_a_workspace_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["write", "--dir", str(tmp_path), "--endpoint", "http://127.0.0.1:1", "--as-of", "2026-11-19"]
    )

    assert result.exit_code == 0, result.output
    assert Path(result.output.strip()) == tmp_path / "moraine.yaml"
    assert "2026-11-19" in (tmp_path / "moraine.yaml").read_text(encoding="utf-8")


def test_deliveries_are_written_as_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["deliveries", "--dir", str(tmp_path), "--as-of", "2026-11-19"])

    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.rglob("manifest.checksum"))) == 20


@pytest.mark.parametrize("command", ["serve", "write", "deliveries"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert f"python -m pipelines.demo {command}" in result.output


def test_serving_says_its_address_and_ends_when_asked() -> None:
    command = [sys.executable, "-m", "pipelines.demo", "serve", "--port", "0", "--as-of", "2026-11-19"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert httpx.get(url + SEARCH_PATH).json()["model_versions"]

        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=20)

    assert server.returncode == 0
    assert not errors
