"""What clean-ups saved, from bills and lists in their landed form: it agrees with how the bill fell."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from pipelines.domain.clean_ups import Change, CleanUp
from tests.sql.conftest import Build

AS_OF = date(2026, 11, 30)
GIB = 2**30
RATES = {"STANDARD": Decimal("0.03"), "GLACIER_IR": Decimal("0.006")}
METERS = {"STANDARD": "TimedStorage-ByteHrs", "GLACIER_IR": "TimedStorage-GIR-ByteHrs"}
DELETED = Change(
    "aws",
    "train",
    "STANDARD",
    "",
    "delete-batch-if-match",
    "nothing",
    0,
    object_count=10,
    size_bytes=500 * GIB,
    undone_object_count=0,
    undone_bytes=0,
    saving_usd_month=Decimal(15),
    tail_usd_month=Decimal(0),
    one_off_usd=Decimal(0),
    began_date=date(2026, 11, 20),
    ended_date=date(2026, 11, 20),
)
ARCHIVED = replace(
    DELETED,
    target_class="GLACIER_IR",
    path="copy-in-place",
    size_bytes=1000 * GIB,
    saving_usd_month=Decimal(24),
    began_date=date(2026, 11, 10),
    ended_date=date(2026, 11, 10),
)


def plan(name: str, *changes: Change) -> CleanUp:
    return CleanUp(name, "stale", "f" * 64, "2026-11-09-a", changes)


def line(day: date, bucket: str, storage_class: str, gib: int) -> dict[str, object]:
    """Return a line of the bill: a day of so many GiB."""
    months = Decimal(gib) / 30
    return {
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": METERS[storage_class],
        "line_item_operation": "StandardStorage",
        "line_item_resource_id": bucket,
        "line_item_currency_code": "USD",
        "line_item_usage_start_date": datetime.combine(day, datetime.min.time()),
        "line_item_usage_amount": months,
        "line_item_unblended_cost": months * RATES[storage_class],
        "pricing_unit": "GB-Mo",
    }


def november() -> Iterator[dict[str, object]]:
    """Yield the bill of 3000 GiB: a third of it is archived on the 10th, a sixth deleted on the 20th."""
    for number in range(30):
        day = date(2026, 11, 1) + timedelta(days=number)
        archived = 1000 if number >= 10 else 0
        deleted = 500 if number >= 20 else 0
        yield line(day, "train", "STANDARD", 3000 - archived - deleted)
        if archived:
            yield line(day, "train", "GLACIER_IR", archived)


def saved(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Return the rows of the mart by plan."""
    found = connection.execute("select * from marts.savings")
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {row["plan_id"]: row for row in rows}


def test_two_plans_on_one_bucket_share_what_the_bill_fell_by(build: Build) -> None:
    bill = list(november())
    rows = saved(
        build(
            {"aws_cur2": bill},
            ["marts.savings"],
            as_of=AS_OF,
            clean_ups=[plan("first", ARCHIVED), plan("second", DELETED)],
        )
    )
    assert (rows["first"]["days_followed"], rows["second"]["days_followed"]) == (20, 10)
    assert rows["first"]["realised_usd"] == Decimal(16)
    assert rows["second"]["realised_usd"] == Decimal(5)
    after = (Decimal(str(row["line_item_unblended_cost"])) for row in bill[10:])
    assert round(20 * 3 - sum(after, Decimal(0)), 6) == 21
    assert {row["reading"] for row in rows.values()} == {"the bill fell with it"}
    assert rows["first"]["rate_basis"] == "bill"
    assert (rows["first"]["bill_before_day"], rows["first"]["bill_after_day"]) == (3, Decimal("1.7"))
    assert round(rows["first"]["predicted_usd"], 2) == Decimal("15.77")


def test_a_plan_that_was_partly_applied_and_partly_undone_counts_what_is_left(build: Build) -> None:
    half = replace(
        DELETED,
        object_count=5,
        size_bytes=250 * GIB,
        undone_object_count=5,
        undone_bytes=250 * GIB,
        saving_usd_month=Decimal("7.5"),
    )
    gone = replace(DELETED, object_count=0, size_bytes=0, saving_usd_month=Decimal(0))
    found = build(
        {"aws_cur2": list(november())},
        ["marts.savings"],
        as_of=AS_OF,
        clean_ups=[plan("half", half), plan("undone", gone)],
    )
    rows = saved(found)
    assert rows["half"]["realised_usd"] == Decimal("2.5")
    assert (rows["half"]["undone_object_count"], rows["half"]["undone_bytes"]) == (5, 250 * GIB)
    assert rows["undone"]["realised_usd"] == 0
    assert rows["undone"]["reading"] == "nothing is saved: all of it was undone"


