"""List prices and their dates."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from pipelines.reference.price_list import PriceList, list_price, s3_price_list

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    "storage_class, usd",
    [("STANDARD", "0.023"), ("STANDARD_IA", "0.0125"), ("GLACIER", "0.0036"), ("DEEP_ARCHIVE", "0.00099")],
)
def test_the_first_tier_is_the_list_price(storage_class: str, usd: str) -> None:
    assert list_price(storage_class, "storage", TODAY) == Decimal(usd)


def test_a_price_holds_from_its_first_day_to_the_day_before_its_last() -> None:
    changed = date(2025, 4, 1)
    assert list_price("EXPRESS_ONEZONE", "storage", changed - timedelta(days=1)) == Decimal("0.16")
    assert list_price("EXPRESS_ONEZONE", "storage", changed) == Decimal("0.11")


def test_before_the_first_known_day_the_first_known_price_is_taken() -> None:
    assert list_price("EXPRESS_ONEZONE", "storage", date(2020, 1, 1)) == Decimal("0.16")


def test_what_is_not_listed_has_no_price() -> None:
    assert list_price("STANDARD", "transition-in", TODAY) is None


def test_each_class_has_a_storage_price_and_its_minimums() -> None:
    listed = s3_price_list()
    priced = {price.storage_class for price in listed.prices if price.meter == "storage"}
    assert {row.storage_class for row in listed.classes} == priced


def test_tiers_of_a_day_follow_one_another_without_a_gap() -> None:
    for storage_class in ("STANDARD", "INTELLIGENT_TIERING"):
        tiers = [
            (price.from_gb, price.to_gb)
            for price in s3_price_list().prices
            if (price.storage_class, price.meter) == (storage_class, "storage")
        ]
        assert tiers == [(0, 51_200), (51_200, 512_000), (512_000, None)]


def test_a_price_without_a_listed_source_is_refused() -> None:
    price = {
        "storage_class": "STANDARD",
        "meter": "storage",
        "unit": "gb-month",
        "usd": "1",
        "valid_from": TODAY,
        "source": "hearsay",
    }
    with pytest.raises(ValidationError, match="source 'hearsay' of STANDARD is not listed"):
        PriceList.model_validate(
            {"provider": "aws", "region_id": "x", "sources": {}, "prices": [price], "classes": []}
        )
