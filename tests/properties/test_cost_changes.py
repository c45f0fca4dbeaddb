"""Whatever two days of a bill hold, the effects add up to exactly how their costs differ."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.warehouse.build import SCHEMAS, set_as_of
from pipelines.warehouse.inputs import fill_table
from pipelines.warehouse.models import Model, shipped_models

AS_OF = date(2026, 11, 19)
DAYS = [*(AS_OF - timedelta(days=ago) for ago in (0, 1, 7)), date(2026, 10, 19)]
CHARGES = "intermediate.int_charges_attributed"
MODELS = (
    "intermediate.int_costs_keyed_daily",
    "intermediate.int_days_arrived",
    "intermediate.int_costs_compared",
    "intermediate.int_cost_changes_decomposed",
    "marts.cost_changes",
)
COLUMNS = (
    "provider",
    "service_name",
    "meter",
    "team",
    "bucket",
    "usage_unit",
    "currency",
    "charge_category",
    "charge_class",
    "meter_group",
    "usage_quantity",
    "effective_cost",
    "usage_date",
)
Row = tuple[object, ...]

amounts = st.one_of(
    st.sampled_from([Decimal(0), Decimal("0.000000000001"), Decimal("-0.000000000001")]),
    st.decimals(min_value=-1_000_000, max_value=1_000_000, places=12),
)
quantities = st.one_of(amounts, st.decimals(min_value=0, max_value=10**15, places=3))
# Few keys and days, so that most are there on both of two days.
charges = st.tuples(
    st.sampled_from(["aws", "aws", "aws", "gcp"]),
    st.just("Amazon S3"),
    st.sampled_from(["TimedStorage-ByteHrs", "Out-Bytes"]),
    st.just(""),
    st.just("b'1"),
    st.sampled_from(["GB-Mo", "GB"]),
    st.sampled_from(["USD", "USD", "USD", "EUR"]),
    st.sampled_from(["Usage", "Usage", "Usage", "Usage", "Credit"]),
    st.sampled_from(["", "", "", "Correction"]),
    st.just("storage"),
    quantities,
    amounts,
    st.sampled_from(DAYS),
)
CLOSING = """
with
costs as (
    select currency, usage_date, sum(effective_cost) as cost
    from intermediate.int_charges_attributed
    group by all
),
explained as (
    select currency, usage_date, compared_date, comparison, sum(amount) as amount
    from marts.cost_changes
    group by all
)
select
    explained.*,
    coalesce(after.cost, 0) - coalesce(before.cost, 0) as change
from explained
left outer join costs as after
    on explained.currency = after.currency and explained.usage_date = after.usage_date
left outer join costs as before
    on explained.currency = before.currency and explained.compared_date = before.usage_date
where explained.amount <> coalesce(after.cost, 0) - coalesce(before.cost, 0)
"""
UNTOLD = """
with
costs as (
    select usage_date, sum(effective_cost) as cost from intermediate.int_charges_attributed group by all
)
select after.usage_date
from costs as after
inner join costs as before on before.usage_date = after.usage_date - 1
where
    after.cost <> before.cost
    and after.usage_date not in (
        select usage_date from marts.cost_changes where comparison = 'day_before'
    )
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as connection:
        connection.execute("set threads = 1")
        for schema in SCHEMAS:
            connection.execute(f"create schema {schema}")
        set_as_of(connection, AS_OF)
        yield connection


@given(bill=st.lists(charges, min_size=10, max_size=50))
@settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    # Making a failing bill smaller builds it hundreds of times.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_effects_of_any_two_days_add_up_to_the_change(
    engine: duckdb.DuckDBPyConnection, bill: list[Row]
) -> None:
    explain(engine, bill)

    assert engine.execute(CLOSING).fetchall() == []
    assert engine.execute(UNTOLD).fetchall() == []


