"""Prices, transitions, early deletion and restores that others have published, reproduced by the project."""

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.reference.price_list import Price, PriceList, cost, s3_price_list, shipped_price_lists
from pipelines.warehouse.descriptions import Example
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.models import Model, shipped_models

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"
GIB = 1024**3
DAY = date(2026, 1, 31)
TARGETS = "intermediate.int_tier_targets_compared"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def model(table: str) -> Model:
    return next(found for found in shipped_models() if found.table == table)


def checked(
    table: str, given: dict[str, list[dict[str, object]]], expect: list[dict[str, object]]
) -> list[str]:
    return run_example(model(table), Example(given=given, expect=expect, as_of=DAY), shipped_models())


def rates(storage_class: str, **said: object) -> dict[str, object]:
    return {
        "provider": "aws",
        "bucket": "b",
        "storage_class": storage_class,
        "minimum_days": 0,
        "minimum_object_bytes": 0,
        "overhead_bytes": 0,
        "overhead_standard_bytes": 0,
        "coldness": 0,
        "needs_restore": False,
        "is_single_zone": False,
        "is_target": True,
        "storage_usd": 0.0,
        "busy_usd": 0.0,
        "get_usd": 0.0,
        "retrieval_usd": 0.0,
        "transition_usd": 0.0,
        "monitoring_usd": 0.0,
        "standard_usd": 0.0,
        **said,
    }


def sizes(storage_class: str, objects: int, size: int, **said: object) -> dict[str, object]:
    return {
        "provider": "aws",
        "bucket": "b",
        "prefix": "",
        "storage_class": storage_class,
        "object_count": objects,
        "size_bytes": size,
        "small_object_count": 0,
        "small_object_bytes": 0,
        "young_bytes": 0,
        "byte_days_owed": 0,
        **said,
    }


def reads(storage_class: str, get_count: int = 0, read_gb: int = 0) -> dict[str, object]:
    return {
        "provider": "aws",
        "bucket": "b",
        "prefix": "",
        "storage_class": storage_class,
        "is_known": True,
        "get_count": get_count,
        "read_gb": read_gb,
        "request_usd": 0,
    }


def move(
    size: dict[str, object], read: dict[str, object], known: list[dict[str, object]]
) -> dict[str, list[dict[str, object]]]:
    return {
        "intermediate.int_tier_sizes_summed": [size],
        "intermediate.int_tier_reads_shared": [read],
        "intermediate.int_tier_rates_chosen": known,
    }


def early_deletion(gb: str, usd: str, minimum_days: int, stored_days: int) -> list[dict[str, object]]:
    """What leaving a class after some days owes, from the age of a directory to dollars."""
    byte_days = int(Decimal(gb) * GIB) * max(minimum_days - stored_days, 0)
    created = date.fromordinal(DAY.toordinal() - stored_days)
    directory: dict[str, object] = {
        "provider": "aws",
        "bucket": "b",
        "directory": "",
        "storage_class": "GLACIER",
        "object_count": 1,
        "size_bytes": int(Decimal(gb) * GIB),
        "is_current": True,
        "created_date": created,
        "landed_file": "f",
        "snapshot_at": "2026-01-31 00:00:00",
    }
    given: dict[str, list[dict[str, object]]] = {
        "intermediate.int_directories_counted": [directory],
        "reference.storage_classes": [
            {"provider": "aws", "storage_class": "GLACIER", "minimum_days": minimum_days}
        ],
    }
    owed: list[dict[str, object]] = [{"storage_class": "GLACIER", "byte_days_owed": byte_days}]
    assert checked("intermediate.int_tier_sizes_summed", given, owed) == []
    return [
        sizes("GLACIER", 1, int(Decimal(gb) * GIB), byte_days_owed=byte_days),
        rates("GLACIER", storage_usd=float(usd), minimum_days=minimum_days),
    ]


@pytest.mark.parametrize(
    "name", ["aws-glacier-early-delete-prorated", "aws-glacier-early-delete-historic-007"]
)
def test_leaving_early_is_billed_for_the_rest_of_the_minimum_time(name: str) -> None:
    case = example(name)
    stated = case["inputs"]
    for months, usd in zip(stated["deleted_after_months"], case["expected"]["early_delete_usd"], strict=True):
        size, glacier = early_deletion(
            stated["gb"], stated["usd_per_gb_month"], stated["minimum_months"] * 30, months * 30
        )
        given = move(size, reads("GLACIER"), [glacier, rates("STANDARD", coldness=9)])
        expect: list[dict[str, object]] = [
            {"proposed_class": "GLACIER", "early_usd": 0.0},
            {"proposed_class": "STANDARD", "early_usd": float(usd)},
        ]
        assert checked(TARGETS, given, expect) == []


