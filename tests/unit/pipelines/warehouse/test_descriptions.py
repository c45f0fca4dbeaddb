"""The yml beside a model."""

from pathlib import Path

import pytest

from pipelines.errors import Terminal
from pipelines.warehouse.descriptions import read_description

GOOD = """\
description: One row per thing.
key: [thing_id]
columns:
  thing_id: {type: varchar, meaning: "Its name."}
tests:
  nothing: {expect: []}
"""


def read(tmp_path: Path, text: str) -> str:
    (tmp_path / "x.yml").write_text(text, encoding="utf-8")
    return read_description(tmp_path / "x.sql").description


def test_a_complete_description_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == "One row per thing."


@pytest.mark.parametrize(
    "old, new, problem",
    [
        pytest.param("One row per thing.", "Things.", "starts with 'One row per '", id="no-grain"),
        pytest.param("key: [thing_id]", "key: []", "key", id="no-key"),
        pytest.param("key: [thing_id]", "key: [other]", "the key names 'other'", id="key-is-no-column"),
        pytest.param(', meaning: "Its name."', "", "'meaning' is missing", id="a-column-without-meaning"),
        pytest.param("nothing: {expect: []}", "", "tests", id="no-test"),
        pytest.param(
            "nothing: {expect: []}", "nothing: {given: {}}", "'expect' is missing", id="expects-nothing"
        ),
        pytest.param("key: [thing_id]", "key: [thing_id]\nkind: x", "unknown key 'kind'", id="typing-error"),
    ],
)
def test_an_incomplete_description_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(Terminal) as refused:
        read(tmp_path, GOOD.replace(old, new))
    assert problem in str(refused.value)
