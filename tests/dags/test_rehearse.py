import importlib
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def rehearse(dags: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(dags))
    return importlib.import_module("rehearse")


def test_what_anybody_prints_goes_to_a_file_and_only_progress_to_the_screen(
    rehearse: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    with rehearse._chatter_in(log) as out:
        os.write(1, b"a library\n")
        os.write(2, b"a warning\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
        out.write("progress\n")
    sys.stdout.write("afterwards\n")
    assert log.read_text(encoding="utf-8").splitlines()[1:] == ["a library", "a warning", "a child"]
    assert capfd.readouterr() == ("progress\nafterwards\n", "")


def test_airflow_keeps_all_of_its_own_in_one_directory(
    rehearse: ModuleType, tmp_path: Path, dags: Path
) -> None:
    variables = rehearse.environment(tmp_path)
    assert variables["AIRFLOW_HOME"] == str(tmp_path)
    assert variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow.db"
    assert variables["AIRFLOW__CORE__DAGS_FOLDER"] == str(dags)


def test_nobody_answers_without_a_name(
    rehearse: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rehearse.py", "--day", "2026-11-20", "--answer", "Approve"])
    with pytest.raises(SystemExit):
        rehearse._parse_arguments()
    assert "--by" in capsys.readouterr().err


def test_the_day_is_a_day(rehearse: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["rehearse.py", "--day", "2026-11-20", "--answer", "Reject", "--by", "ada"]
    monkeypatch.setattr("sys.argv", words)
    assert rehearse._parse_arguments().day == date(2026, 11, 20)