def test_coldline_deleted_on_day_sixty_pays_to_day_ninety() -> None:
    case = example("gcs-coldline-early-deletion-60-days")
    stated, expected = case["inputs"], case["expected"]
    size, coldline = early_deletion(
        stated["gb"], stated["usd_per_gb_month"], stated["minimum_days"], stated["stored_days"]
    )
    assert 60 / stated["days_per_month"] * 7 == float(expected["storage_usd"])
    given = move(size, reads("GLACIER"), [coldline, rates("STANDARD", coldness=9)])
    expect: list[dict[str, object]] = [
        {"proposed_class": "GLACIER", "now_kept_usd": 7.0, "early_usd": 0.0},
        {"proposed_class": "STANDARD", "now_kept_usd": 7.0, "early_usd": float(expected["early_delete_usd"])},
    ]
    assert checked(TARGETS, given, expect) == []


def test_a_transition_costs_by_the_number_of_objects() -> None:
    case = example("aws-lifecycle-transition-real-bill")
    stated = case["inputs"]
    usd = float(Decimal(stated["usd_per_1000"]) / 1000)
    given = move(
        sizes("STANDARD", stated["transition_requests"], 350 * GIB),
        reads("STANDARD"),
        [rates("STANDARD"), rates("GLACIER", coldness=5, transition_usd=usd)],
    )
    exact = usd * stated["transition_requests"]
    assert abs(exact - float(case["expected"]["transition_usd"])) <= float(case["tolerance_abs"])
    expect: list[dict[str, object]] = [
        {"proposed_class": "STANDARD", "transition_usd": 0.0},
        {"proposed_class": "GLACIER", "transition_usd": exact},
    ]
    assert checked(TARGETS, given, expect) == []


def test_a_restore_costs_requests_and_bytes() -> None:
    case = example("aws-glacier-restore-15m-objects")
    stated = case["inputs"]
    glacier = rates(
        "GLACIER",
        get_usd=float(Decimal(stated["request_usd_per_1000"]) / 1000),
        retrieval_usd=float(stated["retrieval_usd_per_gb"]),
    )
    given = move(
        sizes("GLACIER", stated["objects"], stated["gb"] * GIB),
        reads("GLACIER", stated["objects"], stated["gb"]),
        [glacier],
    )
    expect: list[dict[str, object]] = [
        {"proposed_class": "GLACIER", "now_read_usd": float(case["expected"]["total_usd"])}
    ]
    assert checked(TARGETS, given, expect) == []


def test_archived_objects_carry_index_bytes_of_two_classes() -> None:
    case = example("aws-glacier-object-overhead-100k")
    facts = next(row for row in s3_price_list().classes if row.storage_class == "GLACIER")
    objects, size = case["inputs"]["objects"], case["inputs"]["objects"] * GIB
    for archive, standard, gb in (
        (1.0, 0.0, case["expected"]["archive_gb"]),
        (0.0, 1.0, case["expected"]["standard_gb"]),
    ):
        exact = archive * (size + objects * 32768) / GIB + standard * objects * 8192 / GIB
        assert abs(exact - float(gb)) <= float(case["tolerance_abs"])
        glacier = rates(
            "GLACIER",
            overhead_bytes=facts.overhead_bytes,
            overhead_standard_bytes=facts.overhead_standard_bytes,
            storage_usd=archive,
            standard_usd=standard,
        )
        given = move(sizes("GLACIER", objects, size), reads("GLACIER"), [glacier])
        assert checked(TARGETS, given, [{"proposed_class": "GLACIER", "now_kept_usd": exact}]) == []


def prices_of(provider: str, region_id: str, storage_class: str, meter: str) -> list[Price]:
    return [
        price
        for listed in shipped_price_lists()
        for price in listed.prices
        if listed.key(price) == (provider, region_id, "", storage_class, meter)
    ]


METERS = {
    "storage_gb": "storage",
    "transition_requests": "transition-in",
    "retrieval_gb": "retrieval",
    "retrieval_standard_gb": "retrieval",
    "retrieval_expedited_gb": "retrieval-expedited",
    "retrieval_bulk_gb": "retrieval-bulk",
    "monitored_objects": "monitoring",
}
TIERS = {
    "INT_FA": "storage",
    "INT_IA": "storage-infrequent",
    "INT_AA": "storage-archive",
    "INT_DAA": "storage-deep-archive",
    "INT": "monitoring",
}


