"""Sums close: what the bills say is what the marts say, to the last digit."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.domain.teams import PrefixOwner, Teams


class Build(Protocol):
    def __call__(
        self,
        rows: Mapping[str, object],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
    ) -> duckdb.DuckDBPyConnection: ...


DAYS = [date(2026, 2, 27) + timedelta(days=number) for number in range(4)]
MARTS = ("marts.costs_daily", "marts.prefix_costs", "marts.storage_daily", "marts.egress_daily")
METERS = [
    ("AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo"),
    ("AmazonS3", "TimedStorage-SIA-ByteHrs", "StandardIAStorage", "GB-Mo"),
    ("AmazonS3", "TimedStorage-SIA-SmObjects", "StandardIASizeOverhead", "GB-Mo"),
    ("AmazonS3", "Requests-Tier1", "PutObject", "Requests"),
    ("AmazonS3", "USE1-USW2-AWS-Out-Bytes", "GetObject", "GB"),
    ("AmazonEC2", "BoxUsage:p5.48xlarge", "RunInstances", "Hrs"),
    ("AmazonEC2", "NatGateway-Bytes", "NatGateway", "GB"),
]
TEAMS = Teams(by_prefix=(PrefixOwner(match="s3://b1/runs/", team="nlp"),), by_tag="team")

amounts = st.decimals(min_value=-100_000, max_value=100_000, places=10)


@st.composite
def line_items(draw: st.DrawFn) -> dict[str, object]:
    product, usage_type, operation, unit = draw(st.sampled_from(METERS))
    return {
        "bill_payer_account_id": "1",
        "line_item_line_item_type": draw(st.sampled_from(["Usage", "Credit", "Tax", "Refund"])),
        "line_item_product_code": product,
        "line_item_usage_type": usage_type,
        "line_item_operation": operation,
        "line_item_resource_id": draw(st.sampled_from(["b1", "b2", "arn:aws:s3:::b1", "", "b'\n3"])),
        "line_item_currency_code": "USD",
        "pricing_unit": unit,
        "line_item_usage_start_date": datetime.combine(draw(st.sampled_from(DAYS)), datetime.min.time()),
        "line_item_usage_amount": float(draw(amounts)),
        "line_item_unblended_cost": float(draw(amounts)),
        "resource_tags": draw(st.sampled_from([None, "{}", '{"user_team": "vision"}', "no json"])),
    }


@st.composite
def directories(draw: st.DrawFn) -> dict[str, object]:
    return {
        "bucket": draw(st.sampled_from(["b1", "b'\n3", "unbilled"])),
        "directory": draw(st.sampled_from(["", "runs/", "runs/a/b/c/", "(residual)/", "//", "ü/%_'/"])),
        "storage_class": draw(st.sampled_from(["STANDARD", "STANDARD_IA", "GLACIER"])),
        "is_current": draw(st.booleans()),
        "created_date": draw(st.sampled_from([*DAYS, date(2020, 1, 1)])),
        "object_count": 1,
        "size_bytes": draw(st.integers(0, 2**52)),
        "first_day_byte_seconds": draw(st.integers(0, 2**60)),
        "snapshot_at": draw(st.sampled_from([datetime(2026, 2, 28), datetime(2026, 3, 2, 1)])),
    }


@given(bill=st.lists(line_items(), max_size=25), listed=st.lists(directories(), max_size=12))
@settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    # Each example builds a warehouse; making a failing one smaller would take minutes.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bill_closes(
    bill: list[dict[str, object]], listed: list[dict[str, object]], build: Build
) -> None:
    rows = {"aws_cur2": bill, "s3_inventory_directories": listed}
    marts = build(rows, MARTS, as_of=date(2026, 3, 2), teams=TEAMS)
    billed = sum((Decimal(str(line["line_item_unblended_cost"])) for line in bill), Decimal())
    totals = "select coalesce(sum(billed_cost), 0), coalesce(sum(effective_cost), 0) from marts.costs_daily"
    assert marts.execute(totals).fetchall() == [(billed, billed)]
    unclosed = marts.execute(
        """
        with bills as (
            select
                usage_date,
                regexp_replace(resource_id, '^arn:aws:s3:::', '') as bucket,
                sum(effective_cost) as cost
            from marts.costs_daily
            where service_code = 'AmazonS3' and resource_id <> ''
            group by all
        ),
        prefixes as (
            select usage_date, bucket, sum(effective_cost) as cost from marts.prefix_costs group by all
        )
        select *
        from bills
        full join prefixes on bills.usage_date = prefixes.usage_date and bills.bucket = prefixes.bucket
        where bills.cost is distinct from prefixes.cost
        """
    ).fetchall()
    assert unclosed == []


def test_a_bill_of_the_bytes_in_the_bucket_leaves_no_residual(build: Build) -> None:
    day, seconds = date(2026, 2, 3), 86400
    size = 5 * 2**40 + 12_345
    late, written_for = 7 * 2**30, 3_600
    stored = size * seconds + late * written_for
    bill = {
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "TimedStorage-ByteHrs",
        "line_item_operation": "StandardStorage",
        "line_item_resource_id": "b",
        "pricing_unit": "GB-Mo",
        "line_item_usage_start_date": datetime(2026, 2, 3),
        "line_item_usage_amount": stored / 2**30 / (28 * seconds),
        "line_item_unblended_cost": stored / 2**30 / (28 * seconds) * 0.023,
    }
    inventory = {
        "bucket": "b",
        "storage_class": "STANDARD",
        "is_current": True,
        "object_count": 1,
        "snapshot_at": datetime(2026, 2, 4, 1),
    }
    listed = [
        {**inventory, "directory": "old/", "created_date": date(2025, 1, 1), "size_bytes": size}
        | {"first_day_byte_seconds": 1},
        {**inventory, "directory": "new/", "created_date": day, "size_bytes": late}
        | {"first_day_byte_seconds": late * written_for},
        {**inventory, "directory": "later/", "created_date": date(2026, 2, 4), "size_bytes": 2**50}
        | {"first_day_byte_seconds": 2**60},
    ]
    elsewhere = [{**directory, "bucket": "other"} for directory in listed]
    rows = {"aws_cur2": [bill], "s3_inventory_directories": [*listed, *elsewhere]}
    marts = build(rows, ("marts.prefix_costs",), as_of=day)
    shares = marts.execute(
        "select prefix, size_bytes, byte_seconds, effective_cost from marts.prefix_costs order by prefix"
    ).fetchall()
    assert [row[:2] for row in shares] == [("(residual)", 0), ("new/", late), ("old/", size)]
    residual, new, old = (row[3] for row in shares)
    assert residual == pytest.approx(0, abs=Decimal("1e-9"))
    assert new / old == pytest.approx(Decimal(late * written_for) / (size * seconds), rel=Decimal("1e-9"))
