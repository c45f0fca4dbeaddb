"""Numbers that others have published about bills, commitments and shared costs, reproduced by the models."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from pipelines.domain.teams import AccountOwner, SharedCost, SharedMatch, Split, Teams

SAMPLES = Path(os.environ.get("MORAINE_SAMPLES", Path(__file__).parents[2] / ".." / "shared" / "samples"))
EXAMPLES = SAMPLES.parent / "worked-examples"
SHOWBACK = ("marts.costs_daily", "marts.showback_monthly")

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no worked examples at {EXAMPLES}")


class Build(Protocol):
    def __call__(
        self,
        rows: Mapping[str, Sequence[Mapping[str, object]] | str],
        marts: Sequence[str],
        *,
        as_of: date,
        teams: Teams | None = None,
    ) -> duckdb.DuckDBPyConnection: ...


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def charge(billed: object, effective: object, **more: object) -> dict[str, object]:
    return {
        "ProviderName": "Any",
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "BilledCost": billed,
        "EffectiveCost": effective,
        "ChargePeriodStart": datetime(2026, 1, 1),
        **more,
    }


def number(found: duckdb.DuckDBPyConnection) -> Decimal:
    return Decimal(found.fetchall()[0][0])


def test_an_upfront_reservation_costs_the_same_on_every_day(build: Build) -> None:
    case = example("aws-ri-all-upfront-365")
    upfront, days = case["inputs"]["upfront_usd"], int(case["inputs"]["term_days"])
    line = {"reservation_reservation_a_r_n": "arn", "line_item_currency_code": "USD"}
    # AWS itself writes what a covered hour bears of the fee; it must not be counted beside the fee.
    covered = [
        {
            **line,
            "line_item_line_item_type": "DiscountedUsage",
            "line_item_unblended_cost": 0,
            "reservation_effective_cost": Decimal(upfront) / days,
            "line_item_usage_start_date": datetime(2026, 1, 1) + timedelta(days=day),
        }
        for day in range(days)
    ]
    fee = {
        **line,
        "line_item_line_item_type": "Fee",
        "line_item_unblended_cost": upfront,
        "line_item_usage_start_date": datetime(2026, 1, 1),
    }
    marts = build({"aws_cur2": [fee, *covered]}, ("marts.costs_daily",), as_of=date(2026, 12, 31))
    by_day = marts.execute(
        "select sum(effective_cost), sum(billed_cost) from marts.costs_daily "
        "group by usage_date order by usage_date"
    ).fetchall()
    expected = case["expected"]
    assert {effective for effective, _ in by_day} == {Decimal(expected["effective_usd_per_day"])}
    assert by_day[0][1] == Decimal(expected["billed_usd_day_1"])
    assert {billed for _, billed in by_day[1:]} == {Decimal(expected["billed_usd_other_days"])}


def test_a_reservation_of_a_week_is_spread_and_what_is_not_used_stays_visible(build: Build) -> None:
    case = example("focus-7-day-full-upfront-reservation")["expected"]
    upfront = Decimal(example("focus-7-day-full-upfront-reservation")["inputs"]["upfront_usd"])
    full, two, one = (
        Decimal(case[key]) for key in ("effective_per_full_day", "effective_two_units", "effective_one_unit")
    )
    used = {"CommitmentDiscountId": "r", "CommitmentDiscountStatus": "Used"}
    days = [charge(0, full, **used, ChargePeriodStart=datetime(2026, 1, 1 + day)) for day in range(6)]
    rows = [
        # A bill that also writes the fee as an effective cost would count it twice.
        charge(upfront, upfront, ChargeCategory="Purchase", CommitmentDiscountId="r"),
        *days,
        charge(0, two, **used, ChargePeriodStart=datetime(2026, 1, 7)),
        charge(
            0,
            one,
            CommitmentDiscountId="r",
            CommitmentDiscountStatus="Unused",
            ChargePeriodStart=datetime(2026, 1, 7),
        ),
    ]
    marts = build({"focus": rows}, ("marts.costs_daily",), as_of=date(2026, 1, 31))
    totals = "select {} from marts.costs_daily"
    assert abs(number(marts.execute(totals.format("sum(effective_cost)"))) - upfront) <= Decimal("7e-8")
    assert number(marts.execute(totals.format("sum(billed_cost)"))) == upfront
    assert number(marts.execute(totals.format("sum(unused_commitment_cost)"))) == one
    by_day = marts.execute(
        "select sum(effective_cost) from marts.costs_daily group by usage_date order by usage_date"
    ).fetchall()
    assert all(abs(cost - full) <= Decimal("2e-8") for (cost,) in by_day)


@pytest.mark.parametrize("option", ["all_upfront", "no_upfront", "partial"])
def test_however_a_commitment_is_paid_it_costs_the_same(option: str, build: Build) -> None:
    case = example("focus-commitment-purchase-options")
    expected, hours = case["expected"], case["inputs"]["hours"]
    once = expected[option].get("one_time_billed", "0")
    hourly = expected[option].get("recurring_billed_per_hour", "0")
    commit = case["inputs"]["hourly_commit_usd"]
    bill = f"""
        select
            'Any' as ProviderName, 'USD' as BillingCurrency, 'c' as CommitmentDiscountId,
            category as ChargeCategory,
            timestamp '2023-01-01' + hour * interval 1 hour as ChargePeriodStart,
            case
                when category = 'Usage' then 0 when hour = 0 then {once} + {hourly} else {hourly}
            end as BilledCost,
            case when category = 'Usage' then {commit} else 0 end as EffectiveCost
        from range({hours}) as hours(hour) cross join (values ('Usage'), ('Purchase')) as rows(category)
    """
    marts = build({"focus": bill}, ("marts.costs_daily",), as_of=date(2023, 12, 31))
    totals = marts.execute(
        "select sum(effective_cost), sum(effective_cost) filter (where charge_category = 'Purchase'), "
        "sum(billed_cost) from marts.costs_daily"
    ).fetchall()
    assert totals == [(Decimal(expected["sum_effective_over_term"]), 0, Decimal("8760.00"))]


def test_the_unused_part_of_a_commitment_is_told(build: Build) -> None:
    case = example("focus-commitment-usage-75pct")
    rows = [
        charge(row["BilledCost"], row["EffectiveCost"], CommitmentDiscountId="c", **status(row))
        for row in case["inputs"]["rows"]
    ]
    marts = build({"focus": rows}, ("marts.costs_daily",), as_of=date(2026, 1, 31))
    effective, billed, unused = marts.execute(
        "select sum(effective_cost), sum(billed_cost), sum(unused_commitment_cost) from marts.costs_daily"
    ).fetchall()[0]
    expected = case["expected"]
    assert effective == Decimal(expected["sum_effective"])
    assert billed == Decimal(expected["sum_billed"])
    assert unused == Decimal(expected["unused_commitment_cost"])
    assert (effective - unused) / effective == Decimal(expected["utilization"])


def status(row: Mapping[str, str]) -> dict[str, object]:
    return {key: row[key] for key in ("ChargeCategory", "CommitmentDiscountStatus")}


def test_a_missing_price_saves_nothing_and_is_told(build: Build) -> None:
    case = example("finops-toolkit-savings-rows")
    rows = [
        charge(None, row["effective"], ListCost=row["list"], ResourceId=str(position))
        for position, row in enumerate(case["inputs"]["rows"])
    ]
    marts = build({"focus": rows}, ("marts.costs_daily",), as_of=date(2026, 1, 31))
    savings = marts.execute(
        "select list_cost - effective_cost from marts.costs_daily order by resource_id"
    ).fetchall()
    assert [saving for (saving,) in savings] == [Decimal(saving) for saving in case["expected"]["savings"]]


SPLITS: Mapping[str, tuple[Split, str]] = {
    "finops-shared-cost-even": ("even", "total_usd"),
    "finops-shared-cost-proportional": ("proportional", "total_usd"),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_shared_cost_is_divided_as_published(name: str, build: Build) -> None:
    case, (split, key) = example(name), SPLITS[name]
    shown = shared(build, case["inputs"]["direct_usd"], case["inputs"]["shared_usd"], split)
    assert shown == {**{team: Decimal(usd) for team, usd in case["expected"][key].items()}, "": 0}
    assert sum(shown.values()) == Decimal(case["expected"]["sum_usd"])


@pytest.mark.parametrize("split", ["proportional", "even"])
def test_a_fee_that_dwarfs_the_direct_costs_is_divided_in_full(split: Split, build: Build) -> None:
    case = example("finops-pizza-party-direct-vs-full")
    shown = shared(build, case["inputs"]["direct_usd"], case["inputs"]["venue_usd"], split)
    expected = {team: Decimal(usd) for team, usd in case["expected"][f"{split}_usd"].items()}
    assert shown == {**expected, "": 0}
    assert sum(shown.values()) == Decimal(case["expected"]["full_total_usd"])


def shared(build: Build, direct: Mapping[str, str], pot: str, split: Split) -> dict[str, Decimal]:
    """Return what each team is shown, where one service is shared."""
    teams = Teams(
        by_account=tuple(AccountOwner(account=team, team=team) for team in direct),
        shared=(SharedCost(match=SharedMatch(service="Support"), split=split),),
    )
    rows = [charge(usd, usd, SubAccountId=team, ServiceName="VM") for team, usd in direct.items()]
    rows.append(charge(pot, pot, SubAccountId="hub", ServiceName="Support"))
    marts = build({"focus": rows}, SHOWBACK, as_of=date(2026, 1, 31), teams=teams)
    shown = marts.execute("select team, effective_cost from marts.showback_monthly").fetchall()
    return dict(shown)
