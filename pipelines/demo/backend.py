"""moto's S3 backend, taught to remember declared sizes and planned times.

A bucket of the demo says that it holds gigabytes and stores a few bytes: `HEAD`, lists and parts report the
declared size, and copies inherit it. Only `GET` returns what is stored.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Self

from moto.core.utils import unix_time_millis
from moto.s3.exceptions import BucketAlreadyExists, NoSuchUpload
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, FakeMultipart, S3Backend, s3_backends

from pipelines.demo.objects import OpenUpload, StoredObject, part_times

PARTITION = "aws"
_accounts = count(100_000_000_001)


class DeclaredKey(FakeKey):  # type: ignore[misc]  # moto has no types
    """An object, or a part of an upload, that may declare another size than it stores."""

    declared_bytes: int | None = None
    _is_view = False

    @property
    def contentsize(self) -> int:
        """What the object says its size is."""
        return self.stored_bytes if self.declared_bytes is None else self.declared_bytes

    @contentsize.setter
    def contentsize(self, size: int) -> None:
        self.stored_bytes = size

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # For each page of a list of versions moto copies every version, content and all, and never lets go.
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__, _is_view=True)
        return view

    def dispose(self, garbage: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  (moto's signature)
        """Let go of the stored bytes; what only looks at another's bytes leaves them alone."""
        if not self._is_view and not self.disposed:
            super().dispose()


