"""Open multipart uploads of an inventoried bucket: billed, and in no inventory.

They are asked of the bucket itself, so only where the inventory is read from S3 too. Who may read inventories
may not be allowed to look into the bucket: that is a warning, never a reason to miss the inventory.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

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
    bucket = place.source.bucket
    if not isinstance(place.uri, BucketUri) or bucket is None:
        return None
    try:
        with explained(f"s3://{bucket}"):
            rows = _rows(s3_client(bucket, place.endpoints), bucket)
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
    observed.keep(place, delivery, [{**row, "listed_at": now} for row in rows])
    return delivery


def read(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return one row per open upload.

    Raises:
        Terminal: the uploads were found with another scratch directory.
    """
    return observed.kept(place, delivery)


def _rows(client: "S3Client", bucket: str) -> list[Row]:
    uploads = _open_uploads(client, bucket)
    with ThreadPoolExecutor(_LISTERS) as pool:
        measured = list(
            pool.map(lambda upload: _measured(client, bucket, upload), islice(uploads, MOST_MEASURED))
        )
    rows = [row for row in measured if row is not None]
    return rows + [_row(bucket, upload) for upload in uploads]


def _open_uploads(client: "S3Client", bucket: str) -> Iterator["MultipartUploadTypeDef"]:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        yield from page.get("Uploads", [])


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
