"""S3 Inventory deliveries, as S3 writes them: weekly over the history, daily at its end.

Parquet for the training bucket (current objects), gzip CSV for the versioned datasets (all versions).
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.demo import datasets, training
from pipelines.demo.chance import identifier
from pipelines.demo.company import Company
from pipelines.demo.logs import BUCKET as DESTINATION
from pipelines.demo.objects import StoredObject, write

CONFIGURATIONS = {training.BUCKET: "current-objects", datasets.BUCKET: "all-versions"}
_SCAN_HOUR = 1
_DELIVERED_AFTER = timedelta(hours=3)
_ROWS_PER_FILE = 2000

_PARQUET_COLUMNS = (
    pa.field("bucket", pa.string(), nullable=False),
    pa.field("key", pa.string(), nullable=False),
    pa.field("size", pa.int64()),
    pa.field("last_modified_date", pa.timestamp("ms", tz="UTC")),
    pa.field("e_tag", pa.string()),
    pa.field("storage_class", pa.string()),
    pa.field("is_multipart_uploaded", pa.bool_()),
    pa.field("replication_status", pa.string()),
    pa.field("encryption_status", pa.string()),
)
_PARQUET_SCHEMA = (
    "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);"
    "  optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));"
    "  optional binary e_tag (STRING);"
    "  optional binary storage_class (STRING);  optional boolean is_multipart_uploaded;"
    "  optional binary replication_status (STRING);  optional binary encryption_status (STRING);}"
)
_CSV_SCHEMA = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass,"
    " IsMultipartUploaded, ReplicationStatus, EncryptionStatus"
)


@dataclass(frozen=True, slots=True)
class _Listed:
    item: StoredObject
    is_latest: bool


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    ending: str
    schema: str
    encode: Callable[[Sequence[_Listed]], bytes]
    has_versions: bool = True


def inventory_deliveries(company: Company) -> Iterator[StoredObject]:
    """Yield the files of every delivery, a delivery's manifest and checksum last."""
    formats = {
        training.BUCKET: _Format("Parquet", "parquet", _PARQUET_SCHEMA, _parquet, has_versions=False),
        datasets.BUCKET: _Format("CSV", "csv.gz", _CSV_SCHEMA, _csv),
    }
    for bucket, form in formats.items():
        for scanned_at in scan_times(company):
            yield from _delivery(company, bucket, form, scanned_at)


def scan_times(company: Company) -> list[datetime]:
    """Return when the buckets were listed: each Sunday, and after each of the last two days."""
    nights = (datetime.combine(day, time(_SCAN_HOUR)) for day in company.days[1:])
    newest = company.midnight + timedelta(hours=_SCAN_HOUR)
    daily = {newest, newest - timedelta(days=1)}
    return sorted({night for night in nights if night.weekday() == 6} | daily)


def _delivery(company: Company, bucket: str, form: _Format, scanned_at: datetime) -> Iterator[StoredObject]:
    root = f"inventory/{bucket}/{CONFIGURATIONS[bucket]}"
    listed = _list(company.objects_of(bucket, scanned_at))
    if not form.has_versions:
        listed = [entry for entry in listed if entry.is_latest and not entry.item.is_delete_marker]
    delivered_at = scanned_at + _DELIVERED_AFTER
    files = []
    for start in range(0, max(1, len(listed)), _ROWS_PER_FILE):
        name = identifier("inventory", bucket, scanned_at, start)
        body = form.encode(listed[start : start + _ROWS_PER_FILE])
        files.append(write(DESTINATION, f"{root}/data/{name}.{form.ending}", body, delivered_at))
    yield from files
    manifest = json.dumps(_manifest(bucket, form, scanned_at, files), indent=2).encode()
    folder = f"{root}/{scanned_at:%Y-%m-%dT%H-%MZ}"
    symlinks = "\n".join(f"s3://{DESTINATION}/{file.key}" for file in files).encode()
    yield write(
        DESTINATION, f"{root}/hive/dt={scanned_at:%Y-%m-%d-%H-%M}/symlink.txt", symlinks, delivered_at
    )
    yield write(DESTINATION, f"{folder}/manifest.json", manifest, delivered_at + timedelta(seconds=20))
    checksum = hashlib.md5(manifest, usedforsecurity=False).hexdigest() + "\n"
    yield write(
        DESTINATION, f"{folder}/manifest.checksum", checksum.encode(), delivered_at + timedelta(seconds=21)
    )


def _list(items: Iterator[StoredObject]) -> list[_Listed]:
    """S3's order: keys as bytes, of each key the newest version first."""
    newest_first = sorted(items, key=lambda item: item.modified_at, reverse=True)
    listed, seen = [], set()
    for item in newest_first:
        listed.append(_Listed(item, item.key not in seen))
        seen.add(item.key)
    return sorted(listed, key=lambda entry: entry.item.key.encode())


def _manifest(
    bucket: str, form: _Format, scanned_at: datetime, files: list[StoredObject]
) -> dict[str, object]:
    return {
        "sourceBucket": bucket,
        "destinationBucket": f"arn:aws:s3:::{DESTINATION}",
        "version": "2016-11-30",
        "creationTimestamp": str(round(scanned_at.replace(tzinfo=UTC).timestamp() * 1000)),
        "fileFormat": form.name,
        "fileSchema": form.schema,
        "files": [{"key": file.key, "size": file.size_bytes, "MD5checksum": file.etag} for file in files],
    }


def _parquet(listed: Sequence[_Listed]) -> bytes:
    rows = [
        {
            "bucket": item.bucket,
            "key": item.key,
            "size": item.size_bytes,
            "last_modified_date": item.modified_at.replace(tzinfo=UTC),
            "e_tag": item.etag,
            "storage_class": item.storage_class,
            "is_multipart_uploaded": "-" in item.etag,
            "replication_status": None,
            "encryption_status": "SSE-S3",
        }
        for item in (entry.item for entry in listed)
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(_PARQUET_COLUMNS)), sink, compression="snappy")
    return sink.getvalue()


def _csv(listed: Sequence[_Listed]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(_csv_row(entry.item, is_latest=entry.is_latest) for entry in listed)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _csv_row(item: StoredObject, *, is_latest: bool) -> list[str]:
    stored = not item.is_delete_marker
    return [
        item.bucket,
        quote_plus(item.key, safe="/"),
        item.version_id or "",
        str(is_latest).lower(),
        str(item.is_delete_marker).lower(),
        str(item.size_bytes) if stored else "",
        f"{item.modified_at:%Y-%m-%dT%H:%M:%S}.000Z",
        item.etag,
        item.storage_class,
        str("-" in item.etag).lower() if stored else "",
        "",
        "SSE-S3" if stored else "",
    ]
