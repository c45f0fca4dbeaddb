"""The write side of S3 and of stores that speak its protocol.

Never sent: BypassGovernanceRetention, a delete of a version (but of our own canary), a change without a
condition.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import Scheme, Versioning
from lifecycle.providers.protocol import (
    BATCH,
    CANARY_PREFIX,
    BucketSettings,
    ClassChange,
    ObjectState,
    Removal,
    Target,
    UploadState,
)
from pipelines.domain.configuration import Endpoint
from pipelines.stores.s3 import explained, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_UNMET = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion", "NoSuchUpload"})
_BUSY = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"})
_FROZEN = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SERVER_ERROR = 500
_TOO_FAST = 429
_MOST_PARTS = 10_000
_PART_BYTES = 5 * 1024**3
_RESENT_BY_COPY = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "WebsiteRedirectLocation")
"""What a copy drops unless it is said again: without a key's name, the bucket's default key is used."""
_RESENT_BY_PARTS = (
    *_RESENT_BY_COPY,
    "Metadata",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
)
"""A copy in parts carries nothing over by itself."""
_VERSIONING: Mapping[str, Versioning] = {"Enabled": "on", "Suspended": "suspended"}


class S3Provider:
    """S3 at AWS, or at the endpoints of `moraine.yaml`."""

    scheme: Scheme = "s3"

    def __init__(self, endpoints: tuple[Endpoint, ...] = (), part_bytes: int = _PART_BYTES) -> None:
        self._endpoints, self._part_bytes = endpoints, part_bytes
        self._clients: dict[str, S3Client] = {}
        self._making = threading.Lock()

    def settings(self, bucket: str) -> BucketSettings:
        """Return whether the bucket keeps versions and may hold locked objects."""
        with explained(f"s3://{bucket}"):
            answer = self._client(bucket).get_bucket_versioning(Bucket=bucket)
        versioning = _VERSIONING.get(answer.get("Status", ""), "off")
        # Object Lock cannot be without versions.
        return BucketSettings(versioning, object_lock=versioning != "off")

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return the current version's state."""
        with _answered(bucket, key):
            answer: Mapping[str, Any] = self._client(bucket).head_object(Bucket=bucket, Key=key)
        carried = {name: answer[name] for name in _RESENT_BY_PARTS if name in answer}
        return ObjectState(
            key,
            answer["ETag"].strip('"'),
            answer["ContentLength"],
            _utc(answer["LastModified"]),
            answer.get("StorageClass") or "STANDARD",
            answer.get("VersionId"),
            _hold(answer),
            carried,
            thaw=_thaw(answer),
        )

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects, in key order."""
        pages = self._client(bucket).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with explained(f"s3://{bucket}/{prefix}"):
            for page in pages:
                yield from (_listed(entry) for entry in page.get("Contents", ()))

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions and delete markers, in key order within a page."""
        pages = (
            self._client(bucket).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        )
        with explained(f"s3://{bucket}/{prefix}"):
            for page in pages:
                yield from (_listed(entry) for entry in page.get("Versions", ()))
                yield from (_marker(entry) for entry in page.get("DeleteMarkers", ()))

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
                    yield UploadState(entry["Key"], entry["UploadId"], _utc(entry["Initiated"]))

    def tags(self, bucket: str, key: str) -> Mapping[str, str]:
        """Return an object's tags."""
        with _answered(bucket, key):
            answer = self._client(bucket).get_object_tagging(Bucket=bucket, Key=key)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself; metadata, tags, content headers and encryption stay."""
        if change.in_parts:
            return self._copy_in_parts(bucket, state, change)
        resent = {name: state.carried[name] for name in _RESENT_BY_COPY if name in state.carried}
        with _answered(bucket, state.key):
            answer = self._client(bucket).copy_object(
                Bucket=bucket,
                Key=state.key,
                CopySource={"Bucket": bucket, "Key": state.key},
                CopySourceIfMatch=change.source,
                IfMatch=change.destination,
                StorageClass=change.to,  # type: ignore[arg-type]
                MetadataDirective="COPY",
                TaggingDirective="COPY",
                **resent,
            )
        return answer["CopyObjectResult"].get("ETag", "").strip('"')

    def delete(self, bucket: str, key: str, token: str) -> str:
        """Delete, or add a delete marker where versions are kept."""
        with _answered(bucket, key):
            answer = self._client(bucket).delete_object(Bucket=bucket, Key=key, IfMatch=token)
        return answer.get("VersionId", "") if answer.get("DeleteMarker") else ""

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        """Delete many objects, each under its own ETag."""
        answers: list[Removal] = []
        for first in range(0, len(targets), BATCH):
            chosen = targets[first : first + BATCH]
            objects: Any = [{"Key": target.key, "ETag": target.token} for target in chosen]
            with _answered(bucket, ""):
                answer = self._client(bucket).delete_objects(Bucket=bucket, Delete={"Objects": objects})
            answers += (_removed(entry) for entry in answer.get("Deleted", ()))
            answers += (_not_removed(entry) for entry in answer.get("Errors", ()))
        return answers

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove one version, or one delete marker, for good."""
        with _answered(bucket, key):
            self._client(bucket).delete_object(Bucket=bucket, Key=key, VersionId=version_id)

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw the parts of an upload away."""
        with _answered(bucket, key):
            self._client(bucket).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        """Remove the delete marker that a delete left, if it is still the newest word about the key."""
        newest = next((v for v in self.versions(bucket, key) if v.key == key and v.is_current), None)
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
        with _answered(bucket, key):
            self._client(bucket).restore_object(Bucket=bucket, Key=key, RestoreRequest=request)

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own."""
        with _answered(bucket, key):
            self._client(bucket).put_object(Bucket=bucket, Key=_own(key), Body=body)
        return self.head(bucket, key)

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own, with all its versions."""
        client = self._client(bucket)
        with _answered(bucket, key):
            client.delete_object(Bucket=bucket, Key=_own(key))
            answer = client.list_object_versions(Bucket=bucket, Prefix=key)
            for entry in (*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())):
                if entry["Key"] == key and entry["VersionId"] != "null":
                    client.delete_object(Bucket=bucket, Key=key, VersionId=entry["VersionId"])

    def _copy_in_parts(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        client = self._client(bucket)
        with _answered(bucket, state.key):
            tags = client.get_object_tagging(Bucket=bucket, Key=state.key)["TagSet"]
            upload_id = client.create_multipart_upload(
                Bucket=bucket,
                Key=state.key,
                StorageClass=change.to,  # type: ignore[arg-type]
                Tagging=urlencode([(tag["Key"], tag["Value"]) for tag in tags]),
                **state.carried,
            )["UploadId"]
            try:
                parts = [
                    self._copy_part(bucket, state, change, upload_id, number)
                    for number in range(1, self._part_count(state.size_bytes) + 1)
                ]
                answer = client.complete_multipart_upload(
                    Bucket=bucket,
                    Key=state.key,
                    UploadId=upload_id,
                    IfMatch=change.destination,
                    MultipartUpload={"Parts": parts},
                )
            except BaseException:
                # An upload that nobody completes is billed, and in no listing of objects.
                client.abort_multipart_upload(Bucket=bucket, Key=state.key, UploadId=upload_id)
                raise
        return answer.get("ETag", "").strip('"')

    def _copy_part(
        self, bucket: str, state: ObjectState, change: ClassChange, upload_id: str, number: int
    ) -> Any:  # noqa: ANN401  (a part in the client's own form)
        size = self._bytes_per_part(state.size_bytes)
        first, last = (number - 1) * size, min(number * size, state.size_bytes) - 1
        answer = self._client(bucket).upload_part_copy(
            Bucket=bucket,
            Key=state.key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": state.key},
            CopySourceIfMatch=change.source,
            CopySourceRange=f"bytes={first}-{last}",
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _bytes_per_part(self, size_bytes: int) -> int:
        return max(self._part_bytes, math.ceil(size_bytes / _MOST_PARTS))

    def _part_count(self, size_bytes: int) -> int:
        return max(1, math.ceil(size_bytes / self._bytes_per_part(size_bytes)))

    def _client(self, bucket: str) -> "S3Client":
        with self._making:
            if bucket not in self._clients:
                self._clients[bucket] = s3_client(bucket, self._endpoints)
            return self._clients[bucket]


@contextmanager
def _answered(bucket: str, key: str) -> Iterator[None]:
    """Turn the answers that a change has to tell apart into exceptions; the others as everywhere."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    where = f"s3://{bucket}/{key}"
    with explained(where):
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _UNMET:
                raise ConditionFailed(where) from error
            if code in _ABSENT:
                raise Gone(where) from error
            if status >= _SERVER_ERROR or status == _TOO_FAST or code == "NoSuchBucket":
                raise
            raise ActionRefused(
                f"the store refused the change ({code or status})",
                where=where,
                fix="Allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:*ObjectTagging there; a locked "
                "or cold object has to stay.",
            ) from error


