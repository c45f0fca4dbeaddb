"""Buckets and generations, and how one becomes another: overwritten, noncurrent, soft-deleted, gone."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import google_crc32c

from tests.fakes.gcs.clock import Clock, stamp
from tests.fakes.gcs.messages import ApiError, Json, not_found

WRITABLE = (
    "acl",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "eventBasedHold",
    "kmsKeyName",
    "metadata",
    "retention",
    "temporaryHold",
)
"""What a client may set of an object besides its storage class."""


@dataclass(frozen=True)
class Content:
    """Bytes, or a size alone for objects that no test machine could hold."""

    data: bytes = b""
    declared_size: int | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data) if self.declared_size is None else self.declared_size

    @cached_property
    def crc32c(self) -> str:
        """Big endian, base64."""
        return base64.b64encode(google_crc32c.value(self.data).to_bytes(4, "big")).decode()

    @cached_property
    def md5(self) -> str:
        """Base64."""
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()


@dataclass(eq=False)
class Generation:
    """One version of an object."""

    name: str
    generation: int
    content: Content
    created_at: datetime
    storage_class: str
    fields: Json
    """The writable part of its metadata."""
    metageneration: int = 1
    updated_at: datetime | None = None
    component_count: int | None = None
    hold_released_at: datetime | None = None
    noncurrent_at: datetime | None = None
    soft_deleted_at: datetime | None = None
    hard_delete_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is what a reader of the name gets."""
        return self.noncurrent_at is None and self.soft_deleted_at is None

    @property
    def is_soft_deleted(self) -> bool:
        """Whether it can only be restored."""
        return self.soft_deleted_at is not None


@dataclass
class Bucket:
    """Settings as their JSON, and every generation of every name, oldest first."""

    name: str
    created_at: datetime
    fields: Json
    metageneration: int = 1
    updated_at: datetime | None = None
    objects: dict[str, list[Generation]] = field(default_factory=dict)

    @property
    def is_versioned(self) -> bool:
        """Whether what is overwritten stays as noncurrent."""
        return bool((self.fields.get("versioning") or {}).get("enabled"))

    @property
    def is_autoclass(self) -> bool:
        """Whether the service chooses the storage class."""
        return bool((self.fields.get("autoclass") or {}).get("enabled"))

    @property
    def soft_delete(self) -> timedelta:
        """How long deleted objects can be restored; zero when it is off."""
        policy = self.fields.get("softDeletePolicy") or {}
        return timedelta(seconds=int(policy.get("retentionDurationSeconds", 0)))

    @property
    def retention(self) -> timedelta:
        """How old an object must be to be deleted; zero without a policy."""
        policy = self.fields.get("retentionPolicy") or {}
        return timedelta(seconds=int(policy.get("retentionPeriod", 0)))

    def storage_class(self, wanted: object) -> str:
        """Return the class a new object gets."""
        default = "STANDARD" if self.is_autoclass else str(self.fields.get("storageClass", "STANDARD"))
        return default if self.is_autoclass or not wanted else str(wanted)

    def live(self, name: str) -> Generation | None:
        """Return what a reader of the name gets."""
        return next((found for found in self.objects.get(name, []) if found.is_live), None)

    def generations(self) -> Iterator[Generation]:
        """Yield all generations by name in byte order, oldest first."""
        for name in sorted(self.objects, key=lambda name: name.encode()):
            yield from self.objects[name]


class State:
    """Everything the service holds."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.buckets: dict[str, Bucket] = {}

    def bucket(self, name: str) -> Bucket:
        """Return a bucket, without the generations whose time is over.

        Raises:
            ApiError: 404.
        """
        bucket = self.buckets.get(name)
        if bucket is None:
            raise not_found("The specified bucket does not exist.")
        self._forget(bucket)
        return bucket

    def find(self, bucket: Bucket, name: str, generation: int | None = None) -> Generation:
        """Return the live object, or a live or noncurrent generation.

        Raises:
            ApiError: 404.
        """
        if generation is None:
            found = bucket.live(name)
        else:
            kept = [known for known in bucket.objects.get(name, []) if not known.is_soft_deleted]
            found = next((known for known in kept if known.generation == generation), None)
        if found is None:
            suffix = "" if generation is None else f"#{generation}"
            raise not_found(f"No such object: {bucket.name}/{name}{suffix}")
        return found

    def find_soft_deleted(self, bucket: Bucket, name: str, generation: int) -> Generation:
        """Return a generation that can be restored.

        Raises:
            ApiError: 404.
        """
        for known in bucket.objects.get(name, []):
            if known.is_soft_deleted and known.generation == generation:
                return known
        raise not_found(f"No such soft-deleted object: {bucket.name}/{name}#{generation}")

    def add(self, bucket: Bucket, name: str, content: Content, resource: Mapping[str, Any]) -> Generation:
        """Make a new live generation; the one before becomes noncurrent or goes away."""
        replaced = bucket.live(name)
        if replaced is not None:
            self.remove(bucket, replaced)
        fields = {key: resource[key] for key in WRITABLE if resource.get(key) is not None}
        if bucket.fields.get("defaultEventBasedHold"):
            fields.setdefault("eventBasedHold", True)
        made = Generation(
            name=name,
            generation=self.clock.next_generation(),
            content=content,
            created_at=self.clock.now,
            storage_class=bucket.storage_class(resource.get("storageClass")),
            fields=fields,
        )
        bucket.objects.setdefault(name, []).append(made)
        return made

    def remove(self, bucket: Bucket, known: Generation, *, for_good: bool = False) -> None:
        """Take a generation out of sight: noncurrent, soft-deleted or gone, as the bucket is set.

        `for_good` names the generation itself: then it never becomes noncurrent.
        """
        if bucket.is_versioned and known.is_live and not for_good:
            known.noncurrent_at = self.clock.now
        elif bucket.soft_delete:
            known.soft_deleted_at = self.clock.now
            known.hard_delete_at = self.clock.now + bucket.soft_delete
        else:
            self._drop(bucket, known)

    def _forget(self, bucket: Bucket) -> None:
        now = self.clock.now
        over = [
            known for known in bucket.generations() if known.hard_delete_at and known.hard_delete_at <= now
        ]
        for known in over:
            self._drop(bucket, known)

    def _drop(self, bucket: Bucket, known: Generation) -> None:
        left = [other for other in bucket.objects[known.name] if other is not known]
        if left:
            bucket.objects[known.name] = left
        else:
            del bucket.objects[known.name]


def new_bucket(state: State, resource: Mapping[str, Any]) -> Bucket:
    """Make a bucket with the service's defaults: soft delete is on, for seven days.

    Raises:
        ApiError: 409, the name is taken.
    """
    name = str(resource["name"])
    if name in state.buckets:
        raise ApiError(409, "conflict", "Your previous request to create the named bucket succeeded.")
    now = stamp(state.clock.now)
    defaults: Json = {
        "storageClass": "STANDARD",
        "location": "US",
        "locationType": "multi-region",
        "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": now},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }
    state.buckets[name] = Bucket(name, state.clock.now, defaults)
    return state.buckets[name]
