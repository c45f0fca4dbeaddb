"""Numbers that others have published, reproduced by the models."""

import json
import os
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from pipelines.reference.price_list import s3_price_list
from pipelines.warehouse.descriptions import Example
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.models import Model, shipped_models

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"
needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")
NOVEMBER = date(2023, 11, 30)

pytestmark = needs_examples


class Build(Protocol):
    def __call__(
        self, rows: Mapping[str, object], marts: Sequence[str], *, as_of: date
    ) -> duckdb.DuckDBPyConnection: ...


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def model(table: str) -> Model:
    return next(found for found in shipped_models() if found.table == table)


def test_usage_types_fall_into_the_published_categories() -> None:
    case = example("aws-usage-type-classification")
    meters = [
        {
            "meter_id": str(number),
            "provider": "aws",
            "service_code": row["product_code"],
            "service_category": "",
            "meter": row["usage_type"],
            "operation": row["operation"],
            "is_named": True,
        }
        for number, row in enumerate(case["inputs"]["rows"])
    ]
    expected = [
        {"meter_id": str(number), "path": category}
        for number, category in enumerate(case["expected"]["category"])
    ]
    asked = Example(given={"intermediate.int_meters_named": meters}, expect=expected)
    assert run_example(model("intermediate.int_meters_classified"), asked, shipped_models()) == []


def test_byte_hours_become_gb_months_and_dollars() -> None:
    case = example("aws-s3-byte-hours-to-gb-month")
    asked = Example(
        given={
            "intermediate.int_charges_summed_daily": [
                {"charge_id": 1, "usage_date": "2026-03-31", "usage_quantity": case["expected"]["byte_hours"]}
            ],
            "intermediate.int_charges_placed": [{"charge_id": 1, "unit_bytes": 1, "unit_per": "hour"}],
        },
        expect=[{"gb_month": case["expected"]["gb_months"]}],
    )
    assert run_example(model("intermediate.int_charges_attributed"), asked, shipped_models()) == []

    left, dollars = Decimal(case["expected"]["gb_months"]), []
    for tier in s3_price_list().prices:
        if (tier.storage_class, tier.meter) == ("STANDARD", "storage") and left > 0:
            inside = min(left, (tier.to_gb or left) - tier.from_gb)
            dollars.append(inside * tier.usd)
            left -= inside
    assert dollars == [Decimal(part) for part in case["expected"]["tier_costs_usd"]]


def test_a_noncurrent_version_keeps_costing(build: Build) -> None:
    case = example("aws-s3-versioning-noncurrent-bytes")
    days = monthrange(2026, 3)[1]
    versions = [
        {
            "bucket": "b",
            "directory": "",
            "storage_class": "STANDARD",
            "is_current": version["days"] != days,
            "object_count": 1,
            "size_bytes": version["bytes"],
            "created_date": date(2026, 3, days + 1 - version["days"]),
            "first_day_byte_seconds": version["bytes"] * 86_400,
            "snapshot_at": datetime(2026, 4, 1),
        }
        for version in case["inputs"]["versions"]
    ]
    bill = [
        {
            "line_item_line_item_type": "Usage",
            "line_item_product_code": "AmazonS3",
            "line_item_usage_type": "TimedStorage-ByteHrs",
            "line_item_resource_id": "b",
            "line_item_usage_start_date": datetime(2026, 3, day),
        }
        for day in range(1, days + 1)
    ]
    rows = {"aws_cur2": bill, "s3_inventory_directories": versions}
    marts = build(rows, ("marts.prefix_costs",), as_of=date(2026, 3, 31))
    stored = marts.execute("select sum(byte_seconds) / 3600 from marts.prefix_costs where not is_residual")
    assert stored.fetchall() == [(float(case["expected"]["byte_hours"]),)]


def test_list_prices_are_those_of_a_public_price_tool() -> None:
    case = example("s3-price-list-lines-us-east-1-golden")
    kept: dict[tuple[str, str], Decimal] = {
        (price.storage_class, price.meter): price.usd for price in reversed(s3_price_list().prices)
    }
    for line in case["inputs"]["lines"]:
        if line["meter"] in OUR_METERS:
            asked = OUR_CLASSES.get(line["class"], (line["class"], OUR_METERS[line["meter"]]))
            assert kept[asked] == Decimal(line["unit_price"]), line


