"""Inventory reports of Cloud Storage: what is a delivery, of which bucket, and what is refused."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import Damaged, NotFound, Terminal
from pipelines.sources import gcs_inventory
from pipelines.sources.gcs_inventory_manifest import parse_report
from pipelines.sources.places import Place
from pipelines.sources.records import in_lines

Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

KEY = "train/6a8f4c3e_2026-11-19T01:00_manifest.json"
HEADER = "bucket,name,size,timeCreated\n"
LINE = "train,runs/a,10,2026-11-01T12:30:00Z\n"


def manifest(**changes: object) -> dict[str, object]:
    """Return a report of one CSV shard."""
    plain = {
        "report_config": {
            "csv_options": {"delimiter": ",", "record_separator": "\n", "header_required": True},
            "object_metadata_report_options": {
                "metadata_fields": ["bucket", "name", "size", "timeCreated", "timeDeleted"],
                "storage_filters": {"bucket": "train"},
            },
        },
        "records_processed": 1,
        "snapshot_time": "2026-11-19T01:00:00Z",
        "shard_count": 1,
        "report_shards_file_names": ["6a8f4c3e_2026-11-19T01:00_0.csv"],
    } | changes
    return {name: value for name, value in plain.items() if value is not None}


def parsed(**changes: object) -> object:
    return parse_report(json.dumps(manifest(**changes)).encode(), KEY, where="m")


@pytest.fixture
def deliver(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a report below `reports/` and returns that folder."""

    def delivered(body: str = HEADER + LINE, *, uuid: str = "6a8f4c3e", **changes: object) -> Path:
        folder = tmp_path / "reports" / "train"
        folder.mkdir(parents=True, exist_ok=True)
        prefix = f"{uuid}_2026-11-19T01:00"
        (folder / f"{prefix}_0.csv").write_text(body)
        names = {"report_shards_file_names": [f"{prefix}_0.csv"]}
        text = json.dumps(manifest(**(names | changes)))
        (folder / f"{prefix}_manifest.json").write_text(text)
        return folder.parent

    return delivered


def test_a_report_counts_from_the_moment_of_its_snapshot(deliver: Callable[..., Path], place: Opened) -> None:
    found = gcs_inventory.find(place("gcs-inventory", deliver(), "train"))
    [delivery] = found.deliveries
    assert delivery.delivered_at == delivery.snapshot_at == datetime.fromisoformat("2026-11-19T01:00:00")
    assert delivery.delivery_id == f"2026-11-19T01-00Z-{delivery.checksum[:12]}"
    assert (delivery.table, delivery.scope, delivery.row_count) == ("gcs_inventory", "train", 1)
    assert [part.key for part in delivery.parts] == ["train/6a8f4c3e_2026-11-19T01:00_0.csv"]
    assert delivery.byte_count == len(HEADER + LINE)
    assert found.warnings == ()


@pytest.mark.parametrize("below", ["", "train"])
def test_shards_are_found_from_any_folder_of_a_copy(
    deliver: Callable[..., Path], place: Opened, rows_of: RowsOf, below: str
) -> None:
    opened = place("gcs-inventory", deliver() / below, "train")
    [row] = rows_of(opened, gcs_inventory.find(opened).deliveries[0])
    assert (row["object_key"], row["size_bytes"], row["storage_class"]) == ("runs/a", 10, None)


def test_keys_are_not_decoded(deliver: Callable[..., Path], place: Opened, rows_of: RowsOf) -> None:
    line = 'train,"runs/a+b%20c ""d"", e",10,2026-11-01T12:30:00Z\n'
    opened = place("gcs-inventory", deliver(HEADER + line), "train")
    [row] = rows_of(opened, gcs_inventory.find(opened).deliveries[0])
    assert row["object_key"] == 'runs/a+b%20c "d", e'
    assert (row["directory"], row["leaf"]) == ("runs/", 'a+b%20c "d", e')


def test_a_field_may_be_spelled_with_underscores(
    deliver: Callable[..., Path], place: Opened, rows_of: RowsOf
) -> None:
    header = "name,size,time_created,time_deleted,soft_delete_time,temporary_hold"
    body = f"{header}\na,1,2026-11-01T12:30:00Z,,2026-11-02T00:00:00Z,true\n"
    opened = place("gcs-inventory", deliver(body), "train")
    [row] = rows_of(opened, gcs_inventory.find(opened).deliveries[0])
    assert (row["bucket"], row["deleted_at"], row["is_temporary_hold"]) == ("train", None, True)
    assert row["soft_deleted_at"] == datetime.fromisoformat("2026-11-02T00:00:00")


def test_a_shard_without_a_needed_field_is_damaged(
    deliver: Callable[..., Path], place: Opened, rows_of: RowsOf
) -> None:
    opened = place("gcs-inventory", deliver("bucket,name,timeCreated\n"), "train")
    with pytest.raises(Damaged, match="size"):
        rows_of(opened, gcs_inventory.find(opened).deliveries[0])


def test_a_header_that_is_not_there_is_not_silently_a_row(
    deliver: Callable[..., Path], place: Opened, rows_of: RowsOf
) -> None:
    opened = place("gcs-inventory", deliver(LINE), "train")
    with pytest.raises(Damaged, match="required columns are missing"):
        rows_of(opened, gcs_inventory.find(opened).deliveries[0])


