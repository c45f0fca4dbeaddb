"""A bucket, or a prefix of one, as a store; AWS and stores that speak its protocol."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.domain.configuration import Endpoint, endpoint_for
from pipelines.domain.uris import BucketUri
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.stores.protocol import Blob, Version, refuse_to_discard

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError
    from mypy_boto3_s3 import S3Client

_CONNECTIONS = 32
"""Kept open for the threads of this process; one more than these would be opened anew for every request."""

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_BUSY = frozenset(
    {
        "500",
        "503",
        # Somebody else is writing the same object at this moment.
        "ConditionalRequestConflict",
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "RequestTimeout",
        "Throttling",
    }
)

_ELSEWHERE = frozenset(
    {"301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
_UNKNOWN_CALLER = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)


def s3_client(bucket: str, endpoints: tuple[Endpoint, ...] = ()) -> "S3Client":
    """Return a client for `bucket`; credentials come from the provider's own chain."""
    # boto3 takes half a second to import; a command that reads directories only does not pay for it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    endpoint = endpoint_for(f"s3://{bucket}", endpoints)
    retries = Config(
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
    )
    if endpoint is None:
        return boto3.client("s3", config=retries)
    # Stores behind an address of their own rarely have a wildcard name for every bucket.
    by_path = retries.merge(Config(s3={"addressing_style": "path"}))
    return boto3.client("s3", endpoint_url=endpoint.endpoint_url, region_name=endpoint.region, config=by_path)


