"""Whatever lies in a bucket, however it is read: the findings promise nothing that the bill cannot give."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.domain.raw_tables import Columns
from pipelines.domain.teams import Teams
from pipelines.warehouse.build import SCHEMAS, set_as_of
from pipelines.warehouse.inputs import fill_table, load_reference
from pipelines.warehouse.models import Model, shipped_models

MODELS = {model.table: model for model in shipped_models()}
DAY = date(2026, 1, 31)
GIB = 1024**3
LISTED = "2026-01-31 00:00:00"
RATES = {
    "STANDARD": Decimal("0.021"),
    "STANDARD_IA": Decimal("0.012"),
    "ONEZONE_IA": Decimal("0.009"),
    "GLACIER": Decimal("0.0035"),
    "DEEP_ARCHIVE": Decimal("0.0009"),
    "INTELLIGENT_TIERING": Decimal("0.02"),
}
PADDED = ("STANDARD_IA", "ONEZONE_IA")
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
CHARGES = "intermediate.int_charges_attributed"
DIRECTORIES = "intermediate.int_directories_unioned"
FILES = "intermediate.int_inventory_files_deduplicated"
UPLOADS = "staging.stg_s3_uploads__uploads"
GIVEN = (CHARGES, DIRECTORIES, FILES, UPLOADS)

Directory = tuple[str, str, int, int, int]
"""Prefix, class, objects, bytes of each, age in days."""
directories = st.lists(
    st.tuples(
        st.sampled_from(("", "runs/a/", "runs/b/", "data/x/y/z/")),
        st.sampled_from(sorted(RATES)),
        st.integers(1, 100_000),
        st.sampled_from((1024, 100_000, 131_072, 10 * 1024**2, 5 * GIB)),
        st.integers(0, 400),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every model between what a bill and an inventory say and the findings, as views."""
    with duckdb.connect() as connection:
        for schema in SCHEMAS:
            connection.execute(f"create schema {schema}")
        set_as_of(connection, DAY)
        load_reference(connection, Teams())
        for table in GIVEN:
            fill_table(connection, table, columns_of(MODELS[table]), [])
        for model in needed():
            connection.execute(f"create view {model.table} as {model.sql}")
        yield connection


def needed() -> tuple[Model, ...]:
    wanted, chosen = {"marts.tier_findings"}, list[Model]()
    for model in reversed(MODELS.values()):
        if model.table in wanted and model.table not in GIVEN:
            wanted.update(model.depends_on)
            chosen.append(model)
    return tuple(reversed(chosen))


def columns_of(model: Model) -> Columns:
    return tuple((name, column.type) for name, column in model.description.columns.items())


def fill(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, object]]) -> None:
    columns = columns_of(MODELS[table])
    fill_table(connection, table, columns, [[row.get(name) for name, _ in columns] for row in rows])


def listed(found: Sequence[Directory]) -> list[dict[str, object]]:
    return [
        {
            "provider": "aws",
            "landed_file": "f",
            "bucket": "b",
            "directory": prefix,
            "storage_class": storage_class,
            "object_count": count,
            "size_bytes": count * size,
            "small_object_count": count if size < 131_072 else 0,
            "small_object_bytes": count * size if size < 131_072 else 0,
            "is_current": True,
            "created_date": DAY - timedelta(days=age),
            "snapshot_at": LISTED,
        }
        for prefix, storage_class, count, size, age in found
    ]


def charge(storage_class: str, gb: Decimal, usd: Decimal, **said: object) -> dict[str, object]:
    """A month on one line, so that what the findings call a month is what the bill calls one."""
    return {
        "provider": "aws",
        "bucket": "b",
        "region_id": "us-east-1",
        "storage_class": storage_class,
        "meter": "TimedStorage",
        "meter_group": "storage",
        "charge_category": "Usage",
        "currency": "USD",
        "gb_month": gb,
        "effective_cost": usd,
        "list_cost": usd,
        "holds_objects": True,
        "is_transfer": False,
        "usage_date": DAY,
        **said,
    }


def billed(found: Sequence[Directory], gets: int) -> Iterator[dict[str, object]]:
    for _, storage_class, count, size, _ in found:
        gb = Decimal(count * size) / GIB
        yield charge(storage_class, gb, gb * RATES[storage_class])
        extra = Decimal(0)
        if storage_class in PADDED and size < 131_072:
            extra = count * Decimal(131_072 - size) / GIB * RATES[storage_class]
        if storage_class in ARCHIVED:
            extra = count * (32768 * RATES[storage_class] + 8192 * Decimal("0.023")) / GIB
        if storage_class == "INTELLIGENT_TIERING" and size >= 131_072:
            extra = count * Decimal("0.0000025")
        yield charge(storage_class, Decimal(0), extra, holds_objects=False)
    if gets:
        requests = {"meter": "Requests-Tier2", "meter_group": "requests", "holds_objects": False}
        yield charge("", Decimal(0), gets * Decimal("0.0000004"), usage_quantity=gets, **requests)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=directories, gets=st.integers(0, 10**7), is_billed=st.booleans())
def test_findings_never_promise_more_than_the_bill(
    warehouse: duckdb.DuckDBPyConnection, found: list[Directory], gets: int, *, is_billed: bool
) -> None:
    charges = list(billed(found, gets)) if is_billed else []
    fill(warehouse, CHARGES, charges)
    fill(warehouse, DIRECTORIES, listed(found))
    fill(
        warehouse,
        FILES,
        [{"provider": "aws", "bucket": "b", "landed_file": "f", "snapshot_at": LISTED}],
    )
    best, lost, idle, saved = warehouse.execute(
        "select count(*) filter (is_best), count(*) filter (is_best and saving_usd_month < 0),"
        " count(*) filter (verdict = 'stay' and (saving_usd_month <> 0 or one_off_usd <> 0)),"
        " coalesce(sum(saving_usd_month) filter (is_best), 0) from marts.tier_findings"
    ).fetchall()[0]
    assert best == len({(prefix_of(prefix), storage_class) for prefix, storage_class, *_ in found})
    assert (lost, idle) == (0, 0)
    if is_billed:
        # The line is of one day, and reads are scaled from the days that are billed to thirty.
        month = sum(
            Decimal(str(row["effective_cost"])) * (30 if row["meter_group"] == "requests" else 1)
            for row in charges
        )
        assert saved <= month + Decimal("0.0001")


def prefix_of(directory: str) -> str:
    return "".join(f"{part}/" for part in directory.split("/")[:-1][:3])
