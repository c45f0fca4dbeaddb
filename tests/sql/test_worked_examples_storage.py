"""What providers publish about storage bills, computed by the models and the price lists."""

import json
import os
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from pipelines.reference.price_list import shipped_price_lists

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"
GIB = 2**30

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")


class Build(Protocol):
    def __call__(
        self, rows: Mapping[str, object], marts: Sequence[str], *, as_of: date
    ) -> duckdb.DuckDBPyConnection: ...


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def close(name: str, ours: Decimal | float, published: str) -> bool:
    return abs(Decimal(str(ours)) - Decimal(published)) <= Decimal(str(example(name)["tolerance_abs"]))


def s3_line(day: date, usage_type: str, **columns: object) -> dict[str, object]:
    return {
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": usage_type,
        "line_item_operation": "StandardStorage",
        "line_item_resource_id": "b",
        "line_item_currency_code": "USD",
        "line_item_usage_start_date": datetime.combine(day, datetime.min.time()),
        **columns,
    }


def gcs_line(day: date, sku: str, **columns: object) -> dict[str, object]:
    return {
        "service_id": "95FF-2EF5-5EA1",
        "service_description": "Cloud Storage",
        "sku_description": sku,
        "usage_start_at": datetime.combine(day, datetime.min.time()),
        "resource_global_name": "//storage.googleapis.com/projects/_/buckets/b",
        "currency": "USD",
        "cost_type": "regular",
        **columns,
    }


def directory(**columns: object) -> dict[str, object]:
    return {"bucket": "b", "directory": "", "storage_class": "STANDARD", "is_current": True, **columns}


