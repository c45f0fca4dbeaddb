"""Each check passes on a true warehouse and fails when its one thing is broken."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Gates
from pipelines.domain.snapshots import CheckResult
from pipelines.errors import NotFound
from pipelines.gates import read_results, run_gates

# Great Expectations takes seconds to import: one worker is enough.
pytestmark = pytest.mark.xdist_group("gates")

Results = dict[tuple[str, str], CheckResult]
Run = Callable[..., Results]
Change = Callable[[str], None]


def failed(results: Results) -> set[tuple[str, str]]:
    return {key for key, result in results.items() if not result.passed}


def test_a_true_warehouse_passes_every_check(gates: Run) -> None:
    results = gates()

    assert failed(results) == set()
    assert {key: result.observed for key, result in results.items() if "skipped" in result.observed} == {
        ("uploads_are_fresh", ""): "skipped: no unfinished uploads are asked for",
        ("state_files_are_fresh", ""): "skipped: no small files of checkpoints are read",
        ("registry_is_fresh", ""): "skipped: no model registry configured",
        ("slow_bills_keep_coming", ""): "skipped: nothing there to check",
        # There are no four weeks of it.
        ("costs_are_like_the_weekday", ""): "skipped: nothing there to check",
        ("rows_are_like_the_weekday", ""): "skipped: nothing there to check",
        ("checkpoint_counts_are_steady", ""): "skipped: nothing was published before",
        ("columns_are_stable", ""): "skipped: nothing was published before",
    }
    assert ("residual_is_small", "train") in results
    assert ("prefix_costs_close", "train") in results
    assert ("inventory_is_fresh", "train") in results
    assert ("bill_is_fresh", "aws") in results


@dataclass(frozen=True)
class Break:
    """Statements that make one thing untrue, the checks that must see it, and what one of them says."""

    statements: str
    fails: set[tuple[str, str]]
    says: str


BREAKS = {
    "a raw row is lost": Break(
        statements="delete from raw.s3_inventory where rowid = 0;"
        "update raw.s3_inventory_directories set object_count = 1, size_bytes = 20",
        fails={("deliveries_are_whole", "")},
        says="s3_inventory: 1 of 2 rows",
    ),
    "a raw row that no delivery brought": Break(
        statements="insert into raw.focus (ServiceName, landed_file) "
        "values ('ghost', 'source=ghost/delivery=f0')",
        fails={("deliveries_are_whole", "")},
        says="focus: 1 of 0 rows",
    ),
    "a source of which nothing ever came": Break(
        statements="insert into reference.sources values ('gpus', 'focus', false)",
        fails={("sources_have_landed", "gpus")},
        says="0 (nothing was delivered; moraine ingest gpus)",
    ),
    "a source of which everything is damaged": Break(
        statements="insert into reference.sources values ('gpus', 'focus', false);"
        "insert into raw.deliveries values"
        "('gpus', 'focus', 'focus', 'f1', '2026-10', '2026-11-01', null, 0, 0, '', 'it is cut', 'Copy it.'),"
        "('gpus', 'focus', 'focus', 'f2', '2026-11', '2026-11-02', null, 0, 0, '', 'it has no cost', 'Add.')",
        fails={("sources_have_landed", "gpus")},
        says="0 (2 damaged; the newest: it has no cost; moraine ingest gpus)",
    ),
    "a delivery in quarantine": Break(
        statements="insert into marts.ingested_deliveries (source, table_name, delivery_id, status) values"
        "('bill', 'aws_cur2', 'b2', 'quarantined'), ('train', 's3_inventory', 'i0', 'superseded')",
        fails={("deliveries_are_sound", "bill")},
        says="1 (b2)",
    ),
    "an old inventory": Break(
        statements="update raw.deliveries set snapshot_at = '2026-11-17 23:59' where scope = 'train'",
        fails={("inventory_is_fresh", "train")},
        says="48.0167 h",
    ),
    "a bill that lacks the last day": Break(
        statements="delete from marts.costs_daily where usage_date = '2026-11-19';delete from "
        "intermediate.int_charges_summed_daily where usage_date = '2026-11-19';delete from "
        "marts.prefix_costs where usage_date = '2026-11-19'; delete from raw.bill_days where usage_date = "
        "'2026-11-19'",
        fails={("bill_is_fresh", "")},
        says="1 days (last day is 2026-11-18)",
    ),
    "a lost charge": Break(
        statements="delete from marts.costs_daily where usage_date = '2026-11-15' and service_code = "
        "'AmazonEC2'",
        fails={("costs_equal_the_bill", "")},
        says="on 2026-11-15",
    ),
    "the smallest difference there is": Break(
        statements="update intermediate.int_charges_summed_daily set billed_cost = billed_cost + "
        "0.000000000001 where usage_date = '2026-11-15' and billed_cost = 2",
        fails={("costs_equal_the_bill", ""), ("bill_equals_its_rollup", "")},
        says="0.000000000001 USD (on 2026-11-15)",
    ),
    "no costs": Break(
        statements="delete from marts.costs_daily; delete from intermediate.int_charges_summed_daily; delete "
        "from marts.prefix_costs",
        fails={
            ("bill_equals_its_rollup", ""),
            ("costs_daily_is_not_empty", ""),
            ("prefix_costs_name_billed_buckets", ""),
        },
        says="0",
    ),
    "a team that is shown too much": Break(
        statements="update marts.showback_monthly set effective_cost = 21.000000000001 where team = 'nlp'",
        fails={("showback_adds_up", "")},
        says="0.000000000001 (in 2026-11 USD)",
    ),
    "two currencies": Break(
        statements="update marts.costs_daily set currency = 'EUR' where service_code = 'AmazonEC2'",
        fails={("costs_have_one_currency", "")},
        says="2 (EUR, USD)",
    ),
    "prefixes that do not close": Break(
        statements="update marts.prefix_costs set effective_cost = effective_cost - 0.000000000001 where "
        "usage_date = '2026-11-14' and not is_residual",
        fails={("prefix_costs_close", "train")},
        says="0.000000000001 USD (on 2026-11-14)",
    ),
    "runs that do not close": Break(
        statements="update marts.run_costs set effective_cost = effective_cost - 0.000000000001 "
        "where is_residual",
        fails={("run_costs_close", "train")},
        says="0.000000000001 USD (storage STANDARD)",
    ),
    "prefixes without a bill": Break(
        statements="insert into marts.prefix_costs by name select date '2026-11-19' as usage_date, "
        "'ghost' as bucket, 'request' as meter_group, 1 as effective_cost",
        fails={("prefix_costs_close", "ghost")},
        says="1 USD (on 2026-11-19)",
    ),
    "a large residual": Break(
        statements="update marts.prefix_costs set effective_cost = case when is_residual then 0.03 else 0.97"
        " end",
        fails={("residual_is_small", "train")},
        says="3% ($0.21 of $7.00 in 7 days)",
    ),
    "a residual below zero": Break(
        statements="update marts.prefix_costs set effective_cost = case when is_residual then -0.5 else 1.5 "
        "end",
        fails={("residual_is_small", "train")},
        says="50% ($3.50 of $7.00 in 7 days)",
    ),
    "residuals that cancel between classes": Break(
        statements="insert into marts.prefix_costs by name select 'train' as bucket, 'aws' as provider,"
        "'storage' as meter_group, true as is_residual, class as storage_class, cost as effective_cost,"
        "date '2026-11-19' as usage_date "
        "from (values ('GLACIER', 0.5), ('GLACIER_IR', -0.5)) as classes(class, cost)",
        fails={("residual_is_small", "train")},
        says="($1.07 of $7.00 in 7 days)",
    ),
    "an unknown transfer": Break(
        statements="update marts.egress_daily set effective_cost = 2, resource_id = 'nat-9' where path = "
        "'unclassified_transfer'",
        fails={("transfers_are_classified", "")},
        says="(nat-9)",
    ),
    "a change that its effects do not add up to": Break(
        statements="insert into marts.cost_changes by name select date '2026-11-19' as usage_date, "
        "date '2026-11-18' as compared_date, 'day_before' as comparison, 'price' as effect, 0.01 as amount",
        fails={("cost_changes_close", "")},
        says="0.01 USD (2026-11-19 day_before)",
    ),
    "costs without a team": Break(
        statements="update marts.costs_daily set team = '' where service_code = 'AmazonEC2';"
        "update marts.showback_monthly set effective_cost = 7 where team = 'nlp';"
        "update marts.showback_monthly set effective_cost = 14, unallocated_effective_cost = 14 "
        "where team = ''",
        fails={("costs_have_owners", "")},
        says="66.67% (Amazon EC2)",
    ),
    "no checkpoints although objects are listed": Break(
        statements="delete from marts.checkpoints; delete from marts.checkpoint_objects; delete from "
        "marts.checkpoint_waste",
        fails={("checkpoints_are_found", "")},
        says="0",
    ),
    "no deliveries in the mart": Break(
        statements="delete from marts.ingested_deliveries",
        fails={("ingested_deliveries_is_not_empty", "")},
        says="0",
    ),
    "a checkpoint that stands twice": Break(
        statements="insert into marts.checkpoints from marts.checkpoints",
        fails={("checkpoints_keys_are_unique", "")},
        says="1 (s3://train/runs/a/checkpoint-1)",
    ),
    "a checkpoint that lost an object": Break(
        statements="delete from marts.checkpoint_objects where size_bytes = 10",
        fails={("checkpoints_equal_their_objects", "")},
        says="1 (s3://train/runs/a/checkpoint-1)",
    ),
    "objects of no checkpoint": Break(
        statements="insert into marts.checkpoint_objects (checkpoint_id) values ('s3://train/ghost')",
        fails={("objects_belong_to_checkpoints", "")},
        says="1 (s3://train/ghost)",
    ),
    "a storage row that stands twice": Break(
        statements="insert into marts.storage_daily from marts.storage_daily where usage_date = '2026-11-15'",
        fails={("storage_daily_keys_are_unique", "")},
        says="1 (2026-11-15 | aws",
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_warehouse_fails_the_check_that_is_about_it(case: str, gates: Run, change: Change) -> None:
    broken = BREAKS[case]
    change(broken.statements)

    results = gates()

    assert failed(results) == broken.fails
    assert any(broken.says in results[key].observed for key in broken.fails)


def test_a_bill_that_stopped_blocks_even_while_another_provider_is_billed(gates: Run, change: Change) -> None:
    change(
        "insert into marts.costs_daily select * replace ('gpus' as provider) from marts.costs_daily "
        "where service_code = 'AmazonEC2';"
        "update marts.costs_daily set usage_date = usage_date - 4 where provider = 'aws'"
    )

    results = gates()

    assert results["bill_is_fresh", ""].passed
    assert results["bill_is_fresh", "gpus"].passed
    assert not results["bill_is_fresh", "aws"].passed
    assert results["bill_is_fresh", "aws"].level == "block"
    assert results["bill_is_fresh", "aws"].observed == "4 days (last day is 2026-11-15)"


def test_a_provider_that_is_not_used_every_day_does_not_block(gates: Run, change: Change) -> None:
    change(
        "insert into marts.costs_daily select * replace ('gpus' as provider, usage_date - 10 as usage_date) "
        "from marts.costs_daily where service_code = 'AmazonEC2' and usage_date <> '2026-11-16'"
    )

    assert ("bill_is_fresh", "gpus") not in gates()


def test_a_stale_bill_blocks(gates: Run) -> None:
    results = gates(as_of=date(2026, 11, 23))

    assert not results["bill_is_fresh", ""].passed
    assert results["bill_is_fresh", ""].observed == "4 days (last day is 2026-11-19)"


def test_charges_of_the_future_do_not_hide_a_bill_that_stopped(gates: Run, change: Change) -> None:
    change(
        "insert into marts.costs_daily "
        "select * replace (date '2027-01-01' as usage_date) from marts.costs_daily"
    )

    assert not gates(as_of=date(2026, 11, 23))["bill_is_fresh", ""].passed


def test_limits_come_from_the_settings(gates: Run) -> None:
    strict = Gates(max_inventory_age=timedelta(hours=22), max_residual_share=Decimal("0.001"))

    results = gates(strict)

    assert failed(results) == {("inventory_is_fresh", "train"), ("residual_is_small", "train")}
    assert results["inventory_is_fresh", "train"].observed.startswith("23 h (")
    assert results["inventory_is_fresh", "train"].expected == "at most 22h old at the end of the day"


def test_a_residual_of_less_than_a_cent_is_rounding(gates: Run, change: Change) -> None:
    change(
        "update marts.prefix_costs set effective_cost = effective_cost / 1000;"
        "update marts.prefix_costs set effective_cost = effective_cost * 5 where is_residual"
    )

    assert gates()["residual_is_small", "train"].passed


HALF_A_DAY_IS_RESIDUAL = """
update marts.prefix_costs set effective_cost = 0.5, byte_seconds = 50.0 * 86400 * 1073741824
where usage_date = '2026-11-15'
"""


def cleaned_up(gib: int, bucket: str = "train", day: str = "2026-11-15") -> str:
    return f"""
    insert into raw.clean_ups by name
        select 'p' as plan_id, 'aws' as provider, '{bucket}' as bucket, 'STANDARD' as storage_class,
        {gib}::bigint * 1073741824 as size_bytes, 0 as undone_bytes, date '{day}' as began_date,
        date '{day}' as ended_date
    """


@pytest.mark.parametrize("gib", [49, 60])
def test_what_was_cleaned_up_on_a_day_explains_its_residual(gates: Run, change: Change, gib: int) -> None:
    change(f"{HALF_A_DAY_IS_RESIDUAL}; {cleaned_up(gib)}")

    assert gates()["residual_is_small", "train"].passed


@pytest.mark.parametrize(
    "what", [cleaned_up(0), cleaned_up(30), cleaned_up(60, "data"), cleaned_up(60, day="2026-11-16")]
)
def test_a_clean_up_explains_no_more_than_its_bytes_in_its_bucket_on_its_day(
    gates: Run, change: Change, what: str
) -> None:
    change(f"{HALF_A_DAY_IS_RESIDUAL}; {what}")

    assert not gates()["residual_is_small", "train"].passed


def test_without_a_bill_its_checks_are_skipped_and_say_so(gates: Run, change: Change) -> None:
    change(
        "delete from raw.deliveries where table_name = 'aws_cur2'; delete from raw.aws_cur2;"
        "delete from marts.costs_daily; delete from intermediate.int_charges_summed_daily;"
        "delete from marts.prefix_costs"
    )

    results = gates()

    assert failed(results) == set()
    assert results["costs_equal_the_bill", ""].observed == "skipped: no bill configured"
    assert results["costs_daily_is_not_empty", ""].observed == "skipped: no bill configured"
    assert results["inventory_is_fresh", "train"].observed.startswith("23 h (")


def test_without_an_inventory_or_teams_their_checks_are_skipped(gates: Run, change: Change) -> None:
    change(
        "delete from raw.deliveries where table_name = 's3_inventory'; delete from raw.s3_inventory;"
        "delete from reference.team_prefixes; delete from marts.checkpoints"
    )

    results = gates()

    assert failed(results) == set()
    assert results["inventory_is_fresh", ""].observed == "skipped: no inventory configured"
    assert results["checkpoints_are_found", ""].observed == "skipped: no objects are listed"
    assert results["costs_have_owners", ""].observed == "skipped: no teams configured"
    assert results["residual_is_small", ""].observed == "skipped: nothing there to check"


def test_what_is_damaged_is_no_delivery_that_counts(gates: Run, change: Change) -> None:
    change(
        "delete from raw.s3_inventory where bucket = 'train';"
        "update raw.deliveries set fault = 'it is cut', row_count = 0 where source = 'train';"
        "update reference.sources set has_landed = false where source = 'train';"
    )

    results = gates()

    assert failed(results) == {("sources_have_landed", "train")}
    assert results["inventory_is_fresh", ""].observed == "skipped: no inventory configured"
    assert results["deliveries_are_whole", ""].passed


def test_what_blocks_is_a_source_that_is_missing_and_not_one_that_is_damaged(
    gates: Run, change: Change
) -> None:
    change(
        "insert into reference.sources values ('gpus', 'focus', false);"
        "update marts.ingested_deliveries set status = 'quarantined' where source = 'bill'"
    )

    results = gates()

    assert results["sources_have_landed", "gpus"].level == "block"
    assert results["deliveries_are_sound", "bill"].level == "warn"


def test_a_lake_without_any_delivery_is_not_true(gates: Run, change: Change) -> None:
    change("delete from raw.deliveries")

    assert gates()["deliveries_are_whole", ""].observed.startswith("no value")
    assert not gates()["deliveries_are_whole", ""].passed


def test_a_metric_that_fails_is_a_check_that_failed(gates: Run, change: Change) -> None:
    change("drop table marts.checkpoints; drop table raw.deliveries")

    results = gates()

    assert {"checkpoints_are_found", "checkpoints_keys_are_unique", "deliveries_are_whole"} <= {
        check for check, _ in failed(results)
    }
    assert "does not exist" in results["checkpoints_keys_are_unique", ""].observed


def test_results_are_kept_in_the_warehouse_with_comments(warehouse: Path, gates: Run) -> None:
    results = gates()

    assert read_results(warehouse) == list(results.values())
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        missing = connection.execute(
            "select column_name from duckdb_columns() "
            "where table_name = 'quality_results' and comment is null"
        ).fetchall()
        described = connection.execute(
            "select comment from duckdb_tables() where table_name = 'quality_results'"
        ).fetchall()
    assert missing == []
    assert described[0][0].startswith("One row per check and scope")


def test_checking_again_replaces_the_results(warehouse: Path, gates: Run, change: Change) -> None:
    gates()
    change("delete from marts.checkpoints")

    again = gates()

    assert read_results(warehouse) == list(again.values())
    assert [result for result in read_results(warehouse) if not result.passed]


def test_a_build_that_was_not_checked_has_no_results(warehouse: Path) -> None:
    assert read_results(warehouse) == []


def test_a_warehouse_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"

    with pytest.raises(NotFound, match="moraine build"):
        run_gates(path, Gates(), date(2026, 11, 19))

    assert not path.exists()


def test_checking_keeps_the_old_file_format(warehouse: Path, gates: Run) -> None:
    before = warehouse.read_bytes()[12:20]

    gates()

    assert warehouse.read_bytes()[12:20] == before


def test_hostile_bucket_names_are_only_text(gates: Run, change: Change) -> None:
    change("update raw.deliveries set scope = '''; drop table marts.checkpoints; --' where scope = 'train'")

    assert gates()["inventory_is_fresh", "'; drop table marts.checkpoints; --"].passed
    assert gates()["checkpoints_are_found", ""].passed


def test_checking_prints_nothing(gates: Run, capfd: pytest.CaptureFixture[str]) -> None:
    gates()

    assert capfd.readouterr() == ("", "")
