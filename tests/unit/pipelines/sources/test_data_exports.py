"""Data Exports: which manifests are deliveries, and which of them say the same."""

import gzip
import os
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.deliveries import Delivery, Landed, in_force
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources import aws_cur2
from pipelines.sources.places import Place

Deliver = Callable[..., Path]
Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

HEADER = (
    "line_item_usage_start_date,line_item_line_item_type,line_item_product_code,line_item_usage_type,"
    "line_item_unblended_cost\n"
)


def bill(*costs: float) -> bytes:
    """Return a chunk of a CUR 2.0 with these costs."""
    lines = [f"2026-11-01T00:00:00.000Z,Usage,AmazonS3,TimedStorage-ByteHrs,{cost}\n" for cost in costs]
    return gzip.compress((HEADER + "".join(lines)).encode(), mtime=0)


def costs(rows: list[dict[str, Any]]) -> list[float]:
    """Return the costs of rows."""
    return [row["line_item_unblended_cost"] for row in rows]


def landed(delivery: Delivery) -> Landed:
    """Return the ledger's entry of a delivery."""
    return Landed(
        source=delivery.source,
        kind=delivery.kind,
        table=delivery.table,
        delivery_id=delivery.delivery_id,
        delivered_at=delivery.delivered_at,
        scope=delivery.scope,
        checksum=delivery.checksum,
        row_count=0,
        byte_count=0,
    )


def written_at(folder: Path, day: str) -> None:
    """Date every file below a folder."""
    seconds = datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()
    for path in folder.rglob("*"):
        os.utime(path, (seconds, seconds))


def test_both_manifests_of_a_kept_run_are_one_delivery(deliver_export: Deliver, place: Opened) -> None:
    opened = place("aws-cur2", deliver_export(bill(1), run="2026-11-19-a"))
    assert len(aws_cur2.find(opened).deliveries) == 1


