"""Bills are exports as AWS delivers them, and agree with the buckets to the byte."""

import csv
import gzip
import io
import json
from calendar import monthrange
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.demo import Company
from pipelines.demo.focus import COLUMNS
from pipelines.demo.objects import StoredObject, part_times

Delivered = dict[str, StoredObject]
Stored = list[tuple[int, datetime]]
"""Sizes, and since when."""
MONTHS = ("2026-09", "2026-10", "2026-11")
RATES = {"TimedStorage-ByteHrs": Decimal("0.023"), "TimedStorage-SIA-ByteHrs": Decimal("0.0125")}


def newest_manifest(delivered: Delivered, bucket: str) -> dict[str, Any]:
    keys = [
        key for key in delivered if key.startswith(f"inventory/{bucket}/") and key.endswith("/manifest.json")
    ]
    manifest: dict[str, Any] = json.loads(delivered[max(keys)].body)
    return manifest


@pytest.fixture(scope="module")
def training_stored(delivered: Delivered) -> Stored:
    """The training bucket as its newest inventory lists it."""
    files = newest_manifest(delivered, "acme-training")["files"]
    rows = [
        row for file in files for row in pq.read_table(io.BytesIO(delivered[file["key"]].body)).to_pylist()
    ]
    return [(row["size"], row["last_modified_date"].replace(tzinfo=None)) for row in rows]


@pytest.fixture(scope="module")
def datasets_stored(delivered: Delivered) -> dict[str, Stored]:
    """The datasets, all versions, as their newest inventory lists them: storage class → bytes and times."""
    stored = defaultdict(list)
    for file in newest_manifest(delivered, "acme-datasets")["files"]:
        text = gzip.decompress(delivered[file["key"]].body).decode()
        for _, _, _, _, marker, size, modified_at, _, storage_class, *_ in csv.reader(io.StringIO(text)):
            if marker == "false":
                moment = datetime.fromisoformat(modified_at).replace(tzinfo=None)
                stored[storage_class].append((int(size), moment))
    return stored


@pytest.fixture(scope="module")
def cur2(delivered: Delivered) -> list[dict[str, Any]]:
    """All lines of the CUR 2.0 export, read as its manifests say."""
    manifests = [
        json.loads(file.body) for key, file in delivered.items() if key.endswith("acme-cur2-Manifest.json")
    ]
    keys = [name.removeprefix("s3://acme-logs/") for manifest in manifests for name in manifest["dataFiles"]]
    return [row for key in keys for row in pq.read_table(io.BytesIO(delivered[key].body)).to_pylist()]


@pytest.fixture(scope="module")
def focus(delivered: Delivered) -> list[dict[str, str]]:
    """All lines of the FOCUS export."""
    bodies = [gzip.decompress(file.body).decode() for key, file in delivered.items() if "acme-focus-0" in key]
    return [row for body in bodies for row in csv.DictReader(io.StringIO(body))]


def gb_month_cost(stored: Stored, day: date, usage_type: str) -> Decimal:
    """The arithmetic of the bill, written down once more: GB-months of a day, times the rate."""
    ends_at = datetime.combine(day, time()) + timedelta(days=1)
    byte_seconds = sum(
        size * max(0, min(86_400, int((ends_at - since).total_seconds()))) for size, since in stored
    )
    hours = monthrange(day.year, day.month)[1] * 24
    return (Decimal(byte_seconds) / 3600 / 2**30 / hours * RATES[usage_type]).quantize(Decimal(10) ** -10)


def billed(cur2: list[dict[str, Any]], day: date, usage_type: str, resource: str) -> Decimal:
    (line,) = [
        line
        for line in cur2
        if line["line_item_usage_start_date"].date() == day
        and (line["line_item_usage_type"], line["line_item_resource_id"]) == (usage_type, resource)
    ]
    return Decimal(str(line["line_item_unblended_cost"]))


def test_the_billed_datasets_are_the_listed_versions(
    company: Company, cur2: list[dict[str, Any]], datasets_stored: dict[str, Stored]
) -> None:
    classes = {"STANDARD": "TimedStorage-ByteHrs", "STANDARD_IA": "TimedStorage-SIA-ByteHrs"}

    assert datasets_stored.keys() == classes.keys()
    for day in (company.days[0], company.days[27], company.as_of):
        for storage_class, usage_type in classes.items():
            expected = gb_month_cost(datasets_stored[storage_class], day, usage_type)
            assert billed(cur2, day, usage_type, "acme-datasets") == expected


