"""Numbers that others have published about data on its way, reproduced by the models."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from pipelines.warehouse.descriptions import Example
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.models import Model, shipped_models

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")

Tier = tuple[int | None, str]
HERE = {"provider": "aws", "region_id": "here"}


class Build(Protocol):
    def __call__(
        self, rows: Mapping[str, object], marts: Sequence[str], *, as_of: date
    ) -> duckdb.DuckDBPyConnection: ...


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def model(table: str) -> Model:
    return next(found for found in shipped_models() if found.table == table)


def tiers(meter: str, ends: Iterable[Tier], unit: str = "gb") -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    begin = 0
    for end, usd in ends:
        rows.append(
            {
                **HERE,
                "to_region_id": "",
                "storage_class": "",
                "meter": meter,
                "unit": unit,
                "from_gb": begin,
                "to_gb": end,
                "usd": usd,
                "valid_from": "2020-01-01",
                "valid_until": "9999-12-31",
                "confirmed": True,
            }
        )
        begin = end or begin
    return rows


def priced(
    prices: list[dict[str, object]], asked: Mapping[str, tuple[str, object]], expected: Mapping[str, object]
) -> list[str]:
    """Return what is not as expected when quantities by name (meter, quantity) get their prices."""
    given = Example(
        as_of=date(2026, 1, 31),
        given={
            "reference.prices": prices,
            "reference.price_regions": [{**HERE, "is_default": True}],
            "intermediate.int_transfer_alternatives_asked": [
                {
                    "finding_id": name,
                    "provider": "aws",
                    "region_id": "here",
                    "meter": meter,
                    "quantity": amount,
                }
                for name, (meter, amount) in asked.items()
            ],
        },
        expect=[{"finding_id": name, "usd_month": usd} for name, usd in expected.items()],
    )
    return run_example(model("intermediate.int_transfer_alternatives_priced"), given, shipped_models())


def test_transfers_of_us_east_1_cost_what_a_price_tool_says() -> None:
    case = example("data-transfer-us-east-1-golden")
    inputs, expected = case["inputs"], case["expected"]
    prices = [
        *tiers("internet_out", inputs["internet_tiers"]),
        *tiers("inter_az", [(None, inputs["inter_az_usd_per_gb_each_direction"])]),
        *tiers("us_east_pair", [(None, inputs["us_east_pair_usd_per_gb"])]),
        *tiers("inter_region_out", [(None, inputs["inter_region_usd_per_gb"])]),
    ]
    asked = {
        "internet": ("internet_out", inputs["internet_gb"]),
        "zones": ("inter_az", expected["inter_az_billed_gb"]),
        "pair": ("us_east_pair", inputs["us_east_pair_gb"]),
        "region": ("inter_region_out", inputs["other_region_gb"]),
    }
    internet = sum(map(Decimal, expected["internet_usd"]))
    dollars = {
        "internet": internet,
        "zones": expected["inter_az_usd"],
        "pair": expected["us_east_pair_usd"],
        "region": expected["other_region_usd"],
    }
    assert priced(prices, asked, dollars) == []
    assert sum(Decimal(usd) for usd in dollars.values()) == Decimal(expected["total_usd"])


def test_both_directions_between_zones_are_billed_and_counted() -> None:
    case = example("data-transfer-us-east-1-golden")
    moved = case["inputs"]["intra_region_gb"]
    row = {"provider": "aws", "path": "inter_az", "currency": "USD", "is_transfer": True}
    day = {"usage_date": "2026-01-05", "transferred_gb": moved, "effective_cost": moved / 100}
    asked = Example(
        given={
            "intermediate.int_charges_attributed": [{**row, **day, "operation": way} for way in ("in", "out")]
        },
        expect=[
            {
                "transferred_gb": case["expected"]["inter_az_billed_gb"],
                "effective_cost": case["expected"]["inter_az_usd"],
            }
        ],
    )
    assert run_example(model("marts.egress_daily"), asked, shipped_models()) == []


def test_internet_tiers_count_all_services_together() -> None:
    case = example("aws-data-transfer-out-aggregated-62tb")
    inputs = case["inputs"]
    free, first = inputs["free_gb"], inputs["rate_bands_usd_per_gb"][0]
    ends: list[Tier] = [(free, "0"), (first["width_gb"], first["rate"])]
    for band in inputs["rate_bands_usd_per_gb"][1:]:
        end = band["width_gb"] and (ends[-1][0] or 0) + band["width_gb"]
        ends.append((end, band["rate"]))
    total = sum(source["tb_per_day"] * source["days"] * inputs["gb_per_tb"] for source in inputs["sources"])
    assert total == int(case["expected"]["total_gb"])
    expected = {"all": case["expected"]["total_usd"]}
    assert priced(tiers("internet_out", ends), {"all": ("internet_out", total)}, expected) == []


def test_downloads_cross_a_tier() -> None:
    case = example("gcs-2tb-tiered-egress-to-asia")
    asked = {"asia": ("internet_out", case["inputs"]["egress_gb"])}
    expected = {"asia": case["expected"]["egress_usd"]}
    assert priced(tiers("internet_out", case["inputs"]["egress_tiers"]), asked, expected) == []


def test_a_free_gib_comes_first() -> None:
    case = example("gcs-download-worldwide-free-gib")
    inputs = case["inputs"]
    rows = tiers("internet_out", [(int(inputs["free_gib"]), "0"), (None, inputs["usd_per_gib"])])
    exact = "0.2087498796"
    assert priced(rows, {"month": ("internet_out", inputs["gib"])}, {"month": exact}) == []
    assert abs(Decimal(exact) - Decimal(case["expected"]["cost_usd"])) <= Decimal(case["tolerance_abs"])


def test_gateways_and_attachments_cost_their_hours() -> None:
    case = example("nat-and-tgw-730h")
    inputs, expected = case["inputs"], case["expected"]
    prices = [
        *tiers("nat_hours", [(None, inputs["nat_usd_per_hour"])], "hour"),
        *tiers("nat_processing", [(None, inputs["nat_usd_per_gb"])]),
        *tiers("tgw_hours", [(None, inputs["tgw_usd_per_hour"])], "hour"),
    ]
    asked = {
        "nat_hours": ("nat_hours", inputs["hours"]),
        "nat_processing": ("nat_processing", inputs["nat_gb"]),
        "tgw_attachment": ("tgw_hours", inputs["hours"]),
    }
    assert priced(prices, asked, {name: expected[f"{name}_usd"] for name in asked}) == []


def test_a_path_over_nat_and_internet_against_one_between_zones() -> None:
    case = example("atlas-public-endpoint-vs-peering")
    inputs, expected = case["inputs"], case["expected"]
    volume = inputs["volume_gb"]
    prices = [
        *tiers("nat_hours", [(None, inputs["nat_usd_per_hour"])], "hour"),
        *tiers("nat_processing", [(None, inputs["nat_usd_per_gb"])]),
        *tiers("internet_out", [(None, inputs["internet_usd_per_gb"])]),
        *tiers("inter_az", [(None, inputs["cross_az_usd_per_gb_each_way"])]),
    ]
    asked = {
        "hours": ("nat_hours", inputs["hours"]),
        "nat": ("nat_processing", volume),
        "internet": ("internet_out", volume),
        "zones": ("inter_az", 2 * volume),
    }
    dollars = {"hours": "35.04", "nat": "48", "internet": "90", "zones": "20"}
    assert priced(prices, asked, dollars) == []
    public = sum(Decimal(dollars[name]) for name in ("hours", "nat", "internet"))
    cluster = Decimal(inputs["cluster_usd"])
    assert cluster + public == Decimal(expected["public_endpoint_usd"])
    assert cluster + Decimal(dollars["zones"]) == Decimal(expected["peering_usd"])
    assert public - Decimal(dollars["zones"]) == Decimal(expected["delta_usd"])


def bill_line(usage_type: str, operation: str, day: date, **more: object) -> dict[str, object]:
    return {
        "bill_payer_account_id": "1",
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonEC2",
        "line_item_usage_type": usage_type,
        "line_item_operation": operation,
        "line_item_resource_id": "i-1",
        "line_item_currency_code": "USD",
        "line_item_usage_start_date": datetime.combine(day, datetime.min.time()),
        "pricing_unit": "GB",
        **more,
    }


def test_what_s3_gets_through_nat_is_avoidable(build: Build) -> None:
    case = example("nat-same-region-s3-500gb-per-day")
    inputs = case["inputs"]
    cost = inputs["gb_per_day"] * float(inputs["nat_usd_per_gb"])
    # The newest day of a bill is never judged.
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(inputs["days"] + 1)]
    lines = [
        bill_line(
            "NatGateway-Bytes",
            "NatGateway",
            day,
            line_item_usage_amount=float(inputs["gb_per_day"]),
            line_item_unblended_cost=cost,
        )
        for day in days
    ]
    store = [
        bill_line("C3DataTransfer-Out-Bytes", "GetObject", day, line_item_product_code="AmazonS3")
        | {"line_item_usage_amount": 2.0 * inputs["gb_per_day"], "line_item_resource_id": "b"}
        for day in days
    ]
    marts = build({"aws_cur2": [*lines, *store]}, ("marts.egress_findings",), as_of=days[-1])
    found = marts.execute(
        "select kind, gross_usd_month, avoidable_usd_month, confidence, basis_days from marts.egress_findings"
    ).fetchall()
    nat, avoidable = (Decimal(case["expected"][name]) for name in ("nat_processing_usd", "avoidable_usd"))
    assert found == [("same_region_through_nat", nat, avoidable, "medium", inputs["days"])]


def test_an_interface_endpoint_pays_from_its_break_even_on() -> None:
    case = example("interface-endpoint-vs-nat-break-even")
    inputs, expected = case["inputs"], case["expected"]
    hours = Decimal(inputs["endpoint_usd_per_hour_per_az"]) * inputs["hours"]
    endpoint = {"finding_id": "nat", "price_region_id": "us-east-1", "is_stand_in": False}
    asked = Example(
        given={
            "intermediate.int_egress_days_chosen": [
                {"provider": "aws", "first_date": "2026-01-01", "last_date": "2026-01-30"}
            ],
            "intermediate.int_charges_attributed": [
                {
                    "provider": "aws",
                    "layer": "network",
                    "currency": "USD",
                    "charge_category": "Usage",
                    "effective_cost": 45,
                    "usage_date": "2026-01-05",
                }
            ],
            "intermediate.int_transfer_alternatives_priced": [
                {**endpoint, "meter": "endpoint_hours", "quantity": inputs["hours"], "usd_month": hours},
                {
                    **endpoint,
                    "meter": "endpoint_processing",
                    "quantity": 1000,
                    "usd_month": 1000 * Decimal(inputs["endpoint_usd_per_gb"]),
                },
            ],
            "intermediate.int_egress_findings_assigned": [
                {
                    "finding_id": "nat",
                    "kind": "endpoint_instead_of_nat",
                    "step": "A2",
                    "provider": "aws",
                    "gb_month": 1000,
                    "usd_gb": inputs["nat_usd_per_gb"],
                    "effective_cost": 45,
                    "day_count": 30,
                }
            ],
        },
        expect=[{"finding_id": "nat", "break_even_gb_month": "208.571429"}],
    )
    assert run_example(model("marts.egress_findings"), asked, shipped_models()) == []
    published = Decimal(expected["break_even_gb_per_month_per_az"])
    assert abs(Decimal("208.571429") - published) <= Decimal(case["tolerance_abs"])


def test_the_cost_between_zones_of_a_lab_is_found(build: Build) -> None:
    case = example("well-architected-inter-az-lab")
    inputs, expected = case["inputs"], case["expected"]
    each_way, other = float(inputs["inter_az_each_way_usd"]), 2 * float(inputs["inter_az_each_way_usd"])
    before = float(inputs["data_transfer_usd_per_day"]) - other
    saved = float(inputs["data_transfer_usd_per_day"]) - float(inputs["data_transfer_after_usd"])
    rest = float(inputs["workload_usd_per_day"]) - float(inputs["data_transfer_usd_per_day"])

    def lab_day(day: date, less: float) -> list[dict[str, object]]:
        between = "DataTransfer-Regional-Bytes"
        costs = [
            (between, "InterZone-In", each_way - less / 2),
            (between, "InterZone-Out", each_way - less / 2),
            ("DataTransfer-Out-Bytes", "RunInstances", before),
            ("BoxUsage:m5.large", "RunInstances", rest),
        ]
        return [
            bill_line(meter, operation, day, line_item_usage_amount=usd, line_item_unblended_cost=usd)
            for meter, operation, usd in costs
        ]

    days = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]
    lines = [*lab_day(days[0], 0), *lab_day(days[1], saved), *lab_day(days[2], saved)]
    built = build(
        {"aws_cur2": lines},
        ("marts.costs_daily", "marts.egress_daily", "marts.egress_findings"),
        as_of=days[1],
    )
    workload, between, transfer, after = built.execute(
        """
        select
            (select sum(effective_cost) from marts.costs_daily where usage_date = date '2026-01-05'),
            sum(effective_cost) filter (where path = 'inter_az' and usage_date = date '2026-01-05'),
            sum(effective_cost) filter (where usage_date = date '2026-01-05'),
            sum(effective_cost) filter (where usage_date = date '2026-01-06')
        from marts.egress_daily
        """
    ).fetchall()[0]
    found = built.execute(
        "select gross_usd_month / 30 from marts.egress_findings where kind = 'cross_zone'"
    ).fetchall()[0][0]
    numbers = {
        "data_transfer_share": transfer / workload,
        "inter_az_total_usd": between,
        "inter_az_share_of_workload": between / workload,
        "observed_saving_usd": transfer - after,
        "observed_saving_share_of_transfer": (transfer - after) / transfer,
    }
    for name, number in numbers.items():
        assert float(number) == pytest.approx(float(expected[name]), abs=float(case["tolerance_abs"])), name
    assert float(found) == pytest.approx(float(expected["inter_az_total_usd"]))


def test_descriptions_of_google_fall_into_the_published_categories() -> None:
    case = example("gcp-sku-classification")
    meters = [
        {
            "meter_id": str(number),
            "provider": "gcp",
            "service_code": "6F81-5844-456A",
            "service_category": "",
            "meter": description,
            "operation": "",
            "is_named": True,
        }
        for number, description in enumerate(case["inputs"]["sku_description"])
    ]
    expected = [
        {"meter_id": str(number), "path": category}
        for number, category in enumerate(case["expected"]["category"])
    ]
    asked = Example(given={"intermediate.int_meters_named": meters}, expect=expected)
    assert run_example(model("intermediate.int_meters_classified"), asked, shipped_models()) == []


def test_rewriting_shards_of_a_multi_region_bucket_is_replicated_each_time(build: Build) -> None:
    case = example("gcs-multiregion-replication-write-amplification")
    inputs, expected = case["inputs"], case["expected"]
    gib = {date.fromisoformat(day): amount for day, amount in inputs["replicated_gib_by_day"].items()}
    batches = inputs["batch_commits_per_shard"]
    # Each commit writes the shard again, one batch larger: what it ends with is stored, all of it was copied.
    stored = 2**30
    copied = sum(stored * number // batches for number in range(1, batches + 1))
    shard, rate = "//storage.googleapis.com/projects/_/buckets/shards", Decimal(inputs["usd_per_gib"])

    def copy(day: date, amount: float, bucket: str) -> dict[str, object]:
        return {
            "billing_account_id": "B",
            "service_id": "95FF-2EF5-5EA1",
            "service_description": "Cloud Storage",
            "sku_description": inputs["sku_description"],
            "resource_global_name": bucket,
            "cost_type": "regular",
            "location": "us",
            "currency": "USD",
            "usage_unit": "gibibyte",
            "usage_amount": amount,
            "cost": Decimal(str(amount)) * rate,
            "usage_start_at": datetime.combine(day, datetime.min.time()),
        }

    rows = [copy(day, amount, shard + "-all") for day, amount in gib.items()]
    rows += [copy(min(gib), copied / 2**30, shard), copy(max(gib) + timedelta(days=1), 0, shard)]
    listed = {
        "bucket": "shards",
        "directory": "",
        "storage_class": "STANDARD",
        "is_current": True,
        "object_count": 1,
        "size_bytes": stored,
        "created_date": min(gib),
        "snapshot_at": datetime(2026, 3, 25),
    }
    built = build(
        {"gcp_billing": rows, "gcs_inventory_directories": [listed]},
        ("marts.egress_daily", "marts.egress_findings"),
        as_of=date(2026, 3, 31),
    )
    by_day = built.execute(
        "select usage_date, sum(effective_cost) from marts.egress_daily "
        "where path = 'replication' and ends_with(resource_id, '-all') group by all order by all"
    ).fetchall()
    assert by_day == [(date.fromisoformat(day), Decimal(usd)) for day, usd in expected["usd_by_day"].items()]
    found = built.execute(
        "select bucket, gross_usd, avoidable_usd_month / gross_usd_month, copies_month * basis_days / 30 "
        "from marts.egress_findings order by bucket"
    ).fetchall()
    assert [row[0] for row in found] == ["shards", "shards-all"]
    assert found[0][3] == pytest.approx(float(expected["write_amplification"]), abs=1e-3)
    assert found[1][1] == Decimal(expected["total_usd"])
    # A bucket of one region would not have paid for any of it.
    assert found[1][2] == 1
