"""`moraine report` writes each form where it belongs."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.stores import LocalStore
from tests.fakes.warehouses import make_build, publish_build

Answer = tuple[int, bytes, str]
Moraine = Callable[..., Answer]
WORKBOOK = b"PK\x03\x04\x00\xff\r\n\x1b[2J\n"


@pytest.fixture
def moraine(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Moraine:
    """Return a function that runs a command line over a published snapshot: exit code, output, messages."""
    (tmp_path / "moraine.yaml").write_text(
        "lake: lake\nengine: {temp_directory: tmp}\nsources: [{name: bill, kind: focus, uri: bills}]\n"
    )
    publish_build(LocalStore(tmp_path / "lake"), make_build(tmp_path / "build.duckdb"))
    # What is in a workbook is tested with the report.
    monkeypatch.setattr("pipelines.report.render_workbook", lambda _: WORKBOOK)

    def call(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["moraine", *words, "--config", str(tmp_path / "moraine.yaml")])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsysbinary.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err.decode()

    return call


def test_a_workbook_goes_to_a_file_or_a_pipe_byte_for_byte(moraine: Moraine, tmp_path: Path) -> None:
    assert moraine("report", "--format", "xlsx")[:2] == (0, WORKBOOK)

    path = tmp_path / "deep" / "costs.xlsx"
    code, out, said = moraine("report", "--format", "xlsx", "--out", str(path))
    assert (code, out) == (0, b"")
    assert path.read_bytes() == WORKBOOK
    assert f"wrote {path}" in said


def test_a_workbook_is_not_thrown_at_a_terminal(moraine: Moraine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, said = moraine("report", "--format", "xlsx")
    assert (code, out) == (1, b"")
    assert "a workbook is nothing for a screen" in said
    assert "--out costs.xlsx" in said


def test_a_place_that_cannot_be_written_is_one_message(moraine: Moraine, tmp_path: Path) -> None:
    code, _, said = moraine("report", "--format", "xlsx", "--out", str(tmp_path))
    assert code == 1
    assert "the file cannot be written: Is a directory" in said
    assert "Traceback" not in said
