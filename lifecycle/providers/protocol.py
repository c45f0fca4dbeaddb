"""What the write side of a cloud can do. Each change names the state it expects; nothing overrides a lock.

A condition names what the store compares: the ETag on S3, the generation on Cloud Storage. Both are called
a token here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from lifecycle.model import Scheme, Versioning

CANARY_PREFIX = ".moraine-canary/"
"""The only place where a provider writes objects of its own, and the only one where it erases unasked."""


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """What a bucket is set to, as far as a clean-up depends on it."""

    versioning: Versioning
    object_lock: bool = False
    """Objects may be locked or held."""
    soft_delete_days: int = 0
    autoclass: bool = False
    keeps_new: bool = False
    """What is written there cannot be removed at once: a retention or a hold by default."""
    is_aws: bool = False
    """It is Amazon's own store, and not one that speaks like it."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """An object as the store shows it now; a listing knows less than a HEAD."""

    key: str
    etag: str
    size_bytes: int
    last_modified_at: datetime
    storage_class: str
    version_id: str | None = None
    """On Cloud Storage the generation, as text."""
    hold: str = ""
    """Why it may not be changed: a retention or a legal hold; empty when there is none."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """What a copy has to carry over by hand."""
    scheme: Scheme = "s3"
    is_current: bool = True
    """False for a noncurrent version, or a soft-deleted generation."""
    is_delete_marker: bool = False
    is_soft_deleted: bool = False
    """Cloud Storage only: it is deleted already, and can be restored for some days."""
    thaw: Literal["", "frozen", "thawing", "thawed"] = ""
    """Of a class that cannot be read at once: whether a readable copy was asked for, and is there."""

    @property
    def token(self) -> str:
        """What a condition on it names."""
        return self.etag if self.scheme == "s3" else self.version_id or ""


@dataclass(frozen=True, slots=True)
class UploadState:
    """A multipart upload that nobody completed."""

    key: str
    upload_id: str
    initiated_at: datetime


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A copy of an object onto itself, in another storage class."""

    to: str
    source: str
    """The object must have this token when it is read …"""
    destination: str
    """… and when it is written."""
    in_parts: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One object of a batch: it goes only if it has this token."""

    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one object of a batch."""

    key: str
    result: Literal["done", "changed", "gone", "refused", "busy"]
    """`busy`: the store was overloaded or broke off; the object may be tried again."""
    version_id: str = ""
    """Where the way back begins: the delete marker's version or the generation left behind."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BucketRules:
    """The lifecycle rules of a bucket, in the store's own form."""

    rules: tuple[Mapping[str, Any], ...] = ()
    smallest_moved: str = ""
    """Which small objects its rules leave where they are; empty where the store does not say."""


@runtime_checkable
class KeepsRules(Protocol):
    """A cloud whose buckets carry rules that move and expire objects by their tags."""

    def rules(self, bucket: str) -> BucketRules:
        """Return all rules of a bucket.

        Raises:
            ActionRefused, Transient: they cannot be read.
        """

    def put_rules(self, bucket: str, rules: BucketRules) -> None:
        """Replace all rules of a bucket.

        Raises:
            ActionRefused, Transient: they cannot be written.
        """

    def has_acls(self, bucket: str) -> bool:
        """Tell whether objects there have access control lists of their own."""

    def tag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Add a tag to those that an object has, or give this one another text.

        Exactly the version that was looked at gets it, where versions are kept. No store takes a condition
        on tags: without versions it hits whatever lives under the key.

        Raises:
            Gone: there is no such object.
            ActionRefused: the store will not, or the object has `MOST_TAGS` others.
            Transient: the store does not answer; it may or may not have happened.
        """

    def untag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Take a tag off, if it is there with this text; all others stay.

        Raises:
            Gone, ActionRefused, Transient: see `tag`.
        """


class Provider(Protocol):
    """One cloud. Keys are exact bytes."""

    scheme: Scheme

    def settings(self, bucket: str) -> BucketSettings:
        """Return what the bucket is set to.

        Raises:
            ActionRefused: it may not be read, or is not there.
        """

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return an object's state.

        Raises:
            Gone: there is no current object.
            ActionRefused: it may not be looked at.
            Transient: the store does not answer.
        """

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects whose key starts with `prefix`."""

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions below `prefix`: current, noncurrent, soft-deleted, and delete markers."""

    def uploads(self, bucket: str, prefix: str) -> Iterator[UploadState]:
        """Yield the multipart uploads below `prefix` that nobody completed; none on Cloud Storage."""

    def tags(self, bucket: str, key: str) -> Mapping[str, str]:
        """Return an object's tags; its custom metadata on Cloud Storage, which has no tags.

        Raises:
            Gone, ActionRefused, Transient: see `head`.
        """

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself in another class; return its token afterwards.

        Raises:
            ConditionFailed, Gone: it is not what the change expects; nothing happened.
            ActionRefused: the store will not.
            AclChanged: it is done; who may read it is not as it was.
            Transient: the store does not answer; it may or may not have happened.
        """

    def delete(self, bucket: str, key: str, token: str) -> str:
        """Delete the current object if it has this token.

        Returns:
            What is left behind, for the way back: a delete marker's version, a generation, or nothing.

        Raises:
            ConditionFailed, Gone, ActionRefused, Transient: see `change_class`.
        """

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        """Delete up to `BATCH` objects in one request, each under its own condition.

        Returns:
            One answer for each target, in their order; no key may come twice.

        Raises:
            ActionRefused, Transient: the whole request failed; some may be gone.
        """

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove one version, or one delete marker, for good. Never the canary's job, never past a lock.

        Raises:
            Gone: there is no such version.
            ActionRefused, Transient: see `change_class`.
        """

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw away the parts of an upload.

        Raises:
            Gone: there is no such upload.
            ActionRefused, Transient: see `change_class`.
        """

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        """Take back a delete: remove the delete marker, or bring the generation back.

        `version_id` is what `delete` returned. Nothing that lives is ever replaced.

        Raises:
            ConditionFailed: something lives under this key again.
            Gone: there is nothing left to bring back.
            ActionRefused, Transient: see `change_class`.
        """

    def thaw(self, bucket: str, key: str, days: int) -> None:
        """Ask for a readable copy of an object in a class that cannot be read at once; it takes hours.

        Raises:
            Gone, ActionRefused, Transient: see `change_class`.
        """

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own below `CANARY_PREFIX`."""

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own below `CANARY_PREFIX`, with all its versions but locked ones."""


MOST_TAGS = 10
"""An object on S3 has no more."""
BATCH = 1000
"""Objects in one request at most: what S3 takes. Cloud Storage takes 100, and cuts by itself."""
