"""The write side of S3 and of stores that speak its protocol.

Never sent: BypassGovernanceRetention, a version's id in a batch, a change of a current object without a
condition.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import Scheme
from lifecycle.providers import s3_answers as answers
from lifecycle.providers import s3_batch, s3_buckets, s3_rules, s3_tags
from lifecycle.providers.protocol import (
    BATCH,
    CANARY_PREFIX,
    BucketRules,
    BucketSettings,
    ClassChange,
    ObjectState,
    Removal,
    Target,
    UploadState,
)
from lifecycle.providers.removals import in_order, remove_singly
from lifecycle.providers.s3_answers import answered
from lifecycle.providers.s3_copies import PART_BYTES, Copy
from lifecycle.providers.s3_listing import listed, versions_of
from pipelines.domain.configuration import Endpoint
from pipelines.stores.s3 import explained, s3_client
from pipelines.stores.s3_pages import CURRENT, VERSIONS, leave_unread

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Provider:
    """S3 at AWS, or at the endpoints of `moraine.yaml`.

    `clock` tells the time in UTC without a zone, by which a retention may be over; without one, none is.
    """

    scheme: Scheme = "s3"

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...] = (),
        part_bytes: int = PART_BYTES,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._endpoints, self._part_bytes, self._clock = endpoints, part_bytes, clock
        self._clients: dict[str, S3Client] = {}
        self._settings: dict[str, BucketSettings] = {}
        self._uses_acls: dict[str, bool] = {}
        self._hides_locks: dict[str, bool] = {}
        self._making = threading.Lock()

    def settings(self, bucket: str) -> BucketSettings:
        """Return whether the bucket keeps versions and may hold locked objects."""
        with explained(f"s3://{bucket}"):
            found = s3_buckets.read_settings(self._client(bucket), bucket)
        self._settings[bucket] = found
        return found

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return the current version's state."""
        with answered(bucket, key):
            answer: Mapping[str, Any] = self._client(bucket).head_object(Bucket=bucket, Key=key)
            return answers.headed(key, answer, self._hold(bucket, key, answer))

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects, in key order."""
        return listed(self._client(bucket), CURRENT, bucket, prefix)

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions and delete markers, in key order, or in that of each kind within a page."""
        return listed(self._client(bucket), VERSIONS, bucket, prefix)

    def uploads(self, bucket: str, prefix: str) -> Iterator[UploadState]:
        """Yield the multipart uploads that nobody completed."""
        pages = (
            self._client(bucket)
            .get_paginator("list_multipart_uploads")
            .paginate(Bucket=bucket, Prefix=prefix)
        )
        with explained(f"s3://{bucket}/{prefix}"):
            for page in pages:
                for entry in page.get("Uploads", ()):
                    yield UploadState(entry["Key"], entry["UploadId"], answers.upload_time(entry))

    def tags(self, bucket: str, key: str) -> Mapping[str, str]:
        """Return an object's tags; none where the store says that it knows no tags."""
        return s3_tags.read_tags(self._client(bucket), bucket, key)

    def tag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Add a tag to those of the version that was looked at."""
        s3_tags.change_tags(self._client(bucket), bucket, state, s3_tags.with_tag(name, text))

    def untag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Take a tag off the version that was looked at."""
        s3_tags.change_tags(self._client(bucket), bucket, state, s3_tags.without_tag(name, text))

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself; metadata, tags, content headers, encryption and ACL stay."""
        with answered(bucket, state.key):
            has_acl = self._has_acls(bucket)
            return Copy(self._client(bucket), bucket, state, change, has_acl, self._part_bytes).make()

    def delete(self, bucket: str, key: str, token: str) -> str:
        """Delete, or add a delete marker where versions are kept."""
        with answered(bucket, key):
            answer = self._client(bucket).delete_object(Bucket=bucket, Key=key, IfMatch=token)
        return answer.get("VersionId", "") if answer.get("DeleteMarker") else ""

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        """Delete many objects, each under its own ETag; keys that XML cannot carry go alone."""
        plain = [target for target in targets if s3_batch.can_batch(target.key)]
        found: list[Removal] = []
        for first in range(0, len(plain), BATCH):
            with answered(bucket, ""):
                found += s3_batch.delete_objects(self._client(bucket), bucket, plain[first : first + BATCH])
        odd = (target for target in targets if not s3_batch.can_batch(target.key))
        found += remove_singly(odd, lambda target: self.delete(bucket, target.key, target.token))
        return in_order(targets, found)

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove one version, or one delete marker, for good."""
        with answered(bucket, key):
            self._client(bucket).delete_object(Bucket=bucket, Key=key, VersionId=version_id)

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw the parts of an upload away."""
        with answered(bucket, key):
            self._client(bucket).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        """Remove the delete marker that a delete left, if it is still the newest word about the key."""
        newest = next((found for found in self._versions_of(bucket, key) if found.is_current), None)
        if newest is None:
            raise Gone(key)
        if not newest.is_delete_marker:
            raise ConditionFailed(key)
        if newest.version_id != version_id:
            raise Gone(key)
        self.delete_version(bucket, key, version_id)
        return self.head(bucket, key)

    def thaw(self, bucket: str, key: str, days: int) -> None:
        """Ask for a readable copy at the lowest price."""
        request: Any = {"Days": days, "GlacierJobParameters": {"Tier": "Bulk"}}
        with answered(bucket, key):
            self._client(bucket).restore_object(Bucket=bucket, Key=key, RestoreRequest=request)

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own."""
        with answered(bucket, key):
            self._client(bucket).put_object(Bucket=bucket, Key=_own(key), Body=body)
        return self.head(bucket, key)

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own, with all its versions but locked ones."""
        _own(key)
        if self._known(bucket).versioning == "off":
            with answered(bucket, key):
                self._client(bucket).delete_object(Bucket=bucket, Key=key)
            return
        for version in self._versions_of(bucket, key):
            try:
                self.delete_version(bucket, key, version.version_id or "null")
            except (ActionRefused, Gone):
                continue

    def rules(self, bucket: str) -> BucketRules:
        """Return the bucket's lifecycle rules."""
        return s3_rules.read_rules(self._client(bucket), bucket)

    def put_rules(self, bucket: str, rules: BucketRules) -> None:
        """Replace the bucket's lifecycle rules."""
        s3_rules.write_rules(self._client(bucket), bucket, rules)

    def has_acls(self, bucket: str) -> bool:
        """Tell whether objects there have ACLs of their own; newer buckets switch them off."""
        with explained(f"s3://{bucket}"):
            return self._has_acls(bucket)

    def _versions_of(self, bucket: str, key: str) -> Sequence[ObjectState]:
        with answered(bucket, key):
            return versions_of(self._client(bucket), bucket, key)

    def _hold(self, bucket: str, key: str, answer: Mapping[str, Any]) -> str:
        hold = answers.hold_of(answer, self._clock() if self._clock else None)
        if hold or not self._known(bucket).object_lock:
            return hold
        if bucket not in self._hides_locks:
            self._hides_locks[bucket] = s3_buckets.hides_locks(self._client(bucket), bucket, key)
        return s3_buckets.LOCKS_UNSEEN if self._hides_locks[bucket] else ""

    def _has_acls(self, bucket: str) -> bool:
        if bucket not in self._uses_acls:
            self._uses_acls[bucket] = s3_buckets.uses_acls(self._client(bucket), bucket)
        return self._uses_acls[bucket]

    def _known(self, bucket: str) -> BucketSettings:
        return self._settings.get(bucket) or self.settings(bucket)

    def _client(self, bucket: str) -> "S3Client":
        with self._making:
            if bucket not in self._clients:
                client = s3_client(bucket, self._endpoints)
                s3_batch.prepare(client)
                leave_unread(client)
                self._clients[bucket] = client
            return self._clients[bucket]


def _own(key: str) -> str:
    if not key.startswith(CANARY_PREFIX):
        raise ActionRefused("not a canary", where=key, fix="Only canaries are written and erased.")
    return key
