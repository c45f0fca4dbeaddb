"""Open multipart uploads: listed through the bucket itself, and never a reason to miss an inventory."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines import sources
from pipelines.domain.deliveries import Delivery
from pipelines.errors import Terminal
from pipelines.sources import s3_uploads
from pipelines.sources.places import Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime.fromisoformat("2026-11-20T06:30:00")

Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def open_upload(s3: "S3Client", bucket: str) -> Callable[..., str]:
    """Return a function that starts an upload, sends parts of it and leaves it open."""

    def opened(key: str, *parts: bytes) -> str:
        upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        for number, body in enumerate(parts, start=1):
            s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
        return upload_id

    return opened


def test_an_open_upload_is_listed_with_the_bytes_of_its_parts(
    open_upload: Callable[..., str], s3_place: Opened, bucket: str, rows_of: RowsOf
) -> None:
    upload_id = open_upload("runs/a b+c.pt", b"x" * 10, b"y" * 7)
    open_upload("runs/empty.pt")
    opened = s3_place("s3-inventory", "s3://inventories", bucket)
    delivery = s3_uploads.find(opened, NOW)
    assert isinstance(delivery, Delivery)
    assert (delivery.table, delivery.scope, delivery.delivered_at) == ("s3_uploads", bucket, NOW)
    assert delivery.delivery_id.startswith("2026-11-20-")
    first, second = sorted(rows_of(opened, delivery), key=lambda row: str(row["object_key"]))
    assert (first["object_key"], first["upload_id"]) == ("runs/a b+c.pt", upload_id)
    assert (first["part_count"], first["size_bytes"], first["listed_at"]) == (2, 17, NOW)
    assert (second["part_count"], second["size_bytes"]) == (0, 0)
    assert first["initiated_at"].tzinfo is None


def test_a_bucket_without_open_uploads_is_a_delivery_of_no_rows(
    s3_place: Opened, bucket: str, rows_of: RowsOf
) -> None:
    opened = s3_place("s3-inventory", "s3://inventories", bucket)
    delivery = s3_uploads.find(opened, NOW)
    assert isinstance(delivery, Delivery)
    assert rows_of(opened, delivery) == []


def test_sizes_beyond_the_limit_are_unknown_and_not_zero(
    open_upload: Callable[..., str],
    s3_place: Opened,
    bucket: str,
    rows_of: RowsOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_uploads, "MOST_MEASURED", 1)
    open_upload("a", b"xx")
    open_upload("b", b"yy")
    opened = s3_place("s3-inventory", "s3://inventories", bucket)
    delivery = s3_uploads.find(opened, NOW)
    assert isinstance(delivery, Delivery)
    assert sorted((row["size_bytes"] is None) for row in rows_of(opened, delivery)) == [False, True]


def test_an_upload_that_ended_since_it_was_listed_is_left_out(
    open_upload: Callable[..., str], s3: "S3Client", bucket: str
) -> None:
    upload_id = open_upload("a", b"xx")
    [listed] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.abort_multipart_upload(Bucket=bucket, Key="a", UploadId=upload_id)
    assert s3_uploads._measured(s3, bucket, listed) is None


def test_a_bucket_that_cannot_be_listed_is_a_reason_and_not_an_error(s3_place: Opened) -> None:
    found = s3_uploads.find(s3_place("s3-inventory", "s3://inventories", "no-such-bucket"), NOW)
    assert isinstance(found, s3_uploads.NotListed)
    assert "no-such-bucket" in found.reason
    assert "s3:ListBucketMultipartUploads" in found.reason


def test_an_inventory_in_files_has_no_bucket_to_ask(place: Opened, tmp_path: Path) -> None:
    assert s3_uploads.find(place("s3-inventory", tmp_path, "train"), NOW) is None


def test_uploads_come_with_the_inventory_or_as_a_warning(
    deliver_inventory: Callable[..., Path],
    upload: Callable[[Path, str], None],
    open_upload: Callable[..., str],
    s3_place: Opened,
    bucket: str,
) -> None:
    open_upload("a", b"xx")
    upload(deliver_inventory(sourceBucket=bucket).parents[2], bucket)
    found = sources.find(s3_place("s3-inventory", f"s3://{bucket}/lists", bucket), NOW)
    assert [delivery.table for delivery in found.deliveries] == ["s3_inventory", "s3_uploads"]
    assert found.warnings == ()
    upload(deliver_inventory(sourceBucket="gone").parents[2], bucket)
    found = sources.find(s3_place("s3-inventory", f"s3://{bucket}/lists", "gone"), NOW)
    assert [delivery.table for delivery in found.deliveries] == ["s3_inventory"]
    assert len(found.warnings) == 1


def test_rows_of_another_scratch_directory_are_gone(s3_place: Opened, bucket: str, rows_of: RowsOf) -> None:
    opened = s3_place("s3-inventory", "s3://inventories", bucket)
    delivery = s3_uploads.find(opened, NOW)
    assert isinstance(delivery, Delivery)
    for file in opened.scratch.iterdir():
        file.unlink()
    with pytest.raises(Terminal, match="is gone"):
        rows_of(opened, delivery)