def test_versions_that_stay_are_paid_for_and_early_deletion_makes_it_a_loss(build: Build) -> None:
    """A versioned bucket of 3000 GiB, a sixth behind delete markers: the bill is the same as ever."""
    marked = replace(DELETED, path="delete-marker", left_behind="versions", saving_usd_month=Decimal(0))
    days = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]
    bill = [line(day, "train", "STANDARD", 3000) for day in days]
    cold = replace(DELETED, storage_class="GLACIER_IR", size_bytes=GIB)
    early = line(date(2026, 11, 20), "train", "GLACIER_IR", 1000)
    early |= {"line_item_usage_type": "EarlyDelete-GIR", "line_item_operation": "DeleteObject"}
    listed = [
        {
            "bucket": "train",
            "directory": "runs/",
            "storage_class": "STANDARD",
            "is_current": is_current,
            "object_count": 1,
            "size_bytes": gib * GIB,
            "created_date": date(2026, 10, 1),
            "snapshot_at": datetime(2026, 11, 25, 1),
        }
        for is_current, gib in ((True, 2500), (False, 500))
    ]
    rows = saved(
        build(
            {"aws_cur2": [*bill, early], "s3_inventory_directories": listed},
            ["marts.savings"],
            as_of=AS_OF,
            clean_ups=[plan("marked", marked), plan("early", cold)],
        )
    )
    assert rows["marked"]["counterfactual_usd"] == rows["marked"]["actual_usd"] == 5
    assert rows["marked"]["realised_usd"] == 0
    assert rows["marked"]["is_confirmed"] is False
    assert rows["marked"]["reading"] == "nothing was saved: versions stay billed"
    assert rows["early"]["clean_up_usd"] == Decimal("0.2")
    assert rows["early"]["realised_usd"] < 0
    assert rows["early"]["reading"] == "nothing was saved yet: clean-up itself has cost more"


def test_without_a_bill_list_prices_tell_and_say_so(build: Build) -> None:
    listed = [
        {
            "bucket": "train",
            "directory": "runs/",
            "storage_class": "STANDARD",
            "is_current": True,
            "object_count": 1,
            "size_bytes": GIB,
            "created_date": date(2026, 10, 1),
            "snapshot_at": datetime(2026, 11, 25, 1),
        }
    ]
    rows = saved(
        build(
            {"s3_inventory_directories": listed},
            ["marts.savings"],
            as_of=AS_OF,
            clean_ups=[plan("p", DELETED), plan("strange", replace(DELETED, bucket="gone"))],
        )
    )
    assert rows["p"]["rate_basis"] == "list"
    assert rows["p"]["realised_usd"] > 0
    assert rows["p"]["is_confirmed"] is None
    assert rows["p"]["reading"] == "no bill names the bucket: this is at list prices"
    assert rows["strange"]["realised_usd"] is None
    assert rows["strange"]["reading"] == "no price is known of a class that it left or filled"


def test_a_bucket_that_was_emptied_saves_all_it_cost(build: Build) -> None:
    """It has no charges any more; another bucket's tell that the days are over."""
    bill = [line(date(2026, 11, day), "train", "STANDARD", 500) for day in range(1, 21)]
    bill += [line(date(2026, 11, day), "other", "STANDARD", 1) for day in range(1, 31)]
    rows = saved(build({"aws_cur2": bill}, ["marts.savings"], as_of=AS_OF, clean_ups=[plan("p", DELETED)]))
    assert rows["p"]["realised_usd"] == Decimal(5)
    assert rows["p"]["bill_after_day"] == 0
    assert rows["p"]["reading"] == "the bill fell with it"


def test_a_clean_up_of_a_later_day_is_not_known_yet(build: Build) -> None:
    found = build(
        {"aws_cur2": list(november())},
        ["marts.savings"],
        as_of=date(2026, 11, 15),
        clean_ups=[plan("first", ARCHIVED), plan("second", DELETED)],
    )
    assert set(saved(found)) == {"first"}
