"""S3 Inventory: what is a delivery, what is refused, and that keys are exact."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources import s3_inventory
from pipelines.sources.places import Place

Deliver = Callable[..., Path]
Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

MOMENT = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
HOSTILE_KEYS = (
    "runs/a b+c%20d%/x.pt",
    "runs/línea\nnueva/😀.bin",
    "runs/\"quoted\",comma/'single'/x",
    "runs/../../etc/passwd",
    "runs/tab\tand\r\nreturn",
    " leading and trailing ",
    "folder/",
    "//double//",
    "+",
)


def entry(key: str = "runs/1/model.pt", **changes: object) -> dict[str, object]:
    """Return one line of an inventory."""
    plain: dict[str, object] = {
        "bucket": "train",
        "key": key,
        "is_latest": True,
        "is_delete_marker": False,
        "size": 10,
        "last_modified_date": MOMENT,
        "e_tag": "d41d8cd98f00b204e9800998ecf8427e",
        "storage_class": "STANDARD",
    }
    return plain | changes


def md5(body: bytes) -> str:
    """Return what a manifest says of a file."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_keys_arrive_exactly_as_they_are_in_the_bucket(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf, file_format: str
) -> None:
    folder = deliver_inventory([entry(key) for key in HOSTILE_KEYS], file_format=file_format)
    opened = place("s3-inventory", folder, "train")
    rows = rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert [row["object_key"] for row in rows] == list(HOSTILE_KEYS)
    assert all(row["directory"] + row["leaf"] == row["object_key"] for row in rows)
    assert all(row["directory"] == "" or row["directory"].endswith("/") for row in rows)
    assert not any("/" in row["leaf"] for row in rows)