OUR_METERS = {
    "storage_gb": "storage",
    "transition_requests": "transition-in",
    "retrieval_gb": "retrieval",
    "retrieval_standard_gb": "retrieval",
    "monitored_objects": "monitoring",
}
OUR_CLASSES = {
    "INT": ("INTELLIGENT_TIERING", "monitoring"),
    "INT_FA": ("INTELLIGENT_TIERING", "storage"),
    "INT_IA": ("INTELLIGENT_TIERING", "storage-infrequent"),
    "INT_AA": ("INTELLIGENT_TIERING", "storage-archive"),
    "INT_DAA": ("INTELLIGENT_TIERING", "storage-deep-archive"),
}
CUR1_COLUMNS = {
    "identity_line_item_id": "identity/LineItemId",
    "bill_payer_account_id": "bill/PayerAccountId",
    "bill_billing_period_start_date": "bill/BillingPeriodStartDate",
    "line_item_usage_account_id": "lineItem/UsageAccountId",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_operation": "lineItem/Operation",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "pricing_unit": "pricing/unit",
    "pricing_public_on_demand_cost": "pricing/publicOnDemandCost",
    "product_servicecode": "product/servicecode",
    "product_region_code": "product/regionCode",
}


@pytest.fixture
def real_bill(build: Build) -> duckdb.DuckDBPyConnection:
    path = EXAMPLES / "data" / "cur1-sample-2023-11.csv"
    columns = ", ".join(f'"{old}" as {new}' for new, old in CUR1_COLUMNS.items())
    rows = f"select {columns} from read_csv('{path}', all_varchar = true)"
    return build({"aws_cur2": rows}, ("marts.costs_daily", "marts.egress_daily"), as_of=NOVEMBER)


def test_a_real_bill_falls_into_the_published_totals(real_bill: duckdb.DuckDBPyConnection) -> None:
    case = example("cur1-sample-classification-totals")["expected"]
    ours = {
        "inter_region_in": "path = 'inter_region_in'",
        "inter_region_out": "path = 'inter_region_out'",
        "internet_in": "path = 'internet_in'",
        "internet_out": "path = 'internet_out'",
        "s3_requests": "service_code = 'AmazonS3' and meter_group = 'requests'",
        "s3_storage": "meter_group = 'storage'",
        "tax": "charge_category = 'Tax'",
        "all": "true",
    }
    for name, where in ours.items():
        quantity, usd = real_bill.execute(
            "select sum(usage_quantity), sum(billed_cost) from intermediate.int_charges_attributed where "
            + where
        ).fetchall()[0]
        assert abs(usd - Decimal(case[name]["unblended_usd"])) <= Decimal("1e-10"), name
        if "usage_amount" in case[name]:
            assert abs(quantity - Decimal(case[name]["usage_amount"])) <= Decimal("1e-7"), name


def test_the_free_tier_of_a_real_bill_saves_nothing(real_bill: duckdb.DuckDBPyConnection) -> None:
    phantom = Decimal(example("cur1-sample-free-tier-phantom-list-cost")["expected"]["public_on_demand_usd"])
    listed, billed, public = real_bill.execute(
        "select sum(list_cost), sum(billed_cost),"
        " (select sum(public_on_demand_cost) from staging.stg_aws_cur2__line_items"
        "  where unblended_cost = 0 and public_on_demand_cost > 0)"
        " from marts.costs_daily"
    ).fetchall()[0]
    assert abs(public - phantom) <= Decimal("1e-9")
    assert listed - billed < phantom / 100


def test_focus_totals_are_kept_per_provider(build: Build) -> None:
    path = EXAMPLES / "data" / "focus-1.0-sample-1000.csv"
    case = example("focus-sample-totals-by-provider")["expected"]
    rows = f"select * exclude (id) from read_csv('{path}', all_varchar = true, nullstr = 'NULL')"
    marts = build({"focus": rows}, ("marts.costs_daily",), as_of=date(2024, 9, 30))
    totals = marts.execute(
        "select provider, sum(billed_cost), sum(effective_cost), sum(list_cost)"
        " from marts.costs_daily group by all"
    ).fetchall()
    names = {"aws": "AWS", "azure": "Microsoft", "oci": "Oracle"}
    for provider, *costs in totals:
        expected = case[names[provider]]
        for cost, column in zip(costs, ("BilledCost", "EffectiveCost", "ListCost"), strict=True):
            assert abs(cost - Decimal(expected[column])) <= Decimal("1e-10"), (provider, column)
    assert {provider for provider, *_ in totals} == set(names)