class S3Store:
    """Objects below one prefix."""

    def __init__(self, root: BucketUri, client: "S3Client") -> None:
        prefix = root.key if not root.key or root.key.endswith("/") else root.key + "/"
        self._bucket, self._prefix, self._client = root.bucket, prefix, client

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """Yield the objects whose key starts with `prefix`, in key order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with explained(f"{self.uri}/{prefix}"):
            for page in pages:
                for entry in page.get("Contents", []):
                    yield Blob(
                        entry["Key"].removeprefix(self._prefix),
                        entry["Size"],
                        entry["LastModified"].astimezone(UTC).replace(tzinfo=None),
                        entry["ETag"].strip('"'),
                    )

    def read(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self.read_version(key).data

    def read_version(self, key: str) -> Version:
        """Return the object's bytes and its ETag."""
        with explained(f"{self.uri}/{key}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return Version(answer["Body"].read(), answer["ETag"])

    def peek(self, key: str, most_bytes: int) -> Version:
        """Return the object's first bytes and its ETag, without the quotes, as inventories have it."""
        with explained(f"{self.uri}/{key}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            # No range is asked for: of an empty object that would be an error.
            with closing(answer["Body"]) as body:
                return Version(body.read(most_bytes), answer["ETag"].strip('"'))

    def fetch(self, key: str, scratch: Path) -> Path:
        """Download the object; the local name keeps the ending, so that readers know the format."""
        digest = hashlib.sha256(f"{self.uri}/{key}".encode()).hexdigest()[:16]
        path = scratch / f"{digest}-{key.rpartition('/')[2][-80:]}"
        scratch.mkdir(parents=True, exist_ok=True)
        with explained(f"{self.uri}/{key}"):
            self._client.download_file(self._bucket, self._prefix + key, str(path))
        return path

    def write(self, key: str, data: bytes) -> None:
        """Put an object; S3 shows it whole or not at all."""
        with explained(f"{self.uri}/{key}"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def upload(self, path: Path, key: str) -> None:
        """Upload a local file, in parts when it is large."""
        with explained(f"{self.uri}/{key}"):
            self._client.upload_file(str(path), self._bucket, self._prefix + key)

    def create(self, key: str, data: bytes) -> str | None:
        """Put an object if there is none."""
        with explained(f"{self.uri}/{key}"):
            version = self._put(key, data, IfNoneMatch="*")
        return version or self._own(key, data)

    def replace(self, key: str, data: bytes, version: str) -> str | None:
        """Put an object if its ETag is still this one.

        Some servers (Ceph 16) refuse the right ETag too; there the object is replaced without a condition.
        """
        with explained(f"{self.uri}/{key}"):
            made = self._put(key, data, IfMatch=version)
            if made is None and self._has(key, version):
                made = self._put(key, data)
        return made or self._own(key, data)

    def discard(self, key: str) -> None:
        """Remove one file of a snapshot."""
        refuse_to_discard(key, self.uri)
        with explained(f"{self.uri}/{key}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _put(self, key: str, data: bytes, **condition: str) -> str | None:
        """Return the ETag, or None if the condition does not hold."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  (see s3_client)

        place: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + key, **condition}
        try:
            return self._client.put_object(**place, Body=data)["ETag"]
        except ClientError as error:
            if condition and _code(error.response) in {"PreconditionFailed", *_ABSENT}:
                return None
            raise

    def _own(self, key: str, data: bytes) -> str | None:
        """Return the version if it is our own write, whose answer was lost and which was tried again."""
        try:
            now = self.read_version(key)
        except NotFound:
            return None
        return now.name if now.data == data else None

    def _has(self, key: str, version: str) -> bool:
        try:
            return self.read_version(key).name == version
        except NotFound:
            return False


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the client library raises into what a person can act on.

    Raises:
        NotFound: no such object.
        Transient: the endpoint does not answer, or is busy.
        Terminal: no credentials, access denied, no such bucket.
    """
    # Late for the same reason as boto3 itself: see s3_client.
    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _explain(error.response, where) from error
    except BotoCoreError as error:
        raise _explain_client(error, where) from error
    except Boto3Error as error:
        # An upload wraps what the service said.
        inner = error.__context__
        if isinstance(inner, ClientError):
            raise _explain(inner.response, where) from error
        raise Transient(
            "a transfer broke off", where=where, fix="Check the network, then run again."
        ) from error


def _explain_client(error: "BotoCoreError", where: str) -> Transient | Terminal:
    from botocore import exceptions  # noqa: PLC0415  (see s3_client)

    no_credentials = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound,
    )
    if isinstance(error, no_credentials):
        return Terminal(
            "no credentials for this store",
            where=where,
            fix="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use an attached role.",
        )
    no_answer = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)
    if isinstance(error, no_answer):
        return Transient(
            "the store does not answer",
            where=where,
            fix="Check the network and 'endpoints:' in moraine.yaml, then run again.",
        )
    # An expired single sign-on, an impossible bucket name: the library's own words say what is wrong.
    return Terminal(
        f"the store cannot be asked: {error}", where=where, fix="Sign in again, or correct the address."
    )


def _code(response: Mapping[str, Any]) -> str:
    return str(response.get("Error", {}).get("Code", ""))


def _explain(response: Mapping[str, Any], where: str) -> NotFound | Transient | Terminal:
    code = _code(response)
    if code in _ABSENT:
        return NotFound(
            "the object is not there", where=where, fix="Check the path, or wait for its delivery."
        )
    if code in _BUSY:
        return Transient(f"the store is busy ({code})", where=where, fix="Run again in a minute.")
    if code == "NoSuchBucket":
        return Terminal(
            "the bucket does not exist", where=where, fix="Check its name and 'endpoints:' in moraine.yaml."
        )
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient(f"the store fails ({code or 'no code'})", where=where, fix="Run again in a minute.")
    return _refusal(code, where)


def _refusal(code: str, where: str) -> Terminal:
    if code in _ELSEWHERE:
        return Terminal(
            f"the bucket is in another region ({code})",
            where=where,
            fix="Set AWS_DEFAULT_REGION, or 'region' of its entry in 'endpoints:', to where the bucket is.",
        )
    if code in _UNKNOWN_CALLER:
        return Terminal(
            f"the store does not accept these credentials ({code})",
            where=where,
            fix="Renew them (sign in again, or set fresh keys), and check this machine's clock.",
        )
    return Terminal(
        f"the store refused the request ({code or 'no code'})",
        where=where,
        fix="Give these credentials s3:ListBucket and s3:GetObject there (s3:PutObject for the lake, "
        "s3:DeleteObject below its published/).",
    )
