"""Tables for people."""

import pytest

from pipelines.printing import print_table


def test_a_value_wider_than_the_screen_is_shown_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("key", "size"), [("runs/" + "x" * 100, 7)])
    assert "runs/" + "x" * 100 in capsys.readouterr().out
