"""What was cleaned up shows on the next bills, and `marts.savings` says so; what does not show, too."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from lifecycle import steps as lifecycle
from pipelines import cli, steps
from pipelines.demo import Company, make_company, running_endpoint, write_workspace
from pipelines.demo.charges import company_charges
from pipelines.demo.training import BUCKET
from tests.e2e.conftest import AS_OF, NOW, World, ask
from tests.e2e.later import company_later, deliver

pytestmark = pytest.mark.xdist_group("the-savings")

APPLIED_AT = NOW + timedelta(minutes=5)
DAYS = 2
"""Whole days that are billed after the day of the clean-up."""
LATER = AS_OF + timedelta(days=1 + DAYS)
MICRO = Decimal("0.000005")
ROUNDED_BY_OBJECT = Decimal("0.001")


@dataclass(frozen=True)
class Followed:
    """A plan that was applied, the company of its next bills, and what the mart says of it."""

    plan: lifecycle.PlanReport
    before: Company
    later: Company
    row: dict[str, Any]
    failed: list[str]
    """Checks of the last night that keep a bucket out of the next clean-up."""

    @property
    def bills_fell_usd(self) -> Decimal:
        """What storage costs less than if nothing had been done, by the company's own books."""
        return storage_usd(replace(self.before, as_of=LATER)) - storage_usd(self.later)


def storage_usd(company: Company) -> Decimal:
    """Return what the bucket's storage costs on the days that are followed."""
    first = company.as_of - timedelta(days=DAYS - 1)
    lines = (line for line in company_charges(company) if line.resource == BUCKET and line.day >= first)
    return sum((line.cost for line in lines if "TimedStorage" in line.meter.usage_type), Decimal(0))


def night(world: World, as_of: date, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `moraine run` as on the morning after that day."""
    morning = datetime.combine(as_of, NOW.time()) + timedelta(days=1)
    monkeypatch.setattr(cli, "_open", lambda config, _day: steps.open_run(config, as_of, morning))
    cli.run(world.config)


def clean_up(world: World) -> lifecycle.PlanReport:
    """Plan, approve, apply and verify, the morning after the first night."""
    run = replace(world.lifecycle_run, clock=lambda: APPLIED_AT)
    (policy,) = lifecycle.policies(run)
    plan = lifecycle.plan(run, Path(policy))
    lifecycle.approve(run, plan.id, "ada", "agreed")
    assert lifecycle.apply(run, plan.id).is_finished
    assert lifecycle.verify(run, plan.id).is_clean
    return plan


def followed(home: Path, monkeypatch: pytest.MonkeyPatch, *, has_versions: bool) -> Followed:
    """Go all the way: a night, a clean-up, and the night in which its bills are read."""
    company = make_company(AS_OF)
    with running_endpoint(company) as endpoint:
        world = World(company, write_workspace(home, endpoint.url, AS_OF), endpoint.url)
        if has_versions:
            client = boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1")
            client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        night(world, AS_OF, monkeypatch)
        plan = clean_up(world)
        later = company_later(world, APPLIED_AT, LATER)
        deliver(world, later)
        night(world, LATER, monkeypatch)
        (row,) = ask(world, "select * from marts.savings")
        failed = ask(world, "select check_id from marts.quality_results where excludes and not passed")
    assert (row["plan_id"], row["bucket"], row["days_followed"]) == (plan.id, BUCKET, DAYS)
    return Followed(plan, company, later, row, [check["check_id"] for check in failed])


def test_what_was_saved_is_what_the_bill_fell_by(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = followed(tmp_path, environment, has_versions=False)
    row, totals = found.row, found.plan.totals
    saved_usd = row["counterfactual_usd"] - row["actual_usd"]
    assert saved_usd == pytest.approx(found.bills_fell_usd, abs=MICRO)
    assert found.bills_fell_usd > 20
    assert row["clean_up_usd"] == totals.archive.one_off_usd > 0
    assert row["realised_usd"] == saved_usd - row["clean_up_usd"]
    assert (row["rate_basis"], row["is_confirmed"]) == ("bill", True)
    assert row["reading"] == "the bill fell with it"
    promised = totals.archive.saving_usd_month + totals.delete.saving_usd_month
    assert row["predicted_usd_month"] == pytest.approx(promised, abs=ROUNDED_BY_OBJECT)
    assert row["predicted_usd"] == pytest.approx(row["realised_usd"], rel=Decimal("0.02"))
    assert row["size_bytes"] == totals.archive.size_bytes + totals.delete.size_bytes
    assert found.failed == [], "what was cleaned up explains itself"


def test_where_versions_stay_nothing_is_saved_and_it_says_so(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = followed(tmp_path, environment, has_versions=True)
    row = found.row
    assert row["object_count"] > 0
    assert found.bills_fell_usd <= 0
    assert row["counterfactual_usd"] > 10
    assert row["realised_usd"] <= 0
    assert row["reading"] == "nothing was saved: versions stay billed"