def test_the_billed_training_bucket_is_the_list_and_the_open_uploads(
    company: Company, cur2: list[dict[str, Any]], training_stored: Stored
) -> None:
    parts = [
        part for upload in company.uploads for part in zip(upload.part_sizes, part_times(upload), strict=True)
    ]

    for day in (company.days[0], company.days[30], company.days[-2], company.as_of):
        total = billed(cur2, day, "TimedStorage-ByteHrs", "acme-training")
        assert total == gb_month_cost([*training_stored, *parts], day, "TimedStorage-ByteHrs")
        listed_only = gb_month_cost(training_stored, day, "TimedStorage-ByteHrs")
        assert 0 <= total - listed_only < total * Decimal("0.02")
    assert total > listed_only


def test_storage_is_one_line_per_bucket_class_and_day(company: Company, cur2: list[dict[str, Any]]) -> None:
    lines = [line for line in cur2 if line["line_item_operation"] in {"StandardStorage", "StandardIAStorage"}]

    names = {
        (line["line_item_usage_start_date"], line["line_item_resource_id"], line["line_item_usage_type"])
        for line in lines
    }
    assert len(lines) == len(names) == 3 * len(company.days)


def test_the_bucket_of_logs_is_on_the_other_bill_only(
    company: Company, cur2: list[dict[str, Any]], focus: list[dict[str, str]]
) -> None:
    stored = [(item.size_bytes, item.modified_at) for item in company.objects_of("acme-logs")]
    lines = {
        line["ChargePeriodStart"]: Decimal(line["BilledCost"])
        for line in focus
        if line["x_UsageType"] == "TimedStorage-ByteHrs"
    }

    assert "acme-logs" not in {line["line_item_resource_id"] for line in cur2}
    assert {line["ResourceId"] for line in focus if line["x_ServiceCode"] == "AmazonS3"} == {"acme-logs"}
    assert len(lines) == len(company.days)
    for day in (company.days[3], company.as_of):
        assert lines[f"{day}T00:00:00Z"] == gb_month_cost(stored, day, "TimedStorage-ByteHrs")


def test_the_planted_jump_triples_one_teams_cross_region_reads(
    company: Company, cur2: list[dict[str, Any]]
) -> None:
    read: dict[tuple[str, bool], dict[date, float]] = defaultdict(dict)
    for line in cur2:
        if line["line_item_usage_type"] == "USE1-USW2-AWS-Out-Bytes":
            day = line["line_item_usage_start_date"].date()
            team = dict(line["resource_tags"])["user_team"]
            read[team, day >= company.expectations.jump_day][day] = line["line_item_unblended_cost"]

    week = timedelta(days=7)
    assert company.expectations.jump_day == company.as_of - timedelta(days=5)
    for day, cost in read["vision", True].items():
        assert cost / read["vision", False][day - week] == pytest.approx(3, rel=0.1)
    for day, cost in read["nlp", True].items():
        assert cost / read["nlp", False][day - week] == pytest.approx(1, rel=0.1)


def test_weekends_are_quieter(company: Company, cur2: list[dict[str, Any]]) -> None:
    gpu: dict[bool, list[float]] = defaultdict(list)
    for line in cur2:
        if line["line_item_usage_type"].startswith("BoxUsage:p5"):
            gpu[line["line_item_usage_start_date"].weekday() >= 5].append(line["line_item_usage_amount"])

    assert sum(gpu[True]) / len(gpu[True]) < 0.65 * sum(gpu[False]) / len(gpu[False])
    assert len(set(gpu[False])) > len(company.days)


