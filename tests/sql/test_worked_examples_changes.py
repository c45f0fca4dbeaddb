"""Published numbers about changes, unusual days and forecasts, reproduced by the models and the report."""

import json
import os
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.report.figures import forecast
from pipelines.warehouse.build import set_as_of
from pipelines.warehouse.descriptions import Example
from pipelines.warehouse.examples import run_example
from pipelines.warehouse.inputs import fill_table
from pipelines.warehouse.models import Model, shipped_models

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"
DAY = date(2026, 11, 19)

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def model(table: str) -> Model:
    return next(found for found in shipped_models() if found.table == table)


def test_price_volume_and_mix_of_two_products() -> None:
    case = example("price-volume-mix-two-products")
    before, after, expected = case["inputs"]["baseline"], case["inputs"]["actual"], case["expected"]
    given = [
        {
            "comparison": "day_before",
            "key_id": name,
            "provider": "shop",
            "service_name": "goods",
            "meter": name,
            "usage_unit": "units",
            "currency": "USD",
            "quantity_before": before[name]["units"],
            "quantity_after": after[name]["units"],
            "used_before": before[name]["units"] * Decimal(before[name]["price"]),
            "used_after": after[name]["units"] * Decimal(after[name]["price"]),
            "fee": 0,
            "restatement": 0,
            "share_before": 1,
            "share_after": 1,
            "month_ratio": 1,
            "compared_date": DAY - timedelta(days=1),
            "usage_date": DAY,
        }
        for name in before
    ]
    # To the cent of a cent that the example gives: the rest of a third is in the last digits.
    expect = [
        {
            "key_id": name,
            "cost_change": expected["total"][name],
            "price": expected["price"][name],
            "volume": in_thirds(expected["volume"][name]),
            "mix": in_thirds(expected["mix"][name]),
        }
        for name in before
    ]
    asked = Example(given={"intermediate.int_costs_compared": given}, expect=expect)
    changes = model("intermediate.int_cost_changes_decomposed")
    assert run_example(changes, asked, shipped_models()) == []


def in_thirds(four_digits: str) -> Decimal:
    """Return the ninth part that four digits stand for, with the six digits that effects are told in."""
    exact = Decimal(round(Decimal(four_digits) * 9)) / 9
    assert abs(exact - Decimal(four_digits)) <= Decimal("0.0001")
    return round(exact, 6)


def test_the_modified_z_score_of_a_cost() -> None:
    case = example("modified-z-score-cost")
    inputs, expected = case["inputs"], case["expected"]
    for latest, score, is_outlier in zip(
        inputs["latest"], expected["z"], expected["is_outlier"], strict=True
    ):
        found = anomalies(latest, inputs["history"])
        assert bool(found) == is_outlier, latest
        for expected_cost, z_score in found:
            assert expected_cost == Decimal(expected["median"]) * 100
            assert abs(z_score - float(score)) <= float(case["tolerance_abs"])


def anomalies(latest: int, history: list[int]) -> list[tuple[Decimal, float]]:
    """Return what is found of a day, in hundreds of dollars: the least amount must not decide."""
    days = [DAY - timedelta(weeks=ago) for ago in range(len(history) + 1)]
    key = {"key_id": "a", "provider": "p", "service_name": "s", "meter": "m", "currency": "USD", "team": ""}
    costs = [
        {**key, "bucket": "", "used_cost": cost * 100, "usage_date": day}
        for day, cost in zip(days, [latest, *history], strict=True)
    ]
    past = [{"currency": "USD", "usage_date": DAY, "past_date": day} for day in days[1:]]
    given = {
        "intermediate.int_costs_keyed_daily": costs,
        "intermediate.int_weekdays_compared": past,
        "intermediate.int_days_arrived": [],
    }
    with closing(duckdb.connect()) as connection:
        connection.execute("create schema intermediate")
        set_as_of(connection, DAY)
        for table, rows in given.items():
            columns = [(name, one.type) for name, one in model(table).description.columns.items()]
            filled = [[row.get(name) for name, _ in columns] for row in rows]
            fill_table(connection, table, tuple(columns), filled)
        found = model("intermediate.int_cost_anomalies_found").sql
        return connection.execute(f"select expected_cost, z_score from ({found})").fetchall()


def test_a_month_is_forecast_as_a_budget_alert_does() -> None:
    case = example("linear-budget-forecast-oci")
    inputs = case["inputs"]
    spent, days = Decimal(inputs["actual_spend"]), inputs["days_in_period"]
    assert forecast(spent, inputs["days_processed"], days) == Decimal(case["expected"]["forecast_spend"])
    assert forecast(spent, inputs["minimum_days"] - 1, days) is None
    assert forecast(spent, inputs["minimum_days"], days) is not None
