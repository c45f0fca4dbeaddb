"""What an S3 bucket is set to: versions, Object Lock, ACLs. What cannot be read is taken to protect."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lifecycle.model import Versioning
from lifecycle.providers.protocol import BucketSettings
from lifecycle.providers.s3_answers import said

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCKS_UNSEEN = "its locks may not be read (s3:GetObjectLegalHold, s3:GetObjectRetention)"
_VERSIONING: Mapping[str, Versioning] = {"Enabled": "on", "Suspended": "suspended"}
_NO_LOCK = frozenset(
    {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NotImplemented"}
)
_AWS_HOST = re.compile(r"\.amazonaws\.com(\.cn)?$")
_DENIED = 403
_SERVER_ERROR = 500


def read_settings(client: "S3Client", bucket: str) -> BucketSettings:
    """Return whether the bucket keeps versions, and locks objects."""
    answer = client.get_bucket_versioning(Bucket=bucket)
    versioning = _VERSIONING.get(answer.get("Status", ""), "off")
    is_aws = is_amazons(client)
    if versioning == "off":
        # Object Lock cannot be without versions.
        return BucketSettings(versioning, is_aws=is_aws)
    lock = _read_lock(client, bucket)
    keeps_new = bool(lock and lock.get("Rule"))
    return BucketSettings(versioning, object_lock=lock is not None, keeps_new=keeps_new, is_aws=is_aws)


def is_amazons(client: "S3Client") -> bool:
    """Tell whether a client talks to Amazon's own store."""
    return _AWS_HOST.search(urlsplit(client.meta.endpoint_url).hostname or "") is not None


def uses_acls(client: "S3Client", bucket: str) -> bool:
    """Tell whether objects there have ACLs of their own; newer buckets switch them off."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    try:
        answer = client.get_bucket_ownership_controls(Bucket=bucket)
    except ClientError as error:
        _raise_unless_final(error)
        return True
    rules = answer["OwnershipControls"].get("Rules", [])
    return not any(rule["ObjectOwnership"] == "BucketOwnerEnforced" for rule in rules)


def hides_locks(client: "S3Client", bucket: str, key: str) -> bool:
    """Tell whether these credentials may not see locks: a HEAD then leaves them out without a word."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    try:
        client.get_object_legal_hold(Bucket=bucket, Key=key)
    except ClientError as error:
        _raise_unless_final(error)
        return said(error)[1] == _DENIED
    return False


def _read_lock(client: "S3Client", bucket: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    try:
        return client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration", {})
    except ClientError as error:
        if said(error)[0] in _NO_LOCK:
            return None
        _raise_unless_final(error)
        return {}


def _raise_unless_final(error: Any) -> None:  # noqa: ANN401  (the client's own error, imported late)
    code, status = said(error)
    if code == "NoSuchBucket" or (status >= _SERVER_ERROR and code != "NotImplemented"):
        raise error