def test_what_hurts_is_on_the_bill(cur2: list[dict[str, Any]]) -> None:
    meters = {
        (line["line_item_product_code"], line["line_item_usage_type"], line["line_item_operation"])
        for line in cur2
    }

    assert meters >= {
        ("AmazonEC2", "NatGateway-Bytes", "NatGateway"),
        ("AmazonEC2", "NatGateway-Hours", "NatGateway"),
        ("AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-In"),
        ("AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-Out"),
        ("AmazonEC2", "DataTransfer-Out-Bytes", "RunInstances"),
        ("AmazonS3", "Requests-Tier1", "PutObject"),
        ("AmazonS3", "Requests-Tier2", "GetObject"),
        ("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering"),
    }


def test_some_lines_carry_a_team_and_some_do_not(cur2: list[dict[str, Any]]) -> None:
    teams = {dict(line["resource_tags"]).get("user_team", "") for line in cur2}

    assert teams == {"nlp", "vision", "platform", ""}


def test_each_month_has_a_tax_and_a_credit_and_only_closed_ones_an_invoice(
    cur2: list[dict[str, Any]],
) -> None:
    kinds = defaultdict(list)
    for line in cur2:
        kinds[line["line_item_line_item_type"]].append(line)

    assert len(kinds["Tax"]) == len(kinds["Credit"]) == len(MONTHS)
    assert all(line["line_item_unblended_cost"] < 0 for line in kinds["Credit"])
    invoices = {line["bill_billing_period_start_date"].month: line["bill_invoice_id"] for line in cur2}
    assert invoices[9]
    assert invoices[10]
    assert invoices[11] == ""


def test_line_ids_are_unique_and_lines_lie_in_their_month(cur2: list[dict[str, Any]]) -> None:
    assert len({line["identity_line_item_id"] for line in cur2}) == len(cur2)
    for line in cur2:
        start, end = line["bill_billing_period_start_date"], line["bill_billing_period_end_date"]
        assert start <= line["line_item_usage_start_date"] < line["line_item_usage_end_date"] <= end


def test_the_export_overwrites_one_delivery_per_month_and_empties_a_surplus_chunk(
    delivered: Delivered,
) -> None:
    root = "exports/cur2/acme-cur2"
    data = [key for key in delivered if key.startswith(f"{root}/data/")]

    assert [
        f"{root}/metadata/BILLING_PERIOD={month}/acme-cur2-Manifest.json" in delivered for month in MONTHS
    ] == [True] * 3
    assert len(data) == 4
    surplus = delivered[f"{root}/data/BILLING_PERIOD=2026-09/acme-cur2-00002.snappy.parquet"]
    assert pq.read_table(io.BytesIO(surplus.body)).num_rows == 0


def test_maps_are_maps_and_compression_is_snappy(delivered: Delivered) -> None:
    body = delivered["exports/cur2/acme-cur2/data/BILLING_PERIOD=2026-10/acme-cur2-00001.snappy.parquet"].body
    file = pq.ParquetFile(io.BytesIO(body))

    for name in ("resource_tags", "product", "cost_category"):
        kind = file.schema_arrow.field(name).type
        assert pa.types.is_map(kind)
        assert (kind.key_type, kind.item_type) == (pa.string(), pa.string())
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_every_bill_is_there_before_the_morning_after(company: Company, delivered: Delivered) -> None:
    morning = company.midnight + timedelta(hours=6)

    assert all(file.modified_at < morning for file in delivered.values())


def test_the_focus_export_has_the_columns_of_focus_1_0_and_five_of_aws(focus: list[dict[str, str]]) -> None:
    assert len(COLUMNS) == 43 + 5
    assert list(COLUMNS) == sorted(COLUMNS, key=lambda name: (name.startswith("x_"), name))
    assert {tuple(row) for row in focus} == {COLUMNS}


def test_focus_lines_hold_what_the_specification_asks(focus: list[dict[str, str]]) -> None:
    for line in focus:
        assert line["ChargeCategory"] == "Usage"
        assert line["BillingAccountId"] == "999999999999"
        assert Decimal(line["EffectiveCost"]) >= 0
        assert json.loads(line["Tags"] or "{}").keys() <= {"user_team"}
        start, end = (datetime.fromisoformat(line[f"ChargePeriod{name}"]) for name in ("Start", "End"))
        assert end - start == timedelta(days=1)
        assert start.tzinfo == UTC
    assert {line["x_ServiceCode"] for line in focus} == {"AmazonS3", "AmazonEC2", "AWSSupportBusiness"}
