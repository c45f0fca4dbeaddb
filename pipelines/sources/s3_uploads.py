"""Open multipart uploads of a bucket: billed, and neither in an inventory nor in a listing.

They are asked of the bucket itself, so only where its inventory is read from S3 too. Who may read inventories
may not be allowed to look into the bucket: that is a warning, never a reason to miss the inventory.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from pipelines.domain.deliveries import Delivery
from pipelines.domain.uris import BucketUri
from pipelines.errors import MoraineError
from pipelines.sources import observed
from pipelines.sources.places import Place
from pipelines.stores import s3_client
from pipelines.stores.s3 import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

MOST_MEASURED = 10_000
"""Uploads whose parts are listed, one request each; the size of further ones is unknown, not zero."""

_LISTERS = 8

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class NotListed:
    """Why the uploads of a bucket could not be listed."""

    reason: str


def find(place: Place, now: datetime) -> Delivery | NotListed | None:
    """Return the uploads open at `now` as a delivery, or why not; None where there is no bucket to ask."""
    if not isinstance(place.uri, BucketUri) or place.uri.scheme != "s3":
        return None
    bucket = place.source.bucket or place.uri.bucket
    # A listing's uri says what of the bucket is wanted; an inventory's where the inventory is.
    prefix = "" if place.source.bucket else place.prefix
    try:
        with explained(f"s3://{bucket}"):
            rows = _rows(s3_client(bucket, place.endpoints), bucket, prefix)
    except MoraineError as error:
        return NotListed(
            f"open multipart uploads of s3://{bucket} were not listed: {error.what}. "
            "Give these credentials s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts there."
        )
    checksum = observed.fingerprint(rows)
    delivery = Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="s3_uploads",
        delivery_id=f"{now:%Y-%m-%d}-{checksum[:12]}",
        delivered_at=now,
        checksum=checksum,
        scope=bucket,
        snapshot_at=now,
    )
    return observed.keep(place, delivery, [{**row, "listed_at": now} for row in rows])


def _rows(client: "S3Client", bucket: str, prefix: str) -> list[Row]:
    uploads = _open_uploads(client, bucket, prefix)
    with ThreadPoolExecutor(_LISTERS) as pool:
        measured = list(
            pool.map(lambda upload: _measured(client, bucket, upload), islice(uploads, MOST_MEASURED))
        )
    rows = [row for row in measured if row is not None]
    return rows + [_row(bucket, upload) for upload in uploads]


def _open_uploads(client: "S3Client", bucket: str, prefix: str) -> Iterator["MultipartUploadTypeDef"]:
    # Not boto3's own paging: it would send an encoded key back as the place to go on from.
    begin: dict[str, str] = {}
    while True:
        page = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix, EncodingType="url", **begin)  # type: ignore[arg-type]  # of a dictionary mypy knows one type only
        decoded = unquote_plus if page.get("EncodingType") == "url" else str
        for upload in page.get("Uploads", []):
            yield {**upload, "Key": decoded(upload["Key"])}
        if not page.get("IsTruncated"):
            return
        begin = {
            "KeyMarker": decoded(page["NextKeyMarker"]),
            "UploadIdMarker": page["NextUploadIdMarker"],
        }


def _measured(client: "S3Client", bucket: str, upload: "MultipartUploadTypeDef") -> Row | None:
    try:
        pages = client.get_paginator("list_parts").paginate(
            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
        sizes = [part["Size"] for page in pages for part in page.get("Parts", [])]
    except client.exceptions.NoSuchUpload:
        # Completed or aborted since it was listed.
        return None
    return {**_row(bucket, upload), "part_count": len(sizes), "size_bytes": sum(sizes)}


def _row(bucket: str, upload: "MultipartUploadTypeDef") -> Row:
    return {
        "bucket": bucket,
        "object_key": upload["Key"],
        "upload_id": upload["UploadId"],
        "initiated_at": upload["Initiated"].astimezone(UTC).replace(tzinfo=None),
        "storage_class": upload.get("StorageClass"),
        "part_count": None,
        "size_bytes": None,
    }