def test_the_newest_run_of_a_period_is_in_force_and_the_other_period_stays(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    written_at(deliver_export(bill(1), run="a", period="2026-10"), "2026-11-01")
    export = deliver_export(bill(2), run="b")
    written_at(export / "data" / "BILLING_PERIOD=2026-11", "2026-11-17")
    written_at(export / "metadata" / "BILLING_PERIOD=2026-11", "2026-11-17")
    deliver_export(bill(3), run="c")
    written_at(export / "data" / "BILLING_PERIOD=2026-11" / "c", "2026-11-18")
    written_at(export / "metadata" / "BILLING_PERIOD=2026-11" / "c", "2026-11-18")
    opened = place("aws-cur2", export)
    deliveries = aws_cur2.find(opened).deliveries
    assert [costs(rows_of(opened, each)) for each in deliveries] == [[1.0], [2.0], [3.0]]
    counting = in_force([landed(each) for each in deliveries], date(2026, 11, 19))
    assert [entry.delivery_id for entry in counting] == [deliveries[0].delivery_id, deliveries[2].delivery_id]


def test_an_overwritten_run_is_new_though_its_manifest_looks_the_same(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    opened = place("aws-cur2", deliver_export(bill(1)))
    [first] = aws_cur2.find(opened).deliveries
    assert (first,) == aws_cur2.find(opened).deliveries
    manifest = next((opened.scratch.parent / "bucket").rglob("*Manifest.json"))
    before = manifest.read_bytes()
    deliver_export(bill(2))
    assert manifest.read_bytes() == before
    [second] = aws_cur2.find(opened).deliveries
    assert second.delivery_id != first.delivery_id
    assert costs(rows_of(opened, second)) == [2.0]


def test_a_delivery_counts_from_when_its_last_file_was_written(
    deliver_export: Deliver, place: Opened
) -> None:
    export = deliver_export(bill(1))
    written_at(export, "2026-11-18")
    [delivery] = aws_cur2.find(place("aws-cur2", export)).deliveries
    assert delivery.delivered_at == datetime.fromisoformat("2026-11-18T12:00:00")
    written_at(export / "data", "2026-11-19")
    [delivery] = aws_cur2.find(place("aws-cur2", export)).deliveries
    assert delivery.delivered_at == datetime.fromisoformat("2026-11-19T12:00:00")
    assert (delivery.scope, delivery.parts[0].size_bytes) == ("2026-11", len(bill(1)))


@pytest.mark.parametrize("name", ["Manifest.json", "cur2-Manifest.json"])
@pytest.mark.parametrize("head", ["s3://billing/", ""])
def test_both_names_of_a_manifest_and_both_forms_of_addresses_are_read(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, name: str, head: str
) -> None:
    key = "exports/cur2/data/BILLING_PERIOD=2026-11/cur2-00001.csv.gz"
    export = deliver_export(bill(1), dataFiles=[head + key])
    manifest = export / "metadata" / "BILLING_PERIOD=2026-11" / "cur2-Manifest.json"
    manifest.rename(manifest.with_name(name))
    opened = place("aws-cur2", export)
    assert costs(rows_of(opened, aws_cur2.find(opened).deliveries[0])) == [1.0]


def test_only_listed_files_are_read(deliver_export: Deliver, place: Opened, rows_of: RowsOf) -> None:
    export = deliver_export(bill(1))
    stray = export / "data" / "BILLING_PERIOD=2026-11" / "cur2-00002.csv.gz"
    stray.write_bytes(bill(99))
    opened = place("aws-cur2", export)
    assert costs(rows_of(opened, aws_cur2.find(opened).deliveries[0])) == [1.0]


def test_a_copy_of_the_export_s_folder_alone_is_read(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, tmp_path: Path
) -> None:
    shutil.copytree(deliver_export(bill(1)), tmp_path / "elsewhere" / "cur")
    opened = place("aws-cur2", tmp_path / "elsewhere" / "cur")
    assert costs(rows_of(opened, aws_cur2.find(opened).deliveries[0])) == [1.0]


def test_a_listed_file_that_is_missing_is_named_when_the_delivery_is_read(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    export = deliver_export(bill(1), bill(2))
    (export / "data" / "BILLING_PERIOD=2026-11" / "cur2-00002.csv.gz").unlink()
    opened = place("aws-cur2", export)
    [delivery] = aws_cur2.find(opened).deliveries
    with pytest.raises(Damaged, match=r"missing\n.*cur2-00002\.csv\.gz"):
        rows_of(opened, delivery)


def test_data_without_a_manifest_is_still_arriving(deliver_export: Deliver, place: Opened) -> None:
    export = deliver_export(bill(1))
    shutil.rmtree(export / "metadata")
    with pytest.raises(Transient, match="still arriving"):
        aws_cur2.find(place("aws-cur2", export))


def test_an_empty_place_says_what_was_looked_for(place: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="BILLING_PERIOD=YYYY-MM"):
        aws_cur2.find(place("aws-cur2", tmp_path))


def test_two_exports_in_one_place_are_refused(deliver_export: Deliver, place: Opened) -> None:
    export = deliver_export(bill(1))
    shutil.copytree(export, export.parent / "other")
    with pytest.raises(Terminal, match="2 exports"):
        aws_cur2.find(place("aws-cur2", export.parent))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"dataFiles": None, "reportKeys": ["x"]}, "legacy Cost and Usage Report"),
        ({"dataFiles": None, "reportFiles": []}, "Storage Lens"),
        ({"dataFiles": None, "sourceBucket": "b", "files": []}, "inventory"),
        ({"dataFiles": None}, "no list of dataFiles"),
        ({"dataFiles": [{"key": "x"}]}, "no list of dataFiles"),
    ],
)
def test_a_manifest_of_another_family_is_rejected_with_its_name(
    deliver_export: Deliver, place: Opened, change: dict[str, object], said: str
) -> None:
    export = deliver_export(bill(1), **change)
    found = aws_cur2.find(place("aws-cur2", export))
    assert found.deliveries == ()
    [damaged] = found.rejected
    assert said in damaged.reason
    assert (damaged.scope, damaged.table, damaged.kind) == ("2026-11", "aws_cur2", "aws-cur2")
    assert damaged.where.endswith("metadata/BILLING_PERIOD=2026-11/cur2-Manifest.json")


def test_a_damaged_manifest_is_rejected_and_the_other_periods_are_still_found(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    export = deliver_export(bill(1))
    next(export.rglob("*Manifest.json")).write_text("<html>")
    opened = place("aws-cur2", deliver_export(bill(2), period="2026-10"))
    found = aws_cur2.find(opened)
    assert [(one.scope, "it is not JSON" in one.reason) for one in found.rejected] == [("2026-11", True)]
    assert [costs(rows_of(opened, each)) for each in found.deliveries] == [[2.0]]


def test_an_export_without_files_is_a_delivery_without_rows(deliver_export: Deliver, place: Opened) -> None:
    [delivery] = aws_cur2.find(place("aws-cur2", deliver_export(dataFiles=[]))).deliveries
    assert (delivery.parts, delivery.scope) == ((), "2026-11")


def test_an_export_is_read_from_a_bucket(
    deliver_export: Deliver,
    s3_place: Opened,
    upload: Callable[[Path, str], None],
    bucket: str,
    rows_of: RowsOf,
) -> None:
    upload(deliver_export(bill(1, 2), run="r1").parents[1], bucket)
    opened = s3_place("aws-cur2", f"s3://{bucket}/exports/cur2/")
    [delivery] = aws_cur2.find(opened).deliveries
    assert costs(rows_of(opened, delivery)) == [1.0, 2.0]
    assert delivery.parts[0].size_bytes == len(bill(1, 2))
