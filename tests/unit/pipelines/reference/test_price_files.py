"""Price files: one price for every day and GB, and messages that name the line."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.errors import Terminal
from pipelines.reference.price_files import faults, parse_prices, read_price_file
from pipelines.reference.price_list import PriceList, price_tables, shipped_price_lists

HEAD = """provider: aws
region_id: us-east-1
sources:
  contract: {title: "Our agreement", url: "https://example.com/agreement", as_of: "2026-10"}
prices:
"""
FIRST = len(HEAD.splitlines()) + 1


def line(**said: str) -> str:
    shown = {
        "storage_class": "STANDARD",
        "meter": "storage",
        "unit": "gb-month",
        "usd": '"0.02"',
        "valid_from": "2026-01-01",
        "source": "contract",
        **said,
    }
    return "  - {" + ", ".join(f"{name}: {value}" for name, value in shown.items()) + "}\n"


@pytest.mark.parametrize(
    "listed", shipped_price_lists(), ids=lambda listed: f"{listed.provider}-{listed.region_id}"
)
def test_the_files_kept_here_have_one_price_for_every_day_and_gb(listed: PriceList) -> None:
    assert list(faults(listed)) == []


def test_no_price_is_kept_in_two_files() -> None:
    keys = [key for listed in shipped_price_lists() for key in {listed.key(price) for price in listed.prices}]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "rows, wrong, words",
    [
        (line(to_gb="10") + line(from_gb="20"), 1, "no price from 10 to 20 GB"),
        (line(to_gb="20") + line(from_gb="10"), 1, "two prices from 10 GB on"),
        (line() + line(from_gb="10"), 1, "two prices from 10 GB on"),
        (line(from_gb="10"), 0, "no price from 0 to 10 GB"),
        (line(from_gb="0", to_gb="0"), 0, "ends before it begins"),
        (
            line(valid_until="2026-02-01") + line(valid_from="2026-03-01"),
            1,
            "no price from 2026-02-01 to 2026-03-01",
        ),
        (line(valid_until="2026-03-01") + line(valid_from="2026-02-01"), 1, "two prices from 2026-02-01 on"),
        (line() + line(valid_from="2026-02-01"), 1, "two prices from 2026-02-01 on"),
        (line(valid_until="2025-01-01"), 0, "ends before it begins"),
        (line(to_gb="10") + line(from_gb="10", unit="gb"), 1, "two units"),
    ],
    ids=[
        "gap",
        "overlap",
        "open-end",
        "no-start",
        "empty",
        "days-gap",
        "days-overlap",
        "days-twice",
        "backwards",
        "units",
    ],
)
def test_gaps_and_overlaps_are_refused_with_line_and_fix(rows: str, wrong: int, words: str) -> None:
    with pytest.raises(Terminal, match=words) as caught:
        parse_prices(HEAD + rows, origin="ours.yaml")
    assert caught.value.where == f"ours.yaml, line {FIRST + wrong}, prices.{wrong}"
    assert caught.value.fix


def test_tiers_may_change_from_one_day_to_the_next() -> None:
    rows = line(to_gb="10", valid_until="2026-02-01") + line(from_gb="10", valid_until="2026-02-01")
    rows += line(valid_from="2026-02-01")
    assert len(parse_prices(HEAD + rows, origin="ours.yaml").prices) == 3


@pytest.mark.parametrize(
    "old, new, words",
    [("meter: storage", "meter: storrage", "meter"), ('"0.02"', "-1", "usd"), ("unit:", "units:", "units")],
)
def test_a_wrong_value_names_its_line(old: str, new: str, words: str) -> None:
    with pytest.raises(Terminal) as caught:
        parse_prices(HEAD + line(storage_class="GLACIER") + line().replace(old, new), origin="ours.yaml")
    assert f"ours.yaml, line {FIRST + 1}" in caught.value.where
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="cannot be read") as caught:
        read_price_file(tmp_path / "none.yaml")
    assert "none.yaml" in caught.value.where


def test_an_own_price_takes_the_place_of_all_tiers_and_of_earlier_files() -> None:
    first = parse_prices(HEAD + line(usd='"0.019"') + line(storage_class="GLACIER"), origin="a")
    second = parse_prices(HEAD + line(usd='"0.018"'), origin="b")
    table = next(table for table in price_tables((first, second)) if table.name == "prices")
    rows = [dict(zip(table.column_names, row, strict=True)) for row in table.rows]
    ours = {
        row["storage_class"]: (row["usd"], row["valid_from"])
        for row in rows
        if (row["provider"], row["region_id"], row["meter"]) == ("aws", "us-east-1", "storage")
        and "agreement" in str(row["source"])
    }
    standard = [
        row
        for row in rows
        if (row["provider"], row["region_id"], row["storage_class"], row["meter"])
        == ("aws", "us-east-1", "STANDARD", "storage")
    ]
    assert ours == {
        "STANDARD": (Decimal("0.018"), date(2026, 1, 1)),
        "GLACIER": (Decimal("0.02"), date(2026, 1, 1)),
    }
    assert len(standard) == 1
