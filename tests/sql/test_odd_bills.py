"""Bills as they really are: each oddity has one outcome, and what teams are shown is still the bill."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import duckdb
import pytest

from pipelines.domain.teams import AccountOwner, PrefixOwner, SharedCost, SharedMatch, Teams

TEAMS = Teams(
    by_tag="Team",
    by_prefix=(
        PrefixOwner(match="s3://train/", team="NLP"),
        PrefixOwner(match="s3://mixed/runs/", team="NLP"),
    ),
    by_account=(AccountOwner(account="0123", team="ops"),),
    shared=(SharedCost(match=SharedMatch(category="Tax"), split="proportional"),),
)


class Build(Protocol):
    def __call__(
        self,
        rows: Mapping[str, Sequence[Mapping[str, object]]],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
    ) -> duckdb.DuckDBPyConnection: ...


def line(cost: object, **more: object) -> dict[str, object]:
    return {
        "bill_payer_account_id": "payer",
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "TimedStorage-ByteHrs",
        "line_item_currency_code": "USD",
        "line_item_usage_amount": 1,
        "line_item_unblended_cost": cost,
        "pricing_public_on_demand_cost": cost,
        "line_item_usage_start_date": datetime(2026, 2, 5),
        "bill_billing_period_start_date": datetime(2026, 2, 1),
        **more,
    }


LINES = {
    "a bucket with an owner": line(4, line_item_resource_id="train"),
    "usage that is taken back": line(-1, line_item_resource_id="train", line_item_usage_amount=-2),
    "a bucket of somebody else, read at our cost": line(
        2, line_item_resource_id="strangers", line_item_usage_type="DataTransfer-Out-Bytes"
    ),
    "no resource, an account that is known": line(3, line_item_usage_account_id="0123"),
    "no resource, an account that joined": line(5, line_item_usage_account_id="0999"),
    "free usage with a public price": line(0, pricing_public_on_demand_cost=7, line_item_resource_id="train"),
    "tags that differ in capitals": line(1, resource_tags='{"team": "nlp", "TEAM": "ops"}'),
    "another currency": line(100, line_item_currency_code="EUR", line_item_usage_account_id="0123"),
    "a day of a closed month": line(
        6, line_item_resource_id="train", line_item_usage_start_date=datetime(2026, 1, 31)
    ),
    "a refund of a closed month": line(
        -2,
        line_item_resource_id="train",
        line_item_line_item_type="Refund",
        line_item_usage_start_date=datetime(2026, 1, 30),
    ),
    "a tax for all": line(14, line_item_line_item_type="Tax", line_item_resource_id=""),
    "a pod on a machine that has its own line": line(
        50, line_item_operation="EKSPod-EC2", line_item_resource_id="pod"
    ),
    "half a bucket of a team": line(
        8, line_item_resource_id="mixed", line_item_usage_amount="0.071428571429", pricing_unit="GB-Mo"
    ),
}
# Half of the bucket's bytes lie below the prefix that has an owner.
LISTED = [
    {
        "bucket": "mixed",
        "directory": directory,
        "storage_class": "STANDARD",
        "is_current": True,
        "object_count": 1,
        "size_bytes": 2**30,
        "created_date": date(2025, 12, 1),
        "first_day_byte_seconds": 2**30 * 86_400,
        "snapshot_at": datetime(2026, 2, 6),
    }
    for directory in ("runs/", "other/")
]


@pytest.fixture(name="bill")
def _bill(build: Build) -> duckdb.DuckDBPyConnection:
    rows: Mapping[str, Sequence[Mapping[str, object]]] = {
        "aws_cur2": list(LINES.values()),
        "s3_inventory_directories": LISTED,
    }
    marts = ("marts.costs_daily", "marts.showback_monthly")
    return build(rows, marts, as_of=date(2026, 2, 28), teams=TEAMS)


def test_teams_are_shown_the_bill_whatever_is_odd_in_it(bill: duckdb.DuckDBPyConnection) -> None:
    shown = bill.execute(
        "select usage_month, currency, team, direct_billed_cost, shared_billed_cost, unallocated_billed_cost "
        "from marts.showback_monthly order by usage_month, currency, team"
    ).fetchall()
    january, february = date(2026, 1, 1), date(2026, 2, 1)
    # NLP: 4 - 1 + 1 + half of 8 = 8; ops: 3. The tax of 14 is shared 8 to 3.
    assert [(*row[:3], *map(Decimal, row[3:])) for row in shown] == [
        (january, "USD", "", 0, 0, 0),
        (january, "USD", "NLP", 4, 0, 0),
        (february, "EUR", "", 0, 0, 0),
        (february, "EUR", "ops", 100, 0, 0),
        (february, "USD", "", 0, 0, 11),
        (february, "USD", "NLP", 8, Decimal("10.181818181818"), 0),
        (february, "USD", "ops", 3, Decimal("3.818181818182"), 0),
    ]


def test_an_odd_line_keeps_its_day_its_class_and_its_owner(bill: duckdb.DuckDBPyConnection) -> None:
    found = bill.execute(
        "select billed_cost, usage_date, charge_class, team, allocation_method from marts.costs_daily "
        "where billed_cost in (-2, 2, 5, 6) or sub_account_id = '0999' order by billed_cost"
    ).fetchall()
    assert found == [
        (-2, date(2026, 1, 30), "Correction", "NLP", "prefix"),
        (2, date(2026, 2, 5), "", "", "none"),
        (5, date(2026, 2, 5), "", "", "none"),
        (6, date(2026, 1, 31), "", "NLP", "prefix"),
    ]


def test_free_usage_saves_nothing_and_a_pod_is_not_counted_twice(bill: duckdb.DuckDBPyConnection) -> None:
    listed, billed = bill.execute(
        "select sum(list_cost), sum(billed_cost) from marts.costs_daily where charge_category = 'Usage'"
    ).fetchall()[0]
    assert listed == billed
    assert bill.execute("select count(*) from marts.costs_daily where resource_id = 'pod'").fetchall() == [
        (0,)
    ]