def test_every_line_of_a_public_price_tool_costs_what_it_says() -> None:
    case = example("s3-price-list-lines-us-east-1-golden")
    for line, usd in zip(case["inputs"]["lines"], case["expected"]["line_usd"], strict=True):
        is_tier = line["class"] in TIERS
        storage_class = "INTELLIGENT_TIERING" if is_tier else line["class"]
        meter = TIERS[line["class"]] if is_tier else METERS[line["meter"]]
        known = prices_of("aws", "us-east-1", storage_class, meter)
        assert abs(sum(cost(known, Decimal(line["quantity"]))) - Decimal(usd)) <= Decimal("0.005"), line


def test_transfer_tiers_cost_what_a_public_price_tool_says() -> None:
    case = example("data-transfer-us-east-1-golden")
    stated, expected = case["inputs"], case["expected"]
    internet = list(cost(prices_of("aws", "us-east-1", "", "internet_out"), Decimal(stated["internet_gb"])))
    assert internet == [Decimal(usd) for usd in expected["internet_usd"]]
    zones = prices_of("aws", "us-east-1", "", "inter_az")
    assert sum(cost(zones, Decimal(expected["inter_az_billed_gb"]))) == Decimal(expected["inter_az_usd"])
    far = prices_of("aws", "us-east-1", "", "inter_region_out")
    assert sum(cost(far, Decimal(stated["other_region_gb"]))) == Decimal(expected["other_region_usd"])
    pair = [
        price
        for listed in shipped_price_lists()
        for price in listed.prices
        if (listed.provider, price.region_id, price.to_region_id) == ("aws", "", "us-east-2")
    ]
    assert sum(cost(pair, Decimal(stated["us_east_pair_gb"]))) == Decimal(expected["us_east_pair_usd"])


def test_gateways_cost_by_the_hour_and_by_the_gb() -> None:
    case = example("nat-and-tgw-730h")
    stated, expected = case["inputs"], case["expected"]
    for meter, quantity, usd in (
        ("nat_hours", stated["hours"], expected["nat_hours_usd"]),
        ("nat_processing", stated["nat_gb"], expected["nat_processing_usd"]),
        ("tgw_hours", stated["hours"], expected["tgw_attachment_usd"]),
    ):
        assert sum(cost(prices_of("aws", "us-east-1", "", meter), Decimal(quantity))) == Decimal(usd)


def test_scratch_of_eight_hours_a_day_costs_its_hours() -> None:
    case = example("aws-s3-express-8h-per-day-ml-scratch")
    given = {
        "intermediate.int_charges_summed_daily": [
            {"charge_id": 1, "usage_date": "2026-03-31", "usage_quantity": case["expected"]["byte_hours"]}
        ],
        "intermediate.int_charges_placed": [{"charge_id": 1, "unit_bytes": 1, "unit_per": "hour"}],
    }
    exact = Decimal(case["expected"]["byte_hours"]) / GIB / case["inputs"]["hours_in_month"]
    stored = exact.quantize(Decimal("1e-12"))
    assert abs(stored - Decimal(case["expected"]["gb_months"])) <= Decimal(case["tolerance_abs"])
    assert checked("intermediate.int_charges_attributed", given, [{"gb_month": stored}]) == []
    known = [
        price
        for price in prices_of("aws", "us-east-1", "EXPRESS_ONEZONE", "storage")
        if price.valid_from <= DAY < price.valid_until
    ]
    usd = sum(cost(known, stored))
    assert abs(usd - Decimal(case["expected"]["storage_usd"])) <= Decimal("0.01")


def test_a_price_file_of_ones_own_prices_lustre_and_checkpoint_operations() -> None:
    case = example("lustre-and-gcs-checkpoint-ops")
    stated, expected = case["inputs"], case["expected"]
    row = {"valid_from": "2026-06-05", "source": "export"}
    listed = PriceList.model_validate(
        {
            "provider": "gcp",
            "region_id": "us-central1",
            "sources": {
                "export": {"title": "Export", "url": "https://cloud.google.com/storage", "as_of": "x"}
            },
            "prices": [
                {
                    **row,
                    "storage_class": "LUSTRE",
                    "meter": "storage",
                    "unit": "gb-month",
                    "usd": stated["lustre_usd_per_gib_month"],
                },
                {
                    **row,
                    "storage_class": "STANDARD",
                    "meter": "put",
                    "unit": "request",
                    "usd": str(Decimal(stated["class_a_usd_per_1000"]) / 1000),
                },
            ],
        }
    )
    lustre, operations = listed.prices
    assert sum(cost([lustre], Decimal(stated["lustre_tib"]) * 1024)) == Decimal(expected["lustre_usd_month"])
    assert sum(cost([operations], Decimal(stated["class_a_ops"]))) == Decimal(expected["ops_usd_per_job"])
