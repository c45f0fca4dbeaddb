"""Whatever is billed: findings are part of it, each byte once, and nothing saves more than it costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.domain.configuration import Engine
from pipelines.warehouse.build import Inputs, build_warehouse
from tests.sql.conftest import Rows, landed, needed_for

DAYS = [date(2026, 2, 26) + timedelta(days=number) for number in range(5)]
AS_OF = date(2026, 3, 2)
MARTS = ("marts.costs_daily", "marts.egress_daily", "marts.egress_findings")
AWS_METERS = [
    ("AmazonEC2", "NatGateway-Bytes", "NatGateway", "GB"),
    ("AmazonEC2", "NatGateway-Hours", "NatGateway", "Hrs"),
    ("AmazonEC2", "USW2-NatGateway-Bytes", "NatGateway", "GB"),
    ("AmazonS3", "C3DataTransfer-Out-Bytes", "GetObject", "GB"),
    ("AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-In", "GB"),
    ("AmazonEC2", "DataTransfer-Regional-Bytes", "PublicIP-Out", "GB"),
    ("AmazonS3", "USE1-USW2-AWS-Out-Bytes", "GetObject", "GB"),
    ("AmazonS3", "USE1-USW2-AWS-Out-Bytes", "GetObjectForRepl", "GB"),
    ("AmazonS3", "USE1-USW2-AWS-Out-Bytes", "HeadBucket", "GB"),
    ("AmazonS3", "DataTransfer-Out-Bytes", "GetObject", "GB"),
    ("AmazonEC2", "DataTransfer-Out-Bytes", "RunInstances", "GB"),
    ("AmazonEC2", "USE1-DataTransfer-Quantum-Bytes", "RunInstances", "GB"),
    ("AmazonCloudFront", "US-DataTransfer-Out-Bytes", "GET", "GB"),
    ("AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo"),
]
GCP_SKUS = [
    "Networking Cloud Nat Data Processing",
    "Networking Cloud Nat Gateway Uptime",
    "Network Inter Zone Egress",
    "Download Worldwide Destinations (excluding Asia & Australia)",
    "Network Data Transfer GCP Replication within Northern America",
    "Network Data Transfer GCP Inter Region within Northern America",
    "Network Quantum Data Transfer Out",
]
CURRENCIES = st.sampled_from(["USD", "USD", "USD", "EUR"])

costs = st.decimals(min_value=-100, max_value=10_000, places=10)
amounts = st.one_of(st.just(0), st.integers(-5, 10), st.integers(1, 10**6))


def moments(draw: st.DrawFn) -> datetime:
    return datetime.combine(draw(st.sampled_from(DAYS)), datetime.min.time())


@st.composite
def aws_lines(draw: st.DrawFn) -> dict[str, object]:
    product, usage_type, operation, unit = draw(st.sampled_from(AWS_METERS))
    return {
        "bill_payer_account_id": "1",
        "line_item_line_item_type": draw(st.sampled_from(["Usage", "Usage", "Usage", "Credit", "Tax"])),
        "line_item_product_code": product,
        "line_item_usage_type": usage_type,
        "line_item_operation": operation,
        "line_item_resource_id": draw(st.sampled_from(["b1", "arn:aws:s3:::b1", "b'\n3", "", "unlisted"])),
        "line_item_currency_code": draw(CURRENCIES),
        "line_item_usage_start_date": moments(draw),
        "line_item_usage_amount": float(draw(amounts)),
        "line_item_unblended_cost": float(draw(costs)),
        "pricing_unit": unit,
    }


@st.composite
def gcp_lines(draw: st.DrawFn) -> dict[str, object]:
    cost = draw(costs)
    return {
        "billing_account_id": "B",
        "service_id": draw(st.sampled_from(["95FF-2EF5-5EA1", "6F81-5844-456A"])),
        "sku_description": draw(st.sampled_from(GCP_SKUS)),
        "resource_name": draw(st.sampled_from(["g1", ""])),
        "cost_type": draw(st.sampled_from(["regular", "regular", "tax"])),
        "region": draw(st.sampled_from(["us-central1", ""])),
        "currency": draw(CURRENCIES),
        "usage_unit": "gibibyte",
        "usage_amount": draw(amounts),
        "cost": cost,
        "credits_amount": -abs(cost) if draw(st.booleans()) else 0,
        "usage_start_at": moments(draw),
    }


@st.composite
def directories(draw: st.DrawFn) -> dict[str, object]:
    return {
        "bucket": draw(st.sampled_from(["b1", "b'\n3"])),
        "directory": draw(st.sampled_from(["", "runs/"])),
        "storage_class": "STANDARD",
        "is_current": True,
        "object_count": 1,
        "size_bytes": draw(st.integers(0, 2**50)),
        "created_date": draw(st.sampled_from([*DAYS, date(2020, 1, 1)])),
        "first_day_byte_seconds": 0,
        "snapshot_at": datetime(2026, 3, 2, 1),
    }


@contextmanager
def built(rows: dict[str, Rows]) -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = Inputs(files={table: (landed(folder, table, given),) for table, given in rows.items()})
        path = folder / "warehouse.duckdb"
        engine = Engine(memory_limit="1GB", temp_directory=str(folder / "spill"))
        build_warehouse(path, inputs=inputs, as_of=AS_OF, engine=engine, models=needed_for(MARTS))
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection


@given(
    aws=st.lists(aws_lines(), max_size=30),
    gcp=st.lists(gcp_lines(), max_size=12),
    listed=st.lists(directories(), max_size=4),
)
@settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    # Each example builds a warehouse; making a failing one smaller would take minutes.
    phases=[Phase.generate],
)
def test_findings_are_part_of_the_bill(
    aws: list[dict[str, object]], gcp: list[dict[str, object]], listed: list[dict[str, object]]
) -> None:
    with built({"aws_cur2": aws, "gcp_billing": gcp, "s3_inventory_directories": listed}) as marts:
        beyond = marts.execute(
            """
            with judged as (
                select provider, first_date, last_date, sum(gross_usd) as found
                from marts.egress_findings
                group by all
            )
            select judged.provider, judged.found, sum(costs.effective_cost) as billed
            from judged
            left join marts.costs_daily as costs
                on
                    costs.provider = judged.provider
                    and costs.usage_date between judged.first_date and judged.last_date
                    and costs.layer = 'network'
                    and costs.currency = 'USD'
                    and costs.charge_category not in ('Tax', 'Purchase')
            group by all
            having judged.found > coalesce(billed, 0)
            """
        ).fetchall()
        assert beyond == []
        unsound = marts.execute(
            """
            select kind, resource_id, gross_usd, gross_usd_month, avoidable_usd_month
            from marts.egress_findings
            where
                avoidable_usd_month > gross_usd_month
                or avoidable_usd_month < 0
                or gross_usd <= 0
                or counterfactual is null
                or how_to_fix is null
                or confidence not in ('high', 'medium', 'low')
            """
        ).fetchall()
        assert unsound == []
        lost = marts.execute(
            """
            select sum(effective_cost) from marts.egress_daily
            where path = 'unclassified_transfer' and currency = 'USD' and effective_cost > 0
            """
        ).fetchall()[0][0]
        told = marts.execute(
            "select count(*) from marts.egress_findings where kind = 'unclassified_transfer'"
        ).fetchall()[0][0]
        assert told == 0 or lost > 0
