"""Which settings and which code."""

from pathlib import Path

import pytest

from lifecycle import settings
from lifecycle.settings import code_version
from pipelines.errors import NotFound, Terminal


def test_the_code_version_names_the_release_and_the_code() -> None:
    release, _, digest = code_version().partition("+")
    assert release
    assert len(digest) == 12


def test_settings_that_are_missing_or_unreadable_say_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no settings file"):
        settings.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Terminal, match="not UTF-8"):
        settings.load(tmp_path / "binary.yaml")
    with pytest.raises(Terminal, match="cannot be read"):
        settings.load(tmp_path)


def test_places_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "moraine.yaml"
    path.write_text("lake: lake\nsources: [{name: r, kind: mlflow, uri: 'file:r'}]\n")
    found = settings.load(path)
    assert found.plans() == tmp_path / "lake" / "plans"
    assert found.scratch == tmp_path / "var" / "tmp"
    with pytest.raises(NotFound, match="no such plan"):
        found.plan_path("../../etc")
