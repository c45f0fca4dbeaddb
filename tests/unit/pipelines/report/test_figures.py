"""Numbers as people read them."""

from decimal import Decimal

import pytest

from pipelines.report.figures import change, forecast, money, share, size, sparkline, tail


@pytest.mark.parametrize(
    "amount, text",
    [
        ("1234567.891", "$1,234,567.89"),
        ("-0.5", "-$0.50"),
        ("0", "$0.00"),
        ("0.004", "<$0.01"),
        ("-0.004", "-<$0.01"),
    ],
)
def test_money(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


def test_money_of_other_currencies() -> None:
    assert money(Decimal(5), "EUR") == "€5.00"
    assert money(Decimal(-5), "CHF", signed=True) == "-CHF 5.00"
    assert money(Decimal(5), signed=True) == "+$5.00"


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024**4, "1.00 TiB"),
        (1023 * 1024**3, "1.00 TiB"),
        (123 * 1024**2, "123 MiB"),
        (-(1024**2), "-1.00 MiB"),
        (1024**7, "1024 EiB"),
    ],
)
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert size(count) == text


def test_shares_and_changes() -> None:
    assert [share(None), share(0.0), share(0.001), share(0.256)] == ["", "0%", "<1%", "26%"]
    assert change(Decimal(0), Decimal(5)) == "new"
    assert change(Decimal(10), Decimal(5)) == "-50%"
    assert change(Decimal(-10), Decimal(-5)) == "+50%"


def test_a_sparkline_of_nothing_and_of_equal_days() -> None:
    assert sparkline([]) == ""
    assert sparkline([None]) == ""
    assert sparkline([Decimal(3), Decimal(3)]) == "▁▁"


def test_a_path_is_cut_at_its_beginning() -> None:
    assert tail("s3://bucket/run/step", 100) == "s3://bucket/run/step"
    assert tail("s3://bucket/run/step", 9) == "…run/step"


def test_a_month_goes_on_as_it_began() -> None:
    assert forecast(Decimal(310), 10, 31) == Decimal(961)
    assert forecast(Decimal(310), 2, 31) is None