def days_of(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def stored_each_day(segments: Sequence[Mapping[str, Any]], size: str) -> Iterator[int]:
    for segment in segments:
        for _ in range(segment["days"]):
            yield segment[size]


def gb_months(marts: duckdb.DuckDBPyConnection) -> tuple[Decimal, Decimal]:
    [(months, cost)] = marts.execute(
        "select sum(gb_month), sum(effective_cost) from marts.storage_daily"
    ).fetchall()
    return months, cost


def test_byte_hours_of_a_month_of_31_days_are_gb_months(build: Build) -> None:
    name = "aws-s3-byte-hours-to-gb-month"
    case = example(name)
    stored = list(stored_each_day(case["inputs"]["segments"], "bytes"))
    bill = [
        s3_line(day, "TimedStorage-ByteHrs", pricing_unit="Byte-Hrs", line_item_usage_amount=size * 24)
        for day, size in zip(days_of(2026, 3), stored, strict=True)
    ]
    marts = build({"aws_cur2": bill}, ("marts.storage_daily",), as_of=date(2026, 3, 31))
    assert close(name, gb_months(marts)[0], case["expected"]["gb_months"])


def test_versions_that_are_no_longer_current_are_kept_and_counted(build: Build) -> None:
    name = "aws-s3-versioning-noncurrent-bytes"
    case = example(name)
    march = days_of(2026, 3)
    listed = [
        directory(
            directory=f"{number}/",
            is_current=number > 0,
            object_count=1,
            size_bytes=version["bytes"],
            created_date=march[-version["days"]],
            first_day_byte_seconds=version["bytes"] * 86_400,
            snapshot_at=datetime(2026, 4, 1),
        )
        for number, version in enumerate(case["inputs"]["versions"])
    ]
    bill = [s3_line(day, "TimedStorage-ByteHrs") for day in march]
    rows = {"aws_cur2": bill, "s3_inventory_directories": listed}
    marts = build(rows, ("marts.prefix_costs",), as_of=march[-1])
    [(months,)] = marts.execute(
        "select sum(byte_seconds)::double / 1073741824 / 86400 / 31 "
        "from marts.prefix_costs where not is_residual"
    ).fetchall()
    assert close(name, months, case["expected"]["gb_months"])


def test_a_month_of_thirty_days_is_averaged_over_thirty_days(build: Build) -> None:
    name = "average-storage-month"
    case = example(name)
    stored = list(stored_each_day(case["inputs"]["segments"], "gb"))
    bill = [
        s3_line(day, "TimedStorage-ByteHrs", pricing_unit="Byte-Hrs", line_item_usage_amount=size * GIB * 24)
        for day, size in zip(days_of(2026, 4), stored, strict=True)
    ]
    marts = build({"aws_cur2": bill}, ("marts.storage_daily",), as_of=date(2026, 4, 30))
    assert close(name, gb_months(marts)[0], case["expected"]["gb_months"])


def test_scratch_data_is_billed_for_its_hours(build: Build) -> None:
    name = "aws-s3-express-8h-per-day-ml-scratch"
    case = example(name)
    asked = case["inputs"]
    hours = asked["bytes"] * asked["hours_per_day"]
    bill = [
        s3_line(day, "TimedStorage-XZ-ByteHrs", pricing_unit="Byte-Hrs", line_item_usage_amount=hours)
        for day in days_of(2026, 3)[: asked["days"]]
    ]
    marts = build({"aws_cur2": bill}, ("marts.storage_daily",), as_of=date(2026, 3, 31))
    assert close(name, gb_months(marts)[0], case["expected"]["gb_months"])
    assert marts.execute("select distinct storage_class from marts.storage_daily").fetchall() == [
        ("EXPRESS_ONEZONE",)
    ]


def test_each_archived_object_has_its_index_in_two_classes(build: Build) -> None:
    name = "aws-glacier-object-overhead-100k"
    case = example(name)
    count, day = case["inputs"]["objects"], date(2026, 4, 7)
    # Days of this month are a thirtieth: the whole month is billed as one day's thirty-fold.
    kept = {
        ("TimedStorage-GlacierByteHrs", "GlacierStorage"): count * GIB,
        ("TimedStorage-GlacierByteHrs", "GlacierObjectOverhead"): count * 32 * 1024,
        ("TimedStorage-ByteHrs", "GlacierS3ObjectOverhead"): count * 8 * 1024,
    }
    bill = [
        s3_line(
            day,
            usage_type,
            line_item_operation=operation,
            pricing_unit="Byte-Hrs",
            line_item_usage_amount=size * 720,
            line_item_unblended_cost=size,
        )
        for (usage_type, operation), size in kept.items()
    ]
    listed = [
        directory(
            directory=f"{name}/",
            storage_class="GLACIER",
            object_count=part,
            size_bytes=part * GIB,
            created_date=date(2025, 1, 1),
            snapshot_at=datetime(2026, 4, 8),
        )
        for name, part in (("many", count * 3 // 4), ("few", count // 4))
    ]
    rows = {"aws_cur2": bill, "s3_inventory_directories": listed}
    marts = build(rows, ("marts.storage_daily", "marts.prefix_costs"), as_of=day)
    billed = dict(
        marts.execute("select storage_class, sum(gb_month) from marts.storage_daily group by all").fetchall()
    )
    assert close(name, billed["GLACIER"], case["expected"]["archive_gb"])
    assert close(name, billed["STANDARD"], case["expected"]["standard_gb"])
    # A thirtieth lay there on that day: a prefix's share of each meter is that of its objects.
    spread = marts.execute(
        "select storage_class, basis, prefix, effective_cost from marts.prefix_costs where not is_residual"
    ).fetchall()
    shares = {row[:3]: row[3] for row in spread}
    for storage_class, basis, size in (
        ("GLACIER", "bytes", GIB),
        ("GLACIER", "overhead", 32 * 1024),
        ("STANDARD", "overhead", 8 * 1024),
    ):
        many, few = (shares[storage_class, basis, prefix] for prefix in ("many/", "few/"))
        assert many == pytest.approx(Decimal(count * 3 // 4 * size) / 30, rel=Decimal("1e-9"))
        assert few == pytest.approx(Decimal(count // 4 * size) / 30, rel=Decimal("1e-9"))


def test_requests_are_counted_and_writes_go_to_who_wrote(build: Build) -> None:
    name = "aws-s3-requests-march"
    case, march = example(name), days_of(2026, 3)
    asked = case["inputs"]
    put, get = Decimal(asked["put_usd_per_1000"]) / 1000, Decimal(asked["get_usd_per_10000"]) / 10_000
    requests = [
        ("Requests-Tier1", "PutObject", asked["put_per_day"], put),
        ("Requests-Tier2", "GetObject", asked["get_per_day"], get),
    ]
    bill = [
        s3_line(
            day,
            usage_type,
            line_item_operation=operation,
            pricing_unit="Requests",
            line_item_usage_amount=count,
            line_item_unblended_cost=count * usd,
        )
        for day in march
        for usage_type, operation, count, usd in requests
    ]
    # Half of what was put is there, in one folder; the other half was overwritten or deleted.
    listed = [
        directory(
            directory="in/",
            object_count=asked["put_per_day"] // 2,
            size_bytes=1,
            created_date=day,
            first_day_byte_seconds=1,
            snapshot_at=datetime(2026, 4, 1),
        )
        for day in march
    ]
    rows = {"aws_cur2": bill, "s3_inventory_directories": listed}
    marts = build(rows, ("marts.costs_daily", "marts.prefix_costs"), as_of=march[-1])
    told = marts.execute(
        "select operation, sum(usage_quantity), sum(effective_cost) from marts.costs_daily group by all"
    ).fetchall()
    counted = {operation: (quantity, cost) for operation, quantity, cost in told}
    assert counted["PutObject"][0] == case["expected"]["put_requests"]
    assert counted["GetObject"][0] == case["expected"]["get_requests"]
    assert close(name, counted["PutObject"][1], case["expected"]["put_usd"])
    assert close(name, counted["GetObject"][1], case["expected"]["get_usd"])
    written, unexplained, read = (
        marts.execute(
            "select sum(effective_cost) from marts.prefix_costs "
            "where meter_group = 'requests' and basis = ? and is_residual = ?",
            [basis, is_residual],
        ).fetchall()[0][0]
        for basis, is_residual in (("new_objects", False), ("new_objects", True), ("none", True))
    )
    assert written == unexplained == Decimal(case["expected"]["put_usd"]) / 2
    assert close(name, read, case["expected"]["get_usd"])


def test_prices_by_the_hour_are_the_prices_by_the_month() -> None:
    name = "gcs-gibibyte-hour-to-month"
    case = example(name)
    kept = {
        price.storage_class: price.usd
        for listed in shipped_price_lists()
        for price in listed.prices
        if (listed.provider, price.region_id or listed.region_id, price.meter)
        == ("gcp", "us-central1", "storage")
    }
    for storage_class, usd in case["expected"]["usd_per_gib_month"].items():
        assert kept[storage_class] == Decimal(usd)
        hourly = Decimal(case["inputs"]["usd_per_gib_hour"][storage_class]) * case["inputs"]["hours"]
        assert close(name, kept[storage_class], str(hourly))


def test_objects_that_live_for_days_are_gb_days(build: Build) -> None:
    name = "gcs-short-lived-objects-april"
    case = example(name)
    asked = case["inputs"]
    usd = Decimal(asked["storage_usd_per_gb_month"]) / asked["days_in_month"]
    stored = list(stored_each_day(asked["segments"], "gb"))
    bill = [
        gcs_line(
            day,
            "Standard Storage US Multi-region",
            usage_unit="byte-seconds",
            usage_amount=size * GIB * 86_400,
            cost=size * usd,
        )
        for day, size in zip(days_of(2026, 4), stored, strict=False)
    ]
    egress = [
        gcs_line(
            date(2026, 4, 2),
            "Download Worldwide Destinations (excluding Asia & Australia)",
            usage_unit="bytes",
            usage_amount=size * GIB,
            cost=size * Decimal(asked["egress_usd_per_gb"]),
        )
        for size in asked["downloads_gb"]
    ]
    marts = build(
        {"gcp_billing": bill + egress},
        ("marts.storage_daily", "marts.egress_daily", "marts.costs_daily"),
        as_of=date(2026, 4, 30),
    )
    months, cost = gb_months(marts)
    assert close(name, months, case["expected"]["gb_months"])
    assert close(name, months * 30, case["expected"]["gb_days"])
    assert close(name, cost, case["expected"]["storage_usd"])
    [(network,)] = marts.execute("select sum(effective_cost) from marts.egress_daily").fetchall()
    assert close(name, network, case["expected"]["network_usd"])
    [(total,)] = marts.execute("select sum(effective_cost) from marts.costs_daily").fetchall()
    assert close(name, total, case["expected"]["total_usd"])


def test_a_simple_month_of_cloud_storage_falls_into_its_four_parts(build: Build) -> None:
    name = "gcs-simple-monthly-example"
    case, day = example(name), date(2026, 4, 7)
    asked, usd = case["inputs"], {key: Decimal(price) for key, price in case["inputs"]["prices"].items()}
    stored, moved = int(asked["standard_gb"]), int(asked["egress_gb"])
    bill = [
        gcs_line(
            day,
            "Standard Storage US Regional",
            usage_unit="byte-seconds",
            usage_amount=stored * GIB * 86_400 * 30,
            cost=stored * usd["standard_gb_month"],
        ),
        gcs_line(
            day,
            "Regional Standard Class A Operations",
            usage_unit="count",
            usage_amount=asked["class_a_ops"],
            cost=asked["class_a_ops"] * usd["class_a_per_1000"] / 1000,
        ),
        gcs_line(
            day,
            "Regional Standard Class B Operations",
            usage_unit="count",
            usage_amount=asked["class_b_ops"],
            cost=asked["class_b_ops"] * usd["class_b_per_1000"] / 1000,
        ),
        gcs_line(
            day,
            "Download Worldwide Destinations (excluding Asia & Australia)",
            usage_unit="bytes",
            usage_amount=moved * GIB,
            cost=moved * usd["egress_gb"],
        ),
    ]
    marts = build({"gcp_billing": bill}, ("marts.storage_daily", "marts.prefix_costs"), as_of=day)
    assert close(name, gb_months(marts)[0], asked["standard_gb"])
    parts = dict(
        marts.execute(
            "select meter_group || ' ' || basis, sum(effective_cost) from marts.prefix_costs group by all"
        ).fetchall()
    )
    expected = case["expected"]
    assert close(name, parts["storage bytes"], expected["storage_usd"])
    assert close(name, parts["requests new_objects"], expected["class_a_usd"])
    assert close(name, parts["requests none"], expected["class_b_usd"])
    assert close(name, parts["transfer none"], expected["egress_usd"])
    assert close(name, sum(parts.values()), expected["total_usd"])


def test_replication_is_no_storage_of_the_bucket(build: Build) -> None:
    name = "gcs-multiregion-replication-write-amplification"
    case = example(name)
    asked = case["inputs"]
    bill = [
        gcs_line(
            date.fromisoformat(day),
            asked["sku_description"],
            usage_unit="bytes",
            usage_amount=size * GIB,
            cost=size * Decimal(asked["usd_per_gib"]),
        )
        for day, size in asked["replicated_gib_by_day"].items()
    ]
    rows = {"gcp_billing": bill}
    marts = build(rows, ("marts.prefix_costs", "marts.storage_daily"), as_of=date(2026, 3, 23))
    daily = marts.execute(
        "select usage_date, sum(effective_cost) from marts.prefix_costs "
        "where meter_group = 'transfer' and is_residual group by all"
    ).fetchall()
    assert {str(day) for day, _ in daily} == set(case["expected"]["usd_by_day"])
    assert all(close(name, cost, case["expected"]["usd_by_day"][str(day)]) for day, cost in daily)
    assert close(name, sum(cost for _, cost in daily), case["expected"]["total_usd"])
    assert marts.execute("from marts.storage_daily").fetchall() == []


def test_skus_of_cloud_storage_have_their_class_and_group(build: Build) -> None:
    case, day = example("gcp-sku-classification"), date(2026, 4, 7)
    told = zip(case["inputs"]["sku_description"], case["expected"]["category"], strict=True)
    groups = {"storage": "storage", "early_delete": "other", "requests": "requests", "retrieval": "retrieval"}
    ours = {sku: groups[category] for sku, category in told if category in groups}
    bill = [gcs_line(day, sku, usage_unit="bytes", usage_amount=1, cost=1) for sku in ours]
    marts = build({"gcp_billing": bill}, ("marts.prefix_costs",), as_of=day)
    rows = marts.execute(
        "select meter, meter_group, storage_class from intermediate.int_charges_attributed"
    ).fetchall()
    assert {meter: group for meter, group, _ in rows} == ours
    classes = {"Standard": "STANDARD", "Regional": "STANDARD", "Nearline": "NEARLINE", "Coldline": "COLDLINE"}
    assert {meter: storage_class for meter, _, storage_class in rows} == {
        sku: classes[sku.partition(" ")[0]] for sku in ours
    }
