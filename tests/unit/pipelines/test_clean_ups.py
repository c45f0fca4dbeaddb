"""What clean-ups tell the lake is read by every build, and by nothing else."""

from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines import retention, steps
from pipelines.clean_ups import read_clean_ups
from pipelines.domain.clean_ups import FOLDER, Change, CleanUp, clean_up_to_json
from pipelines.domain.raw_tables import CLEAN_UPS
from pipelines.errors import Terminal
from pipelines.stores import LocalStore

CHANGE = Change(
    "gcp",
    "it's [a] bucket",
    "STANDARD",
    "COLDLINE",
    "copy-in-place",
    "window",
    7,
    object_count=3,
    size_bytes=2**62,
    undone_object_count=1,
    undone_bytes=9,
    saving_usd_month=Decimal("1234567.123456"),
    tail_usd_month=Decimal(0),
    one_off_usd=Decimal("0.000001"),
    began_date=date(2026, 11, 10),
    ended_date=date(2026, 11, 11),
)
PLAN = CleanUp("2026-11-10-stale-ab", "stale", "f" * 64, "2026-11-09-aa", (CHANGE,))


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


def test_what_is_written_is_read_to_the_last_digit(lake: LocalStore) -> None:
    lake.write(PLAN.key, clean_up_to_json(PLAN))
    assert read_clean_ups(lake) == (PLAN,)


def test_a_lake_without_clean_ups_has_none(lake: LocalStore) -> None:
    assert read_clean_ups(lake) == ()


def test_a_row_has_the_columns_of_its_table() -> None:
    (row,) = PLAN.rows()
    found = dict(zip((name for name, _ in CLEAN_UPS), row, strict=True))
    assert (found["plan_id"], found["bucket"], found["size_bytes"]) == (PLAN.plan_id, CHANGE.bucket, 2**62)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"plan_id": 1}', b"\xff\xfe"])
def test_a_damaged_record_names_its_file_and_the_way_out(lake: LocalStore, data: bytes) -> None:
    lake.write(f"{FOLDER}p.json", data)
    with pytest.raises(Terminal, match="no record of a clean-up") as refused:
        read_clean_ups(lake)
    assert "clean-ups/p.json" in refused.value.where
    assert "moraine-lifecycle verify" in refused.value.fix


def test_a_record_keeps_no_snapshot(lake: LocalStore) -> None:
    """Nor is it taken for a plan that cannot be read."""
    lake.write(PLAN.key, clean_up_to_json(PLAN))
    assert retention.unfinished_plans(lake, datetime(2026, 11, 21)) == []


def test_a_night_is_built_with_what_was_cleared_and_built_anew_when_that_changes(
    tmp_path: Path, lake: LocalStore
) -> None:
    config = tmp_path / "moraine.yaml"
    config.write_text(
        "lake: lake\nengine: {memory_limit: 1GB, temp_directory: tmp}\n"
        "sources: [{name: bill, kind: focus, uri: bills}]\n"
    )
    run = steps.open_run(config, date(2026, 11, 20), datetime(2026, 11, 21, 6))
    before = steps.build(run)
    lake.write(PLAN.key, clean_up_to_json(PLAN))
    after = steps.build(run)
    assert before.build_id != after.build_id
    (path,) = (lake.root / "build").glob("*/warehouse.duckdb")
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        found = connection.execute(
            "select plan_id, bucket, applied_date, days_followed, size_bytes, reading from marts.savings"
        ).fetchall()
    reading = "no price is known of a class that it left or filled"
    assert found == [(PLAN.plan_id, CHANGE.bucket, date(2026, 11, 11), 9, 2**62, reading)]
