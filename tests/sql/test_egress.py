"""Egress from bills that leave things out: nothing is guessed, and nothing disappears."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import duckdb
import pytest


class Build(Protocol):
    def __call__(
        self, rows: Mapping[str, object], marts: Sequence[str], *, as_of: date
    ) -> duckdb.DuckDBPyConnection: ...


MARTS = ("marts.egress_daily", "marts.egress_findings")
LAST = date(2026, 2, 10)


def cur_line(day: date, **more: object) -> dict[str, object]:
    return {
        "bill_payer_account_id": "1",
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "USE1-USW2-AWS-Out-Bytes",
        "line_item_operation": "GetObject",
        "line_item_currency_code": "USD",
        "line_item_usage_start_date": datetime.combine(day, datetime.min.time()),
        "line_item_usage_amount": 100.0,
        "line_item_unblended_cost": 2.0,
        "pricing_unit": "GB",
        **more,
    }


def test_a_focus_bill_that_names_no_meters_shows_its_network_cost_as_unclassified(build: Build) -> None:
    charge = {
        "ProviderName": "AWS",
        "ChargeCategory": "Usage",
        "ServiceName": "Amazon Elastic Compute Cloud",
        "ServiceCategory": "Networking",
        "SkuId": "HB5V2X8TXQUTDZBV",
        "ResourceId": "i-1",
        "BillingCurrency": "USD",
        "BilledCost": 9,
        "EffectiveCost": 9,
        "ListCost": 9,
        "ChargePeriodStart": datetime(2026, 2, 9),
    }
    marts = build({"focus": [charge]}, MARTS, as_of=LAST)
    found = marts.execute(
        "select kind, resource_id, gross_usd, avoidable_usd_month from marts.egress_findings"
    ).fetchall()
    assert found == [("unclassified_transfer", "i-1", Decimal(9), Decimal(0))]


def test_days_that_are_missing_are_no_days_without_cost(build: Build) -> None:
    days = [LAST - timedelta(days=back) for back in (0, 1, 2, 5, 9)]
    marts = build({"aws_cur2": [cur_line(day) for day in days]}, MARTS, as_of=LAST)
    month = marts.execute(
        "select basis_days, gross_usd, gross_usd_month, gb_month from marts.egress_findings"
    )
    assert month.fetchall() == [(4, Decimal(8), Decimal(60), Decimal(3000))]


def test_a_bill_without_resources_has_findings_without_a_saving(build: Build) -> None:
    marts = build({"aws_cur2": [cur_line(LAST, line_item_resource_id="")]}, MARTS, as_of=LAST)
    found = marts.execute(
        "select kind, resource_id, gross_usd, avoidable_usd_month, confidence from marts.egress_findings"
    ).fetchall()
    assert found == [("cross_region_reads", "", Decimal(2), Decimal(0), "low")]


def test_another_currency_is_egress_and_no_finding(build: Build) -> None:
    lines = [cur_line(LAST, line_item_currency_code=currency) for currency in ("EUR", "USD")]
    marts = build({"aws_cur2": lines}, MARTS, as_of=LAST)
    daily = marts.execute("select currency, effective_cost from marts.egress_daily order by all").fetchall()
    assert daily == [("EUR", Decimal(2)), ("USD", Decimal(2))]
    assert marts.execute("select gross_usd from marts.egress_findings").fetchall() == [(Decimal(2),)]


def test_a_finding_keeps_its_id_from_night_to_night(build: Build) -> None:
    ids = set()
    for days in (1, 8):
        lines = [cur_line(LAST - timedelta(days=back), line_item_resource_id="b") for back in range(days)]
        marts = build({"aws_cur2": lines}, MARTS, as_of=LAST)
        ids.add(marts.execute("select finding_id from marts.egress_findings").fetchall()[0])
    assert len(ids) == 1


@pytest.mark.parametrize("credit", [2.0, 3.0])
def test_what_a_credit_has_paid_is_not_found_again(build: Build, credit: float) -> None:
    waived = cur_line(LAST, line_item_line_item_type="Credit", line_item_unblended_cost=-credit)
    marts = build({"aws_cur2": [cur_line(LAST), waived]}, MARTS, as_of=LAST)
    assert marts.execute("select * from marts.egress_findings").fetchall() == []
