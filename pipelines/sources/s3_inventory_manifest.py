"""The manifest of an S3 Inventory delivery, as values. Pure: text in, values out."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.domain.deliveries import Part
from pipelines.errors import Damaged
from pipelines.sources.columns import require

REQUIRED = ("bucket", "key", "size", "last_modified_date")
"""Without these nothing can be said about an object."""

FORMATS = ("CSV", "Parquet", "ORC")

_FIELDS = ("sourceBucket", "creationTimestamp", "fileFormat", "fileSchema", "files")
_PARQUET_COLUMN = re.compile(r"(?:required|optional|repeated)\s+\w+\s+(\w+)")
_ORC_COLUMN = re.compile(r"(\w+):")
_COLUMNAR = {
    "Bucket": "bucket",
    "Key": "key",
    "VersionId": "version_id",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
    "StorageClass": "storage_class",
    "IsMultipartUploaded": "is_multipart_uploaded",
    "ReplicationStatus": "replication_status",
    "EncryptionStatus": "encryption_status",
    "ObjectLockRetainUntilDate": "object_lock_retain_until_date",
    "ObjectLockMode": "object_lock_mode",
    "ObjectLockLegalHoldStatus": "object_lock_legal_hold_status",
    "IntelligentTieringAccessTier": "intelligent_tiering_access_tier",
}
"""CSV lists spell columns differently from Parquet and ORC lists."""

# Stores that copy this format write seconds; as milliseconds those would all lie in January 1970.
_SECONDS_UNTIL = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says."""

    source_bucket: str
    snapshot_at: datetime
    """When the listing began (UTC, naive)."""
    file_format: str
    columns: tuple[str, ...]
    """Names as Parquet lists spell them, in file order."""
    files: tuple[Part, ...]


def parse_manifest(text: bytes, *, where: str) -> Manifest:
    """Return a manifest's values.

    Raises:
        Damaged: not JSON, of another family, or without a column that is needed.
    """
    document = _document(text, where)
    file_format = _file_format(str(document["fileFormat"]), where)
    columns = _columns(str(document["fileSchema"]), file_format)
    require(columns, REQUIRED, where=where, fix="Add {} to the inventory configuration's optional fields.")
    try:
        return Manifest(
            source_bucket=str(document["sourceBucket"]),
            snapshot_at=_moment(document["creationTimestamp"]),
            file_format=file_format,
            columns=columns,
            files=_files(document["files"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise _foreign(f"a value in it cannot be read ({type(error).__name__}: {error})", where) from None


def _document(text: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise _foreign("it is not JSON", where) from None
    if not isinstance(document, dict):
        raise _foreign("it is not a JSON object", where)
    if "reportFiles" in document:
        raise _foreign("it is of another family: Storage Lens", where)
    absent = [name for name in _FIELDS if name not in document]
    if absent:
        raise _foreign(f"it has no {', '.join(absent)}", where)
    return document


def _file_format(spelled: str, where: str) -> str:
    for known in FORMATS:
        if spelled.lower() == known.lower():
            return known
    raise _foreign(f"its files are {spelled!r}, and {', '.join(FORMATS)} are read", where)


def _columns(schema: str, file_format: str) -> tuple[str, ...]:
    match file_format:
        case "CSV":
            names = [name.strip() for name in schema.split(",")]
            return tuple(_COLUMNAR.get(name, name) for name in names)
        case "ORC":
            return tuple(_ORC_COLUMN.findall(schema))
        case _:
            return tuple(_PARQUET_COLUMN.findall(schema))


def _files(listed: Iterable[Mapping[str, Any]]) -> tuple[Part, ...]:
    parts = [Part(str(file["key"]), int(file["size"]), str(file["MD5checksum"])) for file in listed]
    # The same file twice would count its objects twice.
    once = tuple(dict.fromkeys(parts))
    if len({part.key for part in once}) < len(once):
        raise ValueError("it lists a file twice, and differently")
    return once


def _moment(spelled: object) -> datetime:
    number = int(str(spelled))
    seconds = number if number < _SECONDS_UNTIL else number / 1000
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _foreign(problem: str, where: str) -> Damaged:
    return Damaged(
        f"this is not an S3 Inventory manifest that can be read: {problem}",
        where=where,
        fix="Point the source's uri at <prefix>/<source bucket>/<configuration> of an S3 Inventory.",
    )