def test_without_times_of_deletion_replaced_versions_cannot_be_told(
    deliver: Callable[..., Path], place: Opened
) -> None:
    fields = {"metadataFields": ["name", "size", "timeCreated"], "storageFilters": {"bucket": "train"}}
    folder = deliver(report_config={"objectMetadataReportOptions": fields})
    [warning] = gcs_inventory.find(place("gcs-inventory", folder, "train")).warnings
    assert "no field timeDeleted" in warning


def test_reports_about_other_buckets_only_are_a_wrong_setting(
    deliver: Callable[..., Path], place: Opened
) -> None:
    with pytest.raises(Terminal, match="list bucket 'train', not 'other'"):
        gcs_inventory.find(place("gcs-inventory", deliver(), "other"))


def test_a_manifest_that_names_no_bucket_is_asked_through_its_shard(
    deliver: Callable[..., Path], place: Opened
) -> None:
    deliver(HEADER + LINE.replace("train", "serve"), uuid="1", report_config={})
    folder = deliver(uuid="2", report_config={})
    for bucket, uuid in (("serve", "1"), ("train", "2")):
        [delivery] = gcs_inventory.find(place("gcs-inventory", folder, bucket)).deliveries
        assert delivery.parts[0].key == f"train/{uuid}_2026-11-19T01:00_0.csv"


def test_a_place_without_any_manifest_says_what_was_looked_for(place: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"…_manifest\.json"):
        gcs_inventory.find(place("gcs-inventory", tmp_path, "train"))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"report_shards_file_names": None}, "it has no report_shards_file_names"),
        ({"shard_count": 3}, "it names 1 shards and says that there are 3"),
        ({"report_shards_file_names": ["a", "a"], "shard_count": 2}, "it names a shard twice"),
        ({"report_shards_file_names": ["../../etc/passwd"]}, "is not the name of a shard"),
        ({"report_shards_file_names": ["/etc/passwd"]}, "is not the name of a shard"),
        ({"snapshot_time": "yesterday"}, "a value in it cannot be read"),
        ({"records_processed": "many"}, "a value in it cannot be read"),
        ({"report_config": {"csvOptions": {"delimiter": '"'}}}, "its fields are divided by"),
        ({"report_config": {"csvOptions": {"headerRequired": False}}}, "it has no metadataFields"),
    ],
)
def test_a_manifest_that_says_something_else_is_rejected(
    deliver: Callable[..., Path], place: Opened, change: dict[str, object], said: str
) -> None:
    found = gcs_inventory.find(place("gcs-inventory", deliver(**change), "train"))
    assert found.deliveries == ()
    [rejected] = found.rejected
    assert said in rejected.reason
    assert (rejected.table, rejected.scope) == ("gcs_inventory", "train")


@pytest.mark.parametrize("text", [b"<html>", b"[]", b'{"sourceBucket": "train", "files": []}', b"\xff"])
def test_a_manifest_of_another_family_is_rejected(
    deliver: Callable[..., Path], place: Opened, text: bytes
) -> None:
    folder = deliver()
    (folder / "train" / "manifest.json").write_bytes(text)
    found = gcs_inventory.find(place("gcs-inventory", folder, "train"))
    assert (len(found.deliveries), len(found.rejected)) == (1, 1)


def test_what_a_manifest_leaves_out_is_taken_from_its_name_or_not_checked() -> None:
    report = parsed(snapshot_time=None, records_processed=None, shard_count=None, report_config=None)
    assert report == parse_report(
        json.dumps({"reportShardsFileNames": manifest()["report_shards_file_names"]}).encode(), KEY, where="m"
    )
    assert getattr(report, "snapshot_at", None) == datetime.fromisoformat("2026-11-19T01:00:00")
    assert getattr(report, "row_count", 0) is None


@given(
    rows=st.lists(
        st.lists(st.text("ab\n\r\"~|,'", max_size=6), min_size=2, max_size=2), min_size=1, max_size=8
    ),
    separator=st.sampled_from(["~", "~~", "~|"]),
)
def test_records_become_lines_and_nothing_else_changes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], separator: str
) -> None:
    folder = tmp_path_factory.mktemp("records")
    marks = (",", '"', separator[0], separator[-1])
    text = separator.join(",".join(_quoted(field, marks) for field in row) for row in rows)
    (folder / "shard.csv").write_bytes(text.encode())
    with in_lines(folder / "shard.csv", separator, ",", folder) as lines:
        assert _read(lines.read_bytes().decode()) == rows


def _quoted(field: str, marks: tuple[str, ...]) -> str:
    if any(mark in field for mark in marks):
        return '"' + field.replace('"', '""') + '"'
    return field


def _read(text: str) -> list[list[str]]:
    rows, row, field, is_quoted = [], list[str](), "", False
    for mark in text:
        if mark == '"':
            is_quoted = not is_quoted
            field += mark
        elif mark in ",\n" and not is_quoted:
            row.append(field)
            field = ""
            if mark == "\n":
                rows.append(row)
                row = []
        else:
            field += mark
    rows.append([*row, field])
    return [[_plain(each) for each in one] for one in rows]


def _plain(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field
