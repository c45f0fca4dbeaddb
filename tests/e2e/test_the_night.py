"""The company's night: the numbers close, and what was planted is found."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines import steps
from pipelines.demo.charges import company_charges
from pipelines.warehouse.tables_page import QUERIES, read_queries
from tests.e2e.conftest import AS_OF, World, ask

pytestmark = pytest.mark.xdist_group("the-company")

READY = read_queries(Path(__file__).parents[2] / "docs" / QUERIES)


def test_prefix_costs_and_residuals_are_the_s3_bill_of_every_bucket_and_day(night: World) -> None:
    rows = ask(
        night,
        """
        with bill as (
            select
                usage_date,
                regexp_replace(resource_id, '^arn:aws:s3:::', '') as bucket,
                sum(effective_cost) as billed
            from marts.costs_daily
            where service_code = 'AmazonS3' and resource_id <> ''
            group by all
        ),
        spread as (
            select usage_date, bucket, sum(effective_cost) as spread, bool_or(is_residual) as has_residual
            from marts.prefix_costs
            group by all
        )
        select * from bill full outer join spread using (usage_date, bucket)
        """,
    )
    assert len(rows) == 3 * len(night.company.days)
    assert all(row["billed"] == row["spread"] for row in rows)
    assert all(row["has_residual"] for row in rows)


def test_no_dollar_of_the_bill_is_lost(night: World) -> None:
    (row,) = ask(
        night,
        """
        select
            (select sum(effective_cost) from marts.costs_daily) as priced,
            (
                select sum(cost) from (
                    select sum(line_item_unblended_cost::decimal(38, 10)) as cost from cur
                    union all
                    select sum("EffectiveCost") as cost from focus
                )
            ) as billed
        """.replace("from cur", _landed(night, "aws_cur2")).replace("from focus", _landed(night, "focus")),
    )
    assert row["priced"] == row["billed"] > 0


def test_the_ready_queries_of_the_docs_answer_for_the_company(night: World) -> None:
    answers = {name: ask(night, query) for name, query in READY.items()}

    # Nothing was cleared before the company's first night.
    assert [name for name, rows in answers.items() if not rows] == ["11_what_clean_up_saved.sql"]


def test_the_planted_jump_is_explained_to_the_last_digit_and_is_unusual(night: World) -> None:
    team, days = night.company.expectations.jump_team, (AS_OF - timedelta(days=7), AS_OF)
    before, after = (
        sum(
            charge.cost
            for charge in company_charges(night.company)
            if (charge.day, charge.team, charge.meter.usage_type) == (day, team, "USE1-USW2-AWS-Out-Bytes")
        )
        for day in days
    )
    (changed,) = ask(
        night,
        f"""
        select sum(amount) as amount, max_by(effect, abs(amount)) as effect from marts.cost_changes
        where
            usage_date = date '{AS_OF}' and comparison = 'same_weekday' and team = '{team}'
            and meter = 'USE1-USW2-AWS-Out-Bytes' and bucket = 'acme-datasets'
        """,
    )
    unusual = ask(night, f"select * from marts.cost_anomalies where usage_date = date '{AS_OF}'")

    assert Decimal(str(changed["amount"])) == after - before > 0
    assert changed["effect"] == "volume"
    assert {(row["scope"], row["scope_name"]) for row in unusual} >= {("total", ""), ("team", team)}
    assert {row["contributor_1_team"] for row in unusual} == {team}


def test_the_planted_jump_is_visible_in_one_query(night: World) -> None:
    jump = night.company.expectations
    rows = ask(
        night,
        f"""
        select usage_date >= date '{jump.jump_day}' as is_after, median(cost) as cost from (
            select usage_date, sum(effective_cost) as cost from marts.egress_daily
            where path = 'inter_region_out' and team = '{jump.jump_team}' group by all
        ) group by all order by is_after
        """,
    )
    before, after = (Decimal(str(row["cost"])) for row in rows)
    assert after > Decimal("2.5") * before


def test_misused_nat_and_reads_from_another_region_are_found_with_the_dollars_of_the_bill(
    night: World,
) -> None:
    found = ask(
        night,
        """
        select kind, resource_id, gross_usd, gross_usd_month, avoidable_usd_month, first_date, last_date
        from marts.egress_findings
        where kind in ('same_region_through_nat', 'cross_region_reads')
        """,
    )
    assert {row["kind"] for row in found} == {"same_region_through_nat", "cross_region_reads"}
    meters = {"same_region_through_nat": "NatGateway-Bytes", "cross_region_reads": "USE1-USW2-AWS-Out-Bytes"}
    for row in found:
        (bill,) = ask(
            night,
            f"""
            select sum(line_item_unblended_cost::decimal(38, 10)) as usd {_landed(night, "aws_cur2")}
            where
                line_item_usage_type = '{meters[row["kind"]]}'
                and line_item_usage_start_date::date between date '{row["first_date"]}'
                and date '{row["last_date"]}'
            """,
        )
        assert row["gross_usd"] == bill["usd"] > 0
        assert 0 < row["avoidable_usd_month"] <= row["gross_usd_month"]


def test_what_no_listing_shows_is_priced(night: World) -> None:
    rows = ask(night, "select bucket, kind, object_count, cost_usd_month from marts.hidden_bytes")
    kinds = {row["kind"]: row for row in rows}
    assert kinds["multipart"]["object_count"] == len(night.company.uploads)
    assert kinds["noncurrent"]["cost_usd_month"] > 0


def test_checkpoints_are_recognised_with_what_protects_them(night: World) -> None:
    expected = night.company.expectations
    rows = ask(night, "select * from marts.checkpoints")
    by_uri = {row["checkpoint_uri"].rstrip("/"): row for row in rows}
    assert by_uri[expected.served]["is_protected"]
    assert "models:/" in by_uri[expected.served]["protected_because"]
    for uri in expected.best:
        assert by_uri[uri]["is_best"]
        assert not by_uri[uri]["is_latest"]
    assert by_uri[expected.interrupted]["state"] == "incomplete"
    assert all(not by_uri[uri]["is_protected"] for uri in expected.stale)
    members = {
        row["uri"]
        for row in ask(
            night, "select 's3://' || bucket || '/' || object_key as uri from marts.checkpoint_objects"
        )
    }
    assert not members & set(expected.lookalikes)


def test_every_delivery_and_every_check_is_on_record(night: World) -> None:
    deliveries = ask(night, "select source, row_count from marts.ingested_deliveries")
    assert {row["source"] for row in deliveries} == set(steps.source_names(night.run))
    checks = ask(night, "select * from marts.quality_results where not passed")
    assert checks == []


def test_the_same_night_again_changes_nothing(night: World) -> None:
    with steps.published(night.run) as (before, _):
        pass
    again = [steps.ingest(night.run, source) for source in ("aws-bill", "gpu-bill", "train", "datasets")]
    assert all(report.landed == 0 for report in again)
    steps.build(night.run)
    steps.check(night.run)
    after = steps.publish(night.run)
    assert after.snapshot_id == before.snapshot_id
    assert after.as_of == AS_OF


def _landed(world: World, table: str) -> str:
    files = sorted(str(path) for path in (world.config.parent / "lake" / "raw" / table).rglob("*.parquet"))
    return f"from read_parquet({files})"