def _listed(entry: Any) -> ObjectState:  # noqa: ANN401  (an entry of one of two lists, in the client's own form)
    return ObjectState(
        entry["Key"],
        entry["ETag"].strip('"'),
        entry["Size"],
        _utc(entry["LastModified"]),
        entry.get("StorageClass") or "STANDARD",
        entry.get("VersionId"),
        is_current=entry.get("IsLatest", True),
    )


def _marker(entry: Any) -> ObjectState:  # noqa: ANN401  (see `_listed`)
    return ObjectState(
        entry["Key"],
        "",
        0,
        _utc(entry["LastModified"]),
        "",
        entry["VersionId"],
        is_current=entry["IsLatest"],
        is_delete_marker=True,
    )


def _removed(entry: Any) -> Removal:  # noqa: ANN401  (see `_listed`)
    return Removal(entry["Key"], "done", entry.get("DeleteMarkerVersionId", ""))


def _not_removed(entry: Any) -> Removal:  # noqa: ANN401  (see `_listed`)
    code = entry.get("Code", "")
    if code in _UNMET:
        return Removal(entry["Key"], "changed")
    if code in _ABSENT:
        return Removal(entry["Key"], "gone")
    return Removal(entry["Key"], "busy" if code in _BUSY else "refused", detail=code)


def _thaw(answer: Mapping[str, Any]) -> Literal["", "frozen", "thawing", "thawed"]:
    if answer.get("StorageClass") not in _FROZEN:
        return ""
    said = answer.get("Restore", "")
    if not said:
        return "frozen"
    return "thawing" if 'ongoing-request="true"' in said else "thawed"


def _hold(answer: Mapping[str, Any]) -> str:
    if answer.get("ObjectLockLegalHoldStatus") == "ON":
        return "legal hold"
    if answer.get("ObjectLockMode"):
        return f"retention until {answer.get('ObjectLockRetainUntilDate')}"
    return ""


def _utc(moment: datetime) -> datetime:
    # A listing may know milliseconds where HEAD knows seconds.
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _own(key: str) -> str:
    if not key.startswith(CANARY_PREFIX):
        raise ActionRefused("not a canary", where=key, fix="Only canaries are written and erased.")
    return key
