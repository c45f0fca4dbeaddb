"""What becomes of a check that fails: what it blocks, which bucket it leaves out, which rows it shows."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Gates
from pipelines.domain.snapshots import CheckResult
from pipelines.gates import read_results

# Great Expectations takes seconds to import: one worker is enough.
pytestmark = pytest.mark.xdist_group("gates")

Results = dict[tuple[str, str], CheckResult]
Run = Callable[..., Results]
Change = Callable[[str], None]

ANOTHER_BUCKET = (
    "insert into raw.deliveries select * replace ('data' as source, 'i2' as delivery_id, 'data' as scope, "
    "0 as row_count) from raw.deliveries where source = 'train';"
)
OLD = "update raw.deliveries set snapshot_at = '2026-11-10' where scope = '{}';"


def failed(results: Results) -> dict[tuple[str, str], str]:
    return {key: result.level for key, result in results.items() if not result.passed}


def test_one_bucket_whose_inventory_is_old_is_left_out_and_the_rest_is_published(
    gates: Run, change: Change
) -> None:
    change(ANOTHER_BUCKET + OLD.format("train"))

    results = gates()

    assert failed(results) == {("inventory_is_fresh", "train"): "warn"}
    assert results["inventory_is_fresh", "train"].excludes
    assert results["inventory_is_fresh", "data"].passed


def test_when_every_inventory_is_old_nothing_is_published(gates: Run, change: Change) -> None:
    change(ANOTHER_BUCKET + OLD.format("train") + OLD.format("data"))

    assert failed(gates()) == {
        ("inventory_is_fresh", "train"): "block",
        ("inventory_is_fresh", "data"): "block",
    }


@pytest.mark.parametrize(
    "days, level", [pytest.param(1, "warn", id="a day"), pytest.param(4, "block", id="four days")]
)
def test_a_bill_that_is_late_warns_and_one_that_stopped_blocks(
    days: int, level: str, gates: Run, change: Change
) -> None:
    change(
        f"delete from marts.costs_daily where usage_date > date '2026-11-19' - {days};"
        f"delete from marts.prefix_costs where usage_date > date '2026-11-19' - {days};"
        f"delete from intermediate.int_charges_summed_daily where usage_date > date '2026-11-19' - {days}"
    )

    assert gates()["bill_is_fresh", ""].level == level


def test_rows_that_are_wrong_are_kept_with_the_result(warehouse: Path, gates: Run, change: Change) -> None:
    change("insert into marts.checkpoints from marts.checkpoints")

    gates()

    (kept,) = (one for one in read_results(warehouse) if one.check_id == "checkpoints_keys_are_unique")
    assert kept.offenders == ({"checkpoint_id": "s3://train/runs/a/checkpoint-1", "times": "2"},)


def test_at_most_twenty_rows_are_shown_the_worst_first_and_long_ones_cut(gates: Run, change: Change) -> None:
    change(
        "insert into marts.checkpoints by name select 'c' || n as checkpoint_id, 'train' as bucket, "
        "'runs/a' as run, 'hf_trainer' as framework, 1 as object_count, 1 as size_bytes from range(30) r(n);"
        "insert into marts.checkpoint_waste by name "
        "select 'train' as bucket, repeat('x', 5000) as run, 'w' as framework"
    )

    results = gates()

    assert len(results["checkpoints_equal_their_objects", ""].offenders) == 20
    (row,) = results["waste_names_runs_of_checkpoints", ""].offenders
    assert len(row["run"]) == 301
    assert row["run"].endswith("…")


def test_only_rows_of_the_scope_that_failed_are_shown(gates: Run, change: Change) -> None:
    change(ANOTHER_BUCKET + OLD.format("train"))

    rows = gates()["inventory_is_fresh", "train"].offenders

    assert [row["delivery_id"] for row in rows] == ["i1"]


def test_a_table_that_is_missing_or_of_another_schema_fails_with_its_name(gates: Run, change: Change) -> None:
    change(
        "drop table marts.hidden_bytes; alter table marts.egress_daily rename column effective_cost to cost;"
        "drop table marts.checkpoint_objects"
    )

    results = gates()

    for check, table in {
        "hidden_bytes_has_its_values": "marts.hidden_bytes",
        "egress_daily_has_its_values": "marts.egress_daily",
        "checkpoints_equal_their_objects": "checkpoint_objects",
        "objects_belong_to_checkpoints": "marts.checkpoint_objects",
    }.items():
        assert not results[check, ""].passed
        assert results[check, ""].level == "block"
        assert table in results[check, ""].observed
        assert "cannot be checked" in results[check, ""].observed


def test_a_gate_about_buckets_that_raises_blocks(gates: Run, change: Change) -> None:
    change("drop table raw.s3_inventory_directories")

    result = gates()["inventory_equals_its_rollup", ""]

    assert (result.passed, result.level, result.excludes) == (False, "block", True)


def test_columns_that_are_lost_or_changed_since_the_last_snapshot_block_and_new_ones_do_not(
    gates: Run, change: Change, previous: Path
) -> None:
    change("alter table marts.hidden_bytes add column colour varchar")
    assert failed(gates(previous=previous)) == {}
    change("alter table marts.hidden_bytes drop column how_to_fix")

    result = gates(Gates(), previous=previous)["columns_are_stable", ""]

    assert (result.passed, result.level) == (False, "block")
    assert result.offenders == (
        {
            "table_name": "marts.hidden_bytes",
            "column_name": "how_to_fix",
            "was": "VARCHAR",
            "is_now": "not there",
        },
    )


def test_a_change_of_columns_that_is_allowed_only_warns(gates: Run, change: Change, previous: Path) -> None:
    change("alter table marts.hidden_bytes alter column kind type blob")

    result = gates(Gates(allow_schema_change=True), previous=previous)["columns_are_stable", ""]

    assert (result.passed, result.level) == (False, "warn")


def test_a_last_snapshot_that_cannot_be_read_is_a_check_that_failed(gates: Run, tmp_path: Path) -> None:
    torn = tmp_path / "torn.duckdb"
    torn.write_bytes(b"not a database" * 1000)

    results = gates(previous=torn)

    assert failed(results) == {
        ("columns_are_stable", ""): "block",
        ("checkpoint_counts_are_steady", ""): "warn",
    }
    assert "the last snapshot cannot be read" in results["columns_are_stable", ""].observed


def test_checkpoints_that_vanish_overnight_leave_their_bucket_out_and_never_block(
    gates: Run, previous: Path
) -> None:
    with duckdb.connect(str(previous)) as connection:
        connection.execute(
            "insert into marts.checkpoints by name select 'c' || n as checkpoint_id, 'train' as bucket "
            "from range(20) r(n)"
        )

    results = gates(previous=previous)

    assert failed(results) == {("checkpoint_counts_are_steady", "train"): "warn"}
    found = results["checkpoint_counts_are_steady", "train"]
    assert found.observed == "0.04762 times (21 before, 1 now)"
    assert found.excludes
    assert found.offenders[0]["what"] == "gone"


def test_of_a_handful_of_checkpoints_any_may_go(gates: Run, change: Change, previous: Path) -> None:
    change(
        "delete from marts.checkpoint_objects; delete from marts.checkpoints;"
        "delete from marts.checkpoint_waste"
    )

    assert "checkpoint_counts_are_steady" not in {check for check, _ in failed(gates(previous=previous))}


def test_a_lake_whose_files_have_other_names_here_is_compared_by_table(gates: Run, change: Change) -> None:
    change(
        "update raw.s3_inventory set landed_file = '/tmp/3f5a-part.parquet';"
        "update raw.aws_cur2 set landed_file = '/tmp/77aa-part.parquet'"
    )
    assert failed(gates()) == {}
    change("insert into raw.aws_cur2 by name select '/tmp/77aa-part.parquet' as landed_file")

    assert failed(gates()) == {("deliveries_are_whole", ""): "block"}


def test_rows_of_one_delivery_do_not_stand_in_for_those_of_another(gates: Run, change: Change) -> None:
    change(
        "insert into raw.deliveries select * replace ('b0' as delivery_id, '2026-10' as scope) "
        "from raw.deliveries where source = 'bill';"
        "insert into raw.aws_cur2 select * from raw.aws_cur2"
    )

    results = gates()

    assert failed(results) == {("deliveries_are_whole", ""): "block"}
    assert {row["delivery"]: row["landed_rows"] for row in results["deliveries_are_whole", ""].offenders} == {
        "source=bill/delivery=b0": "0",
        "source=bill/delivery=b1": "28",
    }
