"""What lies in a bucket: objects with a declared size, and uploads that nobody finished."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.demo.chance import digest

PART_BYTES = 64 * 1024**2
"""Clients upload in parts from here on; the ETag of such an object ends in the number of parts."""
_MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, or one version of it. It exists from `modified_at` on, until `gone_at` where it is gone."""

    bucket: str
    key: str
    size_bytes: int
    """What the bucket says and bills; the stored `body` may be smaller."""
    modified_at: datetime
    etag: str
    storage_class: str = "STANDARD"
    body: bytes = b""
    version_id: str | None = None
    is_delete_marker: bool = False
    gone_at: datetime | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun and never completed: billed, and in no list of objects."""

    bucket: str
    key: str
    upload_id: str
    initiated_at: datetime
    part_sizes: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(self.part_sizes)


def declare(
    bucket: str, key: str, size_bytes: int, modified_at: datetime, *, storage_class: str = "STANDARD"
) -> StoredObject:
    """Return an object of which only the size matters; a few bytes stand for its content."""
    fingerprint = digest("etag", bucket, key, size_bytes, modified_at)
    etag = f"{fingerprint}-{part_count(size_bytes)}" if size_bytes > PART_BYTES else fingerprint
    body = f"{key} stands for {size_bytes} bytes\n".encode()[:size_bytes]
    return StoredObject(bucket, key, size_bytes, modified_at, etag, storage_class, body)


def write(bucket: str, key: str, body: bytes, modified_at: datetime) -> StoredObject:
    """Return an object whose content matters: it is stored as it is."""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return StoredObject(bucket, key, len(body), modified_at, etag, body=body)


def part_count(size_bytes: int) -> int:
    """Return the number of parts an object of that size is uploaded in."""
    return min(_MOST_PARTS, -(-size_bytes // PART_BYTES))


def part_times(upload: OpenUpload) -> tuple[datetime, ...]:
    """Return when each part of an upload arrived: half a minute apart."""
    count = len(upload.part_sizes)
    return tuple(upload.initiated_at + timedelta(seconds=30 * number) for number in range(1, count + 1))
