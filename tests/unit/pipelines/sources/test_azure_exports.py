"""Runs of Azure's exports: one delivery per run, every part of it, the month that the manifest says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Damaged, Terminal
from pipelines.sources import focus
from pipelines.sources.places import Place

Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

COLUMNS = (
    "ServiceName",
    "ChargeCategory",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "BilledCost",
    "EffectiveCost",
)
HEADER = ",".join(COLUMNS) + "\n"
ROW = "Storage Accounts,Usage,USD,2026-11-01T00:00:00Z,2026-11-03T00:00:00Z,1.5,1.5\n"


def deliver(folder: Path, *parts: str, run: str = "20261101-20261130/run-1", **changes: object) -> Path:
    """Write one run; return the folder of its export."""
    here = folder / "exports" / "focus" / run
    here.mkdir(parents=True, exist_ok=True)
    blobs = []
    for number, part in enumerate(parts):
        name = f"part_{number}_0001.csv"
        (here / name).write_text(HEADER + part)
        size = len(HEADER + part)
        blobs.append({"blobName": f"exports/focus/{run}/{name}", "byteCount": size, "dataRowCount": 1})
    manifest = {
        "manifestVersion": "2024-04-01",
        "exportConfig": {"exportName": "focus", "type": "FocusCost", "dataVersion": "1.2"},
        "runInfo": {"runId": run, "startDate": "2026-11-01T00:00:00", "endDate": "2026-11-20T00:00:00Z"},
        "blobs": blobs,
    }
    (here / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder / "exports" / "focus"


@pytest.mark.parametrize("upwards", [0, 1, 2], ids=["the export", "its parent", "the container"])
def test_all_parts_of_a_run_are_one_delivery(
    tmp_path: Path, place: Opened, rows_of: RowsOf, upwards: int
) -> None:
    export = deliver(tmp_path / "container", ROW, ROW * 2)
    opened = place("focus", [export, *export.parents][upwards])
    [delivery] = focus.find(opened).deliveries
    assert (delivery.table, delivery.scope) == ("focus", "2026-11")
    assert len(rows_of(opened, delivery)) == 3


def test_each_run_is_a_delivery_of_its_month(tmp_path: Path, place: Opened) -> None:
    for run in ("20261101-20261130/202611190600/run-1", "20261101-20261130/202611200600/run-2"):
        export = deliver(tmp_path, ROW, run=run)
    deliveries = focus.find(place("focus", export)).deliveries
    assert [delivery.scope for delivery in deliveries] == ["2026-11", "2026-11"]
    assert len({delivery.delivery_id for delivery in deliveries}) == 2


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_part_that_is_not_what_the_manifest_says_is_damaged(
    tmp_path: Path, place: Opened, rows_of: RowsOf, damage: str
) -> None:
    export = deliver(tmp_path, ROW, ROW * 2)
    part = next(export.rglob("part_1_0001.csv"))
    if damage == "missing":
        part.unlink()
    else:
        part.write_text(HEADER + ROW)
    opened = place("focus", export)
    [delivery] = focus.find(opened).deliveries
    with pytest.raises(Damaged):
        rows_of(opened, delivery)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"exportConfig": {"type": "ActualCost"}}, "ActualCost"),
        ({"blobs": None}, "no list of blobs"),
        ({"blobs": [{}]}, "no blobName"),
        ({"runInfo": None}, "runInfo"),
        ({"runInfo": {"startDate": "2026-10-01T00:00:00", "endDate": "2026-11-20T00:00:00Z"}}, "one month"),
    ],
)
def test_another_manifest_is_rejected_and_the_others_are_found(
    tmp_path: Path, place: Opened, changes: dict[str, object], said: str
) -> None:
    deliver(tmp_path, ROW)
    export = deliver(tmp_path, ROW, run="20261101-20261130/run-2", **changes)
    found = focus.find(place("focus", export))
    assert len(found.deliveries) == 1
    [rejected] = found.rejected
    assert said in rejected.reason


def test_two_exports_in_one_place_are_refused(tmp_path: Path, place: Opened) -> None:
    deliver(tmp_path / "a", ROW)
    deliver(tmp_path / "b", ROW)
    with pytest.raises(Terminal, match="2 exports"):
        focus.find(place("focus", tmp_path))
