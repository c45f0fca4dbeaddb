"""Whatever is billed and whatever is listed: prefixes and their residual are the bill, meter by meter."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.domain.configuration import Engine
from pipelines.domain.teams import PrefixOwner, Teams
from pipelines.warehouse.build import Inputs, build_warehouse
from tests.sql.conftest import Rows, landed, needed_for

DAYS = [date(2026, 2, 28) + timedelta(days=number) for number in range(2)]
AS_OF = date(2026, 3, 1)
S3_METERS = [
    ("TimedStorage-ByteHrs", "StandardStorage", "GB-Mo"),
    ("TimedStorage-ByteHrs", "GlacierS3ObjectOverhead", "GB-Mo"),
    ("TimedStorage-ByteHrs", "DeepArchiveS3ObjectOverhead", "GB-Mo"),
    ("TimedStorage-GlacierByteHrs", "GlacierStorage", "GB-Mo"),
    ("TimedStorage-GlacierByteHrs", "GlacierObjectOverhead", "GB-Mo"),
    ("TimedStorage-SIA-ByteHrs", "StandardIAStorage", "GB-Mo"),
    ("TimedStorage-SIA-SmObjects", "StandardIASizeOverhead", "GB-Mo"),
    ("TimedStorage-INT-FA-ByteHrs", "IntelligentTieringFAStorage", "GB-Mo"),
    ("TimedStorage-INT-AIA-ByteHrs", "IntelligentTieringAIAStorage", "GB-Mo"),
    ("Monitoring-Automation-INT", "", "Objects"),
    ("Requests-Tier1", "PutObject", "Requests"),
    ("Requests-Tier1", "ListBucket", "Requests"),
    ("Requests-SIA-Tier1", "PutObject", "Requests"),
    ("Retrieval-SIA", "GetObject", "GB"),
    ("EarlyDelete-SIA", "DeleteObject", "GB-Mo"),
]
GCS_METERS = [
    ("Standard Storage US Regional", "byte-seconds"),
    ("Nearline Storage Iowa", "byte-seconds"),
    ("Nearline Storage Iowa (Early Delete)", "byte-seconds"),
    ("Regional Standard Class A Operations", "count"),
    ("Nearline Data Retrieval", "bytes"),
]
CLASSES = ("STANDARD", "STANDARD_IA", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING")
CURRENCIES = st.sampled_from(["USD", "USD", "USD", "EUR"])

costs = st.decimals(min_value=-10_000, max_value=10_000, places=10)
amounts = st.one_of(st.integers(1, 10**9), st.integers(-5, 10))


@st.composite
def s3_lines(draw: st.DrawFn) -> dict[str, object]:
    usage_type, operation, unit = draw(st.sampled_from(S3_METERS))
    bucket = draw(st.sampled_from(["b1", "b1", "b1", "b'\n3", "unlisted"]))
    return {
        "bill_payer_account_id": "1",
        "line_item_line_item_type": draw(st.sampled_from(["Usage", "Usage", "Usage", "Credit"])),
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": usage_type,
        "line_item_operation": operation,
        "line_item_resource_id": draw(st.sampled_from(["", "arn:aws:s3:::"])) + bucket,
        "line_item_currency_code": draw(CURRENCIES),
        "pricing_unit": unit,
        "line_item_usage_start_date": datetime.combine(draw(st.sampled_from(DAYS)), datetime.min.time()),
        "line_item_usage_amount": draw(amounts),
        "line_item_unblended_cost": draw(costs),
        "resource_tags": draw(st.sampled_from([None, '{"user_team": "vision"}'])),
    }


@st.composite
def gcs_lines(draw: st.DrawFn) -> dict[str, object]:
    sku, unit = draw(st.sampled_from(GCS_METERS))
    bucket = draw(st.sampled_from(["g1", "unlisted-g"]))
    return {
        "billing_account_id": "1",
        "service_id": "95FF-2EF5-5EA1",
        "service_description": "Cloud Storage",
        "sku_description": sku,
        "usage_start_at": datetime.combine(draw(st.sampled_from(DAYS)), datetime.min.time()),
        "resource_global_name": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "currency": draw(CURRENCIES),
        "usage_amount": draw(amounts),
        "usage_unit": unit,
        "cost": draw(costs),
        "cost_type": "regular",
    }


@st.composite
def directories(draw: st.DrawFn, buckets: tuple[str, ...], classes: tuple[str, ...]) -> dict[str, object]:
    small = draw(st.integers(0, 50))
    return {
        "bucket": draw(st.sampled_from(buckets)),
        "directory": draw(st.sampled_from(["", "runs/", "runs/a/b/c/", "(residual)/", "//", "ü/%_'/"])),
        "storage_class": draw(st.sampled_from(classes)),
        "is_current": draw(st.booleans()),
        "created_date": draw(st.sampled_from([*DAYS, date(2020, 1, 1)])),
        "object_count": small + draw(st.integers(0, 1000)),
        "size_bytes": draw(st.integers(0, 2**50)),
        "first_day_byte_seconds": draw(st.integers(0, 2**60)),
        "small_object_count": small,
        "small_object_bytes": small * draw(st.integers(0, 131_071)),
        "snapshot_at": draw(
            st.sampled_from([datetime(2026, 2, 28), datetime(2026, 3, 2, 1), datetime(2026, 3, 2, 1)])
        ),
    }


s3_directories = directories(("b1", "b1", "b'\n3", "unbilled"), CLASSES)
gcs_directories = directories(("g1", "unbilled-g"), ("STANDARD", "NEARLINE"))


@contextmanager
def built(rows: dict[str, Rows]) -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory() as named:
        folder = Path(named)
        inputs = Inputs(
            files={table: (landed(folder, table, given),) for table, given in rows.items()},
            teams=Teams(by_prefix=(PrefixOwner(match="s3://b1/runs/", team="nlp"),), by_tag="team"),
        )
        engine = Engine(memory_limit="1GB", temp_directory=str(folder / "spill"))
        path = folder / "warehouse.duckdb"
        models = needed_for(("marts.prefix_costs",))
        build_warehouse(path, inputs=inputs, as_of=AS_OF, engine=engine, models=models)
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection


@given(
    s3_bill=st.lists(s3_lines(), min_size=20, max_size=60),
    gcs_bill=st.lists(gcs_lines(), max_size=15),
    s3_listed=st.lists(s3_directories, min_size=10, max_size=25),
    gcs_listed=st.lists(gcs_directories, max_size=8),
)
@settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    # Each example builds a warehouse; making a failing one smaller would take minutes.
    phases=[Phase.generate],
)
def test_prefixes_and_residual_are_the_bill(
    s3_bill: list[dict[str, object]],
    gcs_bill: list[dict[str, object]],
    s3_listed: list[dict[str, object]],
    gcs_listed: list[dict[str, object]],
) -> None:
    rows: dict[str, Rows] = {
        "aws_cur2": s3_bill,
        "gcp_billing": gcs_bill,
        "s3_inventory_directories": s3_listed,
        "gcs_inventory_directories": gcs_listed,
    }
    with built(rows) as marts:
        allocated = marts.execute(_ALLOCATED).fetchall()
        assert {row[:-1]: row[-1] for row in allocated} == {
            row[:-1]: row[-1] for row in marts.execute(_BILLED).fetchall()
        }
        assert sum((row[-1] for row in allocated), Decimal()) == _total(s3_bill, gcs_bill)
        assert marts.execute(_PADDED).fetchall() == []


# Per bucket, day, class, kind of meter and currency. A class that is on no bill costs nothing.
_ALLOCATED = """
    select usage_date, provider, bucket, currency, storage_class, meter_group, sum(effective_cost)
    from marts.prefix_costs
    where currency <> '' or effective_cost <> 0
    group by all
"""
_BILLED = """
    select usage_date, provider, bucket, currency, storage_class, meter_group, sum(effective_cost)
    from intermediate.int_charges_attributed
    group by all
"""
# What a listing counts is counted once, whatever it is billed by.
_PADDED = """
    select usage_date, provider, bucket, prefix, objects_class
    from (
        select usage_date, provider, bucket, prefix, storage_class as objects_class, sum(size_bytes) as bytes
        from marts.prefix_costs
        where not is_residual and basis = 'bytes'
        group by all
    ) as shown
    full outer join (
        select usage_date, provider, bucket, prefix, storage_class as objects_class, sum(size_bytes) as bytes
        from intermediate.int_prefix_bytes_daily
        group by all
    ) as stored using (usage_date, provider, bucket, prefix, objects_class)
    where shown.bytes is distinct from stored.bytes
"""


def _total(s3_bill: list[dict[str, object]], gcs_bill: list[dict[str, object]]) -> Decimal:
    given = [line["line_item_unblended_cost"] for line in s3_bill] + [line["cost"] for line in gcs_bill]
    return sum((Decimal(str(cost)) for cost in given), Decimal())
