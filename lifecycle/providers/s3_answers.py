"""What S3 answers, in the words of the lifecycle: states of objects, and refusals told apart."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers.protocol import ObjectState, Removal
from pipelines.stores.s3 import explained

CARRIED_BY_COPY = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "WebsiteRedirectLocation")
"""What a copy drops unless it is said again: without a key's name, the bucket's default key is used."""
CARRIED_BY_PARTS = (
    *CARRIED_BY_COPY,
    "Metadata",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
)
"""A copy in parts carries nothing over by itself."""
OBSTACLES = ("SSECustomerAlgorithm", "MissingMeta")
"""Kept with what is carried because they forbid a copy: a customer's own key, metadata HEAD cannot say."""
_UNMET = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion", "NoSuchUpload"})
_BUSY = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "OperationAborted"}
)
_FROZEN = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501
_TOO_FAST = 429


@contextmanager
def answered(bucket: str, key: str) -> Iterator[None]:
    """Turn the answers that a change has to tell apart into exceptions; the others as everywhere.

    Raises:
        ConditionFailed, Gone, ActionRefused: what the store says.
        Transient, Terminal: see `pipelines.stores.s3.explained`.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    where = f"s3://{bucket}/{key}"
    with explained(where):
        try:
            yield
        except ClientError as error:
            code, status = said(error)
            if code in _UNMET:
                raise ConditionFailed(where) from error
            if code in _ABSENT:
                raise Gone(where) from error
            is_theirs = status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED
            if is_theirs or status == _TOO_FAST or code in {"NoSuchBucket", *_BUSY}:
                raise
            raise ActionRefused(
                f"the store refused the change ({code or status})",
                where=where,
                fix="Allow s3:GetObject, s3:GetObjectAcl, s3:PutObject, s3:PutObjectAcl, s3:DeleteObject and "
                "s3:*ObjectTagging there; a locked or cold object has to stay, and one under a customer's "
                "own key.",
            ) from error


def said(error: Any) -> tuple[str, int]:  # noqa: ANN401  (the client's own error, imported late)
    """Return the code and the status of a refusal."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def headed(key: str, answer: Mapping[str, Any], hold: str) -> ObjectState:
    """Return the state that a HEAD tells."""
    return ObjectState(
        key,
        answer["ETag"].strip('"'),
        answer["ContentLength"],
        _utc(answer["LastModified"]),
        answer.get("StorageClass") or "STANDARD",
        answer.get("VersionId"),
        hold,
        {name: answer[name] for name in (*CARRIED_BY_PARTS, *OBSTACLES) if name in answer},
        thaw=_thaw(answer),
    )


def hold_of(answer: Mapping[str, Any], now: datetime | None) -> str:
    """Return what locks an object at `now`; without a clock, a retention never ends."""
    if answer.get("ObjectLockLegalHoldStatus") == "ON":
        return "legal hold"
    until = answer.get("ObjectLockRetainUntilDate")
    if not answer.get("ObjectLockMode") or (until and now and _utc(until) < now):
        return ""
    return f"retention until {until}"


def upload_time(entry: Any) -> datetime:  # noqa: ANN401  (an entry of a list, in the client's own form)
    """Return when an upload was begun."""
    return _utc(entry["Initiated"])


def removed(entry: Any) -> Removal:  # noqa: ANN401  (see `upload_time`)
    """Return the answer for an object that a batch deleted."""
    return Removal(entry["Key"], "done", entry.get("DeleteMarkerVersionId", ""))


def not_removed(entry: Any) -> Removal:  # noqa: ANN401  (see `upload_time`)
    """Return the answer for an object that a batch left alone."""
    key, code = entry.get("Key", ""), entry.get("Code", "")
    if code in _UNMET:
        return Removal(key, "changed")
    if code in _ABSENT:
        return Removal(key, "gone")
    return Removal(key, "busy" if code in _BUSY else "refused", detail=code)


def _thaw(answer: Mapping[str, Any]) -> Literal["", "frozen", "thawing", "thawed"]:
    # Intelligent tiering says in another place that it has put an object to sleep.
    if answer.get("StorageClass") not in _FROZEN and not answer.get("ArchiveStatus"):
        return ""
    restore = answer.get("Restore", "")
    if not restore:
        return "frozen"
    return "thawing" if 'ongoing-request="true"' in restore else "thawed"


def _utc(moment: datetime) -> datetime:
    # A listing may know milliseconds where HEAD knows seconds.
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)