def steady(day: date, share: Decimal = Decimal(1)) -> list[Row]:
    """A day of two disks and one machine, or a part of it."""
    disks = [("Amazon S3", "Disk", "GB-Mo", 9), ("Amazon S3", "Archive", "GB-Mo", 30)]
    return [
        ("aws", service, meter, "", "", unit, "USD", "Usage", "", "storage", number * share, 2 * share, day)
        for service, meter, unit, number in (*disks, ("Amazon EC2", "Machine", "Hrs", 24))
    ]


def test_a_day_delivered_half_is_told_as_such_and_not_as_less_use(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    bill = [row for ago in range(1, 10) for row in steady(AS_OF - timedelta(days=ago))]
    explain(engine, [*bill, *steady(AS_OF, Decimal("0.5"))])

    assert effects(engine, AS_OF, "day_before") == {"incomplete_day": Decimal(-3)}
    assert effects(engine, AS_OF, "same_weekday") == {"incomplete_day": Decimal(-3)}
    assert engine.execute(CLOSING).fetchall() == []


def test_days_that_miss_in_the_middle_are_not_compared_and_those_behind_them_are(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    missing = {3, 4}
    bill = [row for ago in range(12) if ago not in missing for row in steady(AS_OF - timedelta(days=ago))]
    more = ("aws", "Amazon EC2", "Machine", "", "", "Hrs", "USD", "Usage", "", "other", 24, 2, AS_OF)
    explain(engine, [*bill, more])

    compared = "select distinct usage_date from marts.cost_changes where comparison = 'day_before'"
    assert engine.execute(compared).fetchall() == [(AS_OF,)]
    assert effects(engine, AS_OF, "same_weekday") == {"volume": Decimal(2)}


def test_a_provider_that_misses_on_a_day_is_no_saving(engine: duckdb.DuckDBPyConnection) -> None:
    bill = [row for ago in range(10) for row in steady(AS_OF - timedelta(days=ago))]
    other = [("gcp", *row[1:]) for row in bill if row[-1] != AS_OF - timedelta(days=1)]
    explain(engine, [*bill, *other])

    assert effects(engine, AS_OF - timedelta(days=1), "day_before") == {"incomplete_day": Decimal(-6)}
    assert effects(engine, AS_OF, "day_before") == {"incomplete_day": Decimal(6)}


def test_a_day_that_was_corrected_says_so(engine: duckdb.DuckDBPyConnection) -> None:
    bill = [row for ago in range(10) for row in steady(AS_OF - timedelta(days=ago))]
    late = (
        "aws",
        "Amazon S3",
        "Disk",
        "",
        "",
        "GB-Mo",
        "USD",
        "Usage",
        "Correction",
        "storage",
        1,
        -4,
        AS_OF,
    )
    explain(engine, [*bill, late])

    assert effects(engine, AS_OF, "day_before") == {"restatement": Decimal(-4)}


def explain(connection: duckdb.DuckDBPyConnection, bill: Sequence[Row]) -> None:
    """Let the models read some charges."""
    described = columns()
    at = {name: COLUMNS.index(name) if name in COLUMNS else None for name, _ in described}
    rows = [tuple(None if at[name] is None else row[at[name] or 0] for name, _ in described) for row in bill]
    fill_table(connection, CHARGES, described, rows)
    for model in needed():
        connection.execute(f"create or replace table {model.table} as {model.sql}")


def effects(connection: duckdb.DuckDBPyConnection, day: date, comparison: str) -> dict[str, Decimal]:
    """Return the amounts of a day by effect."""
    return dict(
        connection.execute(
            "select effect, sum(amount) as amount from marts.cost_changes "
            "where usage_date = ? and comparison = ? group by all having sum(amount) <> 0",
            [day, comparison],
        ).fetchall()
    )


@cache
def columns() -> tuple[tuple[str, str], ...]:
    (model,) = (one for one in shipped_models() if one.table == CHARGES)
    return tuple((name, column.type) for name, column in model.description.columns.items())


@cache
def needed() -> tuple[Model, ...]:
    by_name = {model.table: model for model in shipped_models()}
    return tuple(by_name[name] for name in MODELS)
