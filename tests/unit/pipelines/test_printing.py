"""Tables for people."""

from decimal import Decimal

import pytest

from pipelines.printing import print_table


def test_a_value_wider_than_the_screen_is_shown_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("key", "size"), [("runs/" + "x" * 100, 7)])
    assert "runs/" + "x" * 100 in capsys.readouterr().out


def test_amounts_are_written_out_never_with_an_exponent(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("none", "some"), [(Decimal("0E-12"), Decimal("1E-12"))])
    shown = capsys.readouterr().out
    assert "0.000000000000" in shown
    assert "0.000000000001" in shown