class CompanyBackend(S3Backend):  # type: ignore[misc]  # moto has no types
    """Keeps what moto would forget: declared sizes through copies, and when an upload was begun."""

    def __init__(self) -> None:
        # An account of its own: moto keeps all state of a process together, by account.
        super().__init__(PARTITION, str(next(_accounts)))
        self.initiated_at: dict[str, datetime] = {}

    def create_bucket(self, bucket_name: str, *args: object, **kwargs: object) -> FakeBucket:
        """Create a bucket; its name is taken in this account only."""
        if bucket_name in self.buckets:
            raise BucketAlreadyExists(bucket=bucket_name)
        s3_backends.bucket_accounts.pop(bucket_name, None)
        bucket = super().create_bucket(bucket_name, *args, **kwargs)
        s3_backends.bucket_accounts.pop(bucket_name, None)
        return bucket

    def put_object(self, *args: object, **kwargs: object) -> DeclaredKey:
        """Store an object."""
        return _declared(super().put_object(*args, **kwargs))

    def copy_object(
        self, src_key: FakeKey, dest_bucket_name: str, dest_key_name: str, **kwargs: object
    ) -> None:
        """Copy an object; the copy declares what its source declared."""
        source_etag, source_bytes = src_key.etag.strip('"'), getattr(src_key, "declared_bytes", None)
        super().copy_object(src_key, dest_bucket_name, dest_key_name, **kwargs)
        copy = self.get_object(dest_bucket_name, dest_key_name)
        copy.declared_bytes = source_bytes
        copy._etag = single_part_etag(source_etag)  # noqa: SLF001  (moto would take it from the stored bytes)

    def list_object_versions(
        self,
        bucket_name: str,
        key_marker: str | None = None,
        version_id_marker: str | None = None,
        **kwargs: object,
    ) -> tuple[list[FakeKey], list[str], list[FakeDeleteMarker], str | None, str | None]:
        """List versions; a key marker alone stands behind all versions of its key: moto loses a key there."""
        if key_marker and not version_id_marker and kwargs.get("delimiter") is None:
            key_marker, version_id_marker = self._last_version_until(bucket_name, key_marker)
        listed: tuple[list[FakeKey], list[str], list[FakeDeleteMarker], str | None, str | None] = (
            super().list_object_versions(
                bucket_name, key_marker=key_marker, version_id_marker=version_id_marker, **kwargs
            )
        )
        return listed

    def create_multipart_upload(self, *args: object, **kwargs: object) -> FakeMultipart:
        """Begin an upload."""
        upload = super().create_multipart_upload(*args, **kwargs)
        self.initiated_at[upload.id] = datetime.now(UTC)
        return upload

    def upload_part(self, bucket_name: str, multipart_id: str, part_id: int, value: bytes) -> DeclaredKey:
        """Store a part."""
        self._require_upload(bucket_name, multipart_id)
        return _declared(super().upload_part(bucket_name, multipart_id, part_id, value))

    def upload_part_copy(  # noqa: PLR0913, PLR0917  (moto's signature)
        self,
        dest_bucket_name: str,
        multipart_id: str,
        part_id: int,
        src_bucket_name: str,
        src_key_name: str,
        src_version_id: str | None,
        start_byte: int | None,
        end_byte: int | None,
    ) -> DeclaredKey:
        """Store a part from a range of another object; it declares the length of that range."""
        self._require_upload(dest_bucket_name, multipart_id)
        source = self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
        part = self.upload_part(
            dest_bucket_name, multipart_id, part_id, source.value[start_byte : _after(end_byte)]
        )
        if getattr(source, "declared_bytes", None) is not None:
            part.declared_bytes = source.contentsize if end_byte is None else end_byte - (start_byte or 0) + 1
        return part

    def complete_multipart_upload(
        self, bucket_name: str, multipart_id: str, body: Iterator[tuple[int, str]]
    ) -> DeclaredKey:
        """Make an object of the parts; it declares what they declare together."""
        self._require_upload(bucket_name, multipart_id)
        numbered = list(body)
        parts = self.get_bucket(bucket_name).multiparts[multipart_id].parts
        declared = [parts[number].contentsize for number, _ in numbered if number in parts]
        completed = _declared(super().complete_multipart_upload(bucket_name, multipart_id, iter(numbered)))
        if sum(declared) != completed.stored_bytes:
            completed.declared_bytes = sum(declared)
        return completed

    def fill(self, item: StoredObject) -> None:
        """Put a planned object where it belongs, with its own time, version and ETag."""
        bucket = self.get_bucket(item.bucket)
        if item.is_delete_marker:
            marker = FakeDeleteMarker(key=bucket.keys[item.key])
            marker.last_modified = item.modified_at
            marker._version_id = item.version_id  # noqa: SLF001  (moto draws it by lot)
            bucket.keys[item.key] = marker
            return
        key = self._key(item, is_versioned=bucket.is_versioned)
        earlier = bucket.keys.getlist(item.key, []) if bucket.is_versioned else []
        bucket.keys.setlist(item.key, [*earlier, key])

    def open_upload(self, planned: OpenUpload) -> None:
        """Begin an upload that nobody will complete."""
        upload = FakeMultipart(planned.key, {}, account_id=self.account_id, region_name=self.region_name)
        upload.id = planned.upload_id
        for number, (size, at) in enumerate(
            zip(planned.part_sizes, part_times(planned), strict=True), start=1
        ):
            part = _declared(upload.set_part(number, f"part {number}".encode()))
            part.declared_bytes, part.last_modified = size, at
        self.get_bucket(planned.bucket).multiparts[upload.id] = upload
        self.initiated_at[upload.id] = planned.initiated_at.replace(tzinfo=UTC)

    def forget(self) -> None:
        """Close everything; moto remembers every object it ever made until it is told not to."""
        for kind in (DeclaredKey, FakeKey, FakeMultipart, FakeBucket):
            tracked = kind.instances_tracked
            kind.instances_tracked = [other for other in tracked if other.account_id != self.account_id]
            for instance in tracked:
                if instance.account_id == self.account_id and kind is not FakeBucket:
                    instance.dispose()
        self.buckets.clear()

    def _last_version_until(self, bucket_name: str, key: str) -> tuple[str | None, str | None]:
        keys = self.get_bucket(bucket_name).keys
        last = max((name for name, _ in keys.iterlists() if name <= key), default=None)
        if last is None:
            return None, None
        # As moto orders them: the newest first, and of the same moment the later in its list last.
        oldest = max(reversed(keys.getlist(last)), key=lambda one: -unix_time_millis(one.last_modified))
        return last, oldest.version_id

    def _require_upload(self, bucket_name: str, upload_id: str) -> None:
        # moto fails with a traceback where S3 answers 404.
        if upload_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=upload_id)

    def _key(self, item: StoredObject, *, is_versioned: bool) -> DeclaredKey:
        key = DeclaredKey(
            item.key,
            item.body,
            account_id=self.account_id,
            region_name=self.region_name,
            storage=item.storage_class,
            etag=item.etag,
            is_versioned=is_versioned,
            version_id=item.version_id or "null",
            bucket_name=item.bucket,
        )
        key.last_modified = item.modified_at
        if item.size_bytes != len(item.body):
            key.declared_bytes = item.size_bytes
        return key


def single_part_etag(etag: str) -> str:
    """Return the ETag of a copy made in one request: what was uploaded in parts gets a new one."""
    if "-" not in etag:
        return etag
    return hashlib.md5(etag.encode(), usedforsecurity=False).hexdigest()


def _declared(key: FakeKey) -> DeclaredKey:
    # moto makes its own kind of key deep inside; this subclass adds behaviour only, so a key may become one.
    if not isinstance(key, DeclaredKey):
        key.stored_bytes = key.__dict__.pop("contentsize")
        key.__class__ = DeclaredKey
    assert isinstance(key, DeclaredKey)  # noqa: S101  (for the type checker: moto has no types)
    return key


def _after(last: int | None) -> int | None:
    return None if last is None else last + 1