@given(keys=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_that_s3_encodes_is_decoded_to_itself(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf, keys: list[str]
) -> None:
    opened = place(
        "s3-inventory", deliver_inventory([entry(key) for key in keys], file_format="CSV"), "train"
    )
    assert [row["object_key"] for row in rows_of(opened, s3_inventory.find(opened).deliveries[0])] == keys


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_a_row_has_every_column_of_the_raw_table(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf, file_format: str
) -> None:
    opened = place("s3-inventory", deliver_inventory([entry()], file_format=file_format), "train")
    [row] = rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert row == {
        "bucket": "train",
        "object_key": "runs/1/model.pt",
        "directory": "runs/1/",
        "leaf": "model.pt",
        "version_id": None,
        "is_latest": True,
        "is_delete_marker": False,
        "size_bytes": 10,
        "last_modified_at": MOMENT.replace(tzinfo=None),
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "storage_class": "STANDARD",
        "encryption_status": None,
        "replication_status": None,
        "is_multipart_uploaded": None,
        "object_lock_mode": None,
        "object_lock_retain_until_at": None,
        "object_lock_legal_hold": None,
        "intelligent_tiering_access_tier": None,
        "lists_versions": True,
        "snapshot_at": datetime.fromisoformat("2026-11-19T01:00:00"),
    }


def test_a_list_of_current_objects_says_so(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    columns = ("Bucket", "Key", "Size", "LastModifiedDate")
    opened = place("s3-inventory", deliver_inventory([entry()], columns=columns, file_format="CSV"), "train")
    [row] = rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert (row["lists_versions"], row["is_latest"], row["storage_class"]) == (False, None, None)


def test_a_delete_marker_has_no_storage_class_and_no_size(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    marker = entry(is_delete_marker=True, size=None, storage_class="STANDARD", e_tag=None)
    opened = place("s3-inventory", deliver_inventory([marker]), "train")
    [row] = rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert (row["storage_class"], row["size_bytes"], row["is_delete_marker"]) == (None, None, True)


@pytest.mark.parametrize("text, time", [("UTF8", "TIMESTAMP_MILLIS"), ("STRING", "TIMESTAMP(MILLIS,true)")])
def test_both_spellings_of_a_parquet_schema_are_read(
    deliver_inventory: Deliver, place: Opened, text: str, time: str
) -> None:
    spelled = (
        f"message s3.inventory {{  required binary bucket ({text});  required binary key ({text});"
        f"  optional int64 size;  optional int64 last_modified_date ({time});}}"
    )
    opened = place("s3-inventory", deliver_inventory([entry()], fileSchema=spelled), "train")
    assert s3_inventory.find(opened).deliveries[0].columns == ("bucket", "key", "size", "last_modified_date")


def test_a_delivery_counts_from_the_moment_it_describes(deliver_inventory: Deliver, place: Opened) -> None:
    opened = place("s3-inventory", deliver_inventory([entry()]), "train")
    [delivery] = s3_inventory.find(opened).deliveries
    assert delivery.delivered_at == delivery.snapshot_at == datetime.fromisoformat("2026-11-19T01:00:00")
    assert delivery.delivery_id == f"2026-11-19T01-00Z-{delivery.checksum[:12]}"
    assert delivery.scope == "train"


def test_only_listed_files_are_read(deliver_inventory: Deliver, place: Opened, rows_of: RowsOf) -> None:
    folder = deliver_inventory([entry("old")], stamp="2026-11-18T01-00Z")
    deliver_inventory([entry("new")], stamp="2026-11-19T01-00Z")
    (folder / "data" / "stray.parquet").write_bytes(b"not even Parquet")
    opened = place("s3-inventory", folder, "train")
    deliveries = s3_inventory.find(opened).deliveries
    assert [[row["object_key"] for row in rows_of(opened, each)] for each in deliveries] == [["old"], ["new"]]


@pytest.mark.parametrize("below", ["", "lists", "lists/train/daily", "lists/train/daily/2026-11-19T01-00Z"])
def test_the_bucket_s_root_is_found_from_any_folder_of_a_copy(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf, below: str
) -> None:
    root = deliver_inventory([entry()]).parents[2]
    opened = place("s3-inventory", root / below, "train")
    assert len(rows_of(opened, s3_inventory.find(opened).deliveries[0])) == 1


def test_a_copy_of_the_configuration_s_folder_alone_is_read(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf, tmp_path: Path
) -> None:
    shutil.copytree(deliver_inventory([entry()]), tmp_path / "copy [1]")
    opened = place("s3-inventory", tmp_path / "copy [1]", "train")
    assert len(rows_of(opened, s3_inventory.find(opened).deliveries[0])) == 1


def test_a_folder_without_checksum_is_still_arriving(deliver_inventory: Deliver, place: Opened) -> None:
    folder = deliver_inventory([entry()], stamp="2026-11-18T01-00Z")
    deliver_inventory([entry()], stamp="2026-11-19T01-00Z")
    (folder / "2026-11-19T01-00Z" / "manifest.checksum").unlink()
    opened = place("s3-inventory", folder, "train")
    assert [each.delivery_id[:10] for each in s3_inventory.find(opened).deliveries] == ["2026-11-18"]
    (folder / "2026-11-18T01-00Z" / "manifest.checksum").unlink()
    with pytest.raises(Transient, match="still arriving"):
        s3_inventory.find(opened)


def test_a_place_without_any_manifest_says_what_was_looked_for(place: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        s3_inventory.find(place("s3-inventory", tmp_path, "train"))


def test_a_manifest_with_a_wrong_checksum_is_refused(deliver_inventory: Deliver, place: Opened) -> None:
    folder = deliver_inventory([entry()])
    (folder / "2026-11-19T01-00Z" / "manifest.checksum").write_text("0" * 32 + "\n")
    found = s3_inventory.find(place("s3-inventory", folder, "train"))
    assert found.deliveries == ()
    assert "checksum beside it says" in found.rejected[0].reason


@pytest.mark.parametrize(
    "change, said",
    [
        ({"reportFiles": []}, "another family: Storage Lens"),
        ({"fileFormat": "JSON"}, "its files are 'JSON'"),
        ({"files": None}, "it has no files"),
        ({"files": [{"key": "x"}]}, "a value in it cannot be read"),
        ({"creationTimestamp": "yesterday"}, "a value in it cannot be read"),
        (
            {"fileSchema": "message s3.inventory { required binary bucket (UTF8); }"},
            "key, size, last_modified_date",
        ),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    deliver_inventory: Deliver, place: Opened, change: dict[str, object], said: str
) -> None:
    found = s3_inventory.find(place("s3-inventory", deliver_inventory([entry()], **change), "train"))
    assert found.deliveries == ()
    [rejected] = found.rejected
    assert said in rejected.reason
    assert (rejected.table, rejected.scope) == ("s3_inventory", "train")


def test_a_damaged_manifest_does_not_keep_the_others_back(deliver_inventory: Deliver, place: Opened) -> None:
    deliver_inventory([entry()], stamp="2026-11-18T01-00Z")
    folder = deliver_inventory([entry()], stamp="2026-11-19T01-00Z", fileFormat="JSON")
    found = s3_inventory.find(place("s3-inventory", folder, "train"))
    assert [each.delivery_id[:10] for each in found.deliveries] == ["2026-11-18"]
    assert [each.delivery_id[:10] for each in found.rejected] == ["2026-11-19"]


def test_a_list_of_another_bucket_is_a_wrong_setting(deliver_inventory: Deliver, place: Opened) -> None:
    folder = deliver_inventory([entry()], sourceBucket="other")
    with pytest.raises(Terminal, match="lists bucket 'other', not 'train'"):
        s3_inventory.find(place("s3-inventory", folder, "train"))


def test_a_manifest_that_is_not_json_is_refused(deliver_inventory: Deliver, place: Opened) -> None:
    folder = deliver_inventory([entry()])
    text = b"<html>"
    (folder / "2026-11-19T01-00Z" / "manifest.json").write_bytes(text)
    (folder / "2026-11-19T01-00Z" / "manifest.checksum").write_text(md5(text))
    [rejected] = s3_inventory.find(place("s3-inventory", folder, "train")).rejected
    assert "it is not JSON" in rejected.reason


def test_no_files_means_no_objects(deliver_inventory: Deliver, place: Opened, rows_of: RowsOf) -> None:
    opened = place("s3-inventory", deliver_inventory(files=[]), "train")
    assert rows_of(opened, s3_inventory.find(opened).deliveries[0]) == []


def test_a_listed_file_that_is_missing_is_named(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    folder = deliver_inventory([entry()])
    (folder / "data" / "2026-11-19T01-00Z.parquet").unlink()
    opened = place("s3-inventory", folder, "train")
    with pytest.raises(Damaged, match=r"missing\n.*2026-11-19T01-00Z\.parquet"):
        rows_of(opened, s3_inventory.find(opened).deliveries[0])


@pytest.mark.parametrize(
    "damage, said",
    [(lambda body: body[:-1], "bytes and should have"), (lambda body: body[:-1] + b"x", "has MD5")],
    ids=["too short", "changed"],
)
def test_a_listed_file_that_changed_is_refused(
    deliver_inventory: Deliver,
    place: Opened,
    rows_of: RowsOf,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    folder = deliver_inventory([entry()])
    file = folder / "data" / "2026-11-19T01-00Z.parquet"
    file.write_bytes(damage(file.read_bytes()))
    opened = place("s3-inventory", folder, "train")
    with pytest.raises(Damaged, match=said):
        rows_of(opened, s3_inventory.find(opened).deliveries[0])


def test_a_truncated_gzip_is_refused_even_if_its_checksum_agrees(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    folder = deliver_inventory([entry(f"runs/{number}") for number in range(5000)], file_format="CSV")
    file = folder / "data" / "2026-11-19T01-00Z.csv.gz"
    body = file.read_bytes()[:2000]
    listed = {"key": "lists/train/daily/data/cut.csv.gz", "size": 2000, "MD5checksum": md5(body)}
    (folder / "data" / "cut.csv.gz").write_bytes(body)
    deliver_inventory([entry()], file_format="CSV", files=[listed])
    opened = place("s3-inventory", folder, "train")
    with pytest.raises(Damaged, match="cannot be read") as caught:
        rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert "cut.csv.gz" in caught.value.where


def test_gzip_members_may_follow_one_another(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    folder = deliver_inventory([entry("a")], file_format="CSV")
    file = folder / "data" / "2026-11-19T01-00Z.csv.gz"
    body = file.read_bytes() + gzip.compress(b"") + file.read_bytes()
    (folder / "data" / "two.csv.gz").write_bytes(body)
    listed = {"key": "lists/train/daily/data/two.csv.gz", "size": len(body), "MD5checksum": md5(body)}
    deliver_inventory([entry("a")], file_format="CSV", files=[listed])
    opened = place("s3-inventory", folder, "train")
    assert [row["object_key"] for row in rows_of(opened, s3_inventory.find(opened).deliveries[0])] == [
        "a",
        "a",
    ]


def test_a_file_without_a_column_that_its_manifest_promises_is_refused(
    deliver_inventory: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    schema = "message s3.inventory { optional int64 size; optional binary bucket; optional binary key; "
    promised = schema + "optional int64 last_modified_date; }"
    folder = deliver_inventory([entry()], columns=("Bucket", "Key"), fileSchema=promised)
    opened = place("s3-inventory", folder, "train")
    with pytest.raises(Damaged, match="size, last_modified_date"):
        rows_of(opened, s3_inventory.find(opened).deliveries[0])


def test_a_source_that_is_a_service_is_refused(place: Opened) -> None:
    with pytest.raises(Terminal, match="read from files"):
        s3_inventory.find(place("s3-inventory", "http://127.0.0.1:1", "train"))


@pytest.mark.parametrize("folder", ["csv-all-versions", "parquet", "orc"])
def test_a_real_inventory_is_read(samples: Path, place: Opened, rows_of: RowsOf, folder: str) -> None:
    opened = place("s3-inventory", samples / "s3-inventory" / folder, "filemanager-inventory-test")
    [delivery] = s3_inventory.find(opened).deliveries
    rows = rows_of(opened, delivery)
    columns = ("object_key", "is_latest", "is_delete_marker", "size_bytes")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("inventory-test/", True, False, 0),
        ("inventory-test/key1", False, False, 0),
        ("inventory-test/key1", True, False, 5),
        ("inventory-test/key2", True, True, None),
        ("inventory-test/key2", False, False, 5),
    ]
    assert {row["encryption_status"] for row in rows} == {"SSE-S3", None}
    assert min(row["last_modified_at"] for row in rows) == datetime.fromisoformat("2024-05-06T22:37:48")


def test_an_inventory_is_read_from_a_bucket(
    deliver_inventory: Deliver,
    s3_place: Opened,
    upload: Callable[[Path, str], None],
    bucket: str,
    rows_of: RowsOf,
) -> None:
    folder = deliver_inventory([entry("runs/a b+c/%41")], file_format="CSV")
    upload(folder.parents[2], bucket)
    opened = s3_place("s3-inventory", f"s3://{bucket}/lists/train", "train")
    [row] = rows_of(opened, s3_inventory.find(opened).deliveries[0])
    assert row["object_key"] == "runs/a b+c/%41"
    assert list((opened.scratch).iterdir()) == []


def directories(*rows: dict[str, object]) -> list[dict[str, Any]]:
    """Return the roll-up of rows as `landed` holds them."""
    plain = {
        "bucket": "train",
        "directory": "runs/1/",
        "storage_class": "STANDARD",
        "lists_versions": True,
        "is_latest": True,
        "is_delete_marker": False,
        "size_bytes": 100,
        "last_modified_at": datetime.fromisoformat("2026-11-01T18:00:00"),
        "snapshot_at": datetime.fromisoformat("2026-11-19T01:00:00"),
    }
    with duckdb.connect() as connection:
        connection.register("landed", pa.Table.from_pylist([plain | row for row in rows]))
        made = connection.sql(s3_inventory.ROLLUPS["s3_inventory_directories"])
        return made.to_arrow_table().to_pylist()  # type: ignore[no-any-return]


def test_the_directories_add_up_objects_bytes_and_the_first_day_s_byte_seconds() -> None:
    evening = datetime.fromisoformat("2026-11-01T23:59:59")
    [row] = directories({}, {"size_bytes": 7, "last_modified_at": evening})
    assert (row["object_count"], row["size_bytes"]) == (2, 107)
    assert row["first_day_byte_seconds"] == Decimal(100 * 6 * 3600 + 7 * 1)
    assert row["is_current"] is True


def test_the_directories_tell_small_objects_apart() -> None:
    sizes = (0, 131_071, 131_072, 2**40)
    sized: list[dict[str, object]] = [{"size_bytes": size} for size in sizes]
    [row] = directories(*sized, {"is_delete_marker": True})
    assert (row["object_count"], row["small_object_count"], row["small_object_bytes"]) == (4, 2, 131_071)
    [row] = directories({"size_bytes": 131_072})
    assert (row["small_object_count"], row["small_object_bytes"]) == (0, 0)


def test_the_directories_leave_out_delete_markers_and_keep_noncurrent_versions_apart() -> None:
    marker: dict[str, object] = {"is_delete_marker": True, "size_bytes": None}
    rows = directories({}, {"is_latest": False, "size_bytes": 3}, marker)
    assert {row["is_current"]: (row["object_count"], row["size_bytes"]) for row in rows} == {
        True: (1, 100),
        False: (1, 3),
    }


def test_every_object_of_a_list_without_versions_is_current() -> None:
    [row] = directories({"lists_versions": False, "is_latest": None, "is_delete_marker": None})
    assert row["is_current"] is True


def test_byte_seconds_of_the_largest_buckets_do_not_overflow() -> None:
    [row] = directories(
        *[{"size_bytes": 5 * 10**16, "last_modified_at": datetime.fromisoformat("2026-11-01T00:00:00")}] * 3
    )
    assert row["first_day_byte_seconds"] == Decimal(3 * 5 * 10**16 * 86400)
