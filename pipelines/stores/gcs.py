"""A bucket of Cloud Storage, or a prefix of one, as a store."""

import hashlib
import uuid
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipelines.domain.configuration import Endpoint, endpoint_for
from pipelines.domain.uris import BucketUri
from pipelines.errors import NotFound, Terminal
from pipelines.stores.gcs_errors import explained, no_credentials
from pipelines.stores.protocol import Blob, Version, refuse_to_discard

if TYPE_CHECKING:
    from google.cloud import storage

PATIENCE_SECONDS = 60.0
"""How long one call is tried again, with growing pauses."""

_CHUNK_BYTES = 32 * 1024 * 1024
"""What an upload holds in memory; the client's own choice is three times as much."""

_LISTED = "items(name,size,timeCreated,crc32c),nextPageToken"
_BINARY = "application/octet-stream"


def gcs_client(bucket: str, endpoints: tuple[Endpoint, ...] = ()) -> "storage.Client":
    """Return a client for `bucket`; credentials are Google's application default ones.

    A server behind an address of its own gets no credentials: a token of Google's is for Google only.

    Raises:
        Terminal: this machine has no credentials.
    """
    # The client takes a second to import; a command that reads directories only does not pay for it.
    from google.auth import exceptions  # noqa: PLC0415
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
    from google.cloud import storage  # noqa: PLC0415

    endpoint = endpoint_for(f"gs://{bucket}", endpoints)
    address = endpoint.endpoint_url.rstrip("/") if endpoint else None
    host = urlsplit(address or "").hostname or ""
    is_foreign = bool(address) and not host.endswith(".googleapis.com")
    try:
        client = storage.Client(
            # Nothing here needs a project: buckets are named, never made or listed.
            project=None,
            credentials=AnonymousCredentials() if is_foreign else None,  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": address} if address else None,
        )
    except exceptions.GoogleAuthError as error:
        raise no_credentials(f"gs://{bucket}") from error
    # For traces that nobody reads, the client asks for the bucket's settings in a thread of its own: a call
    # and a permission more. Without its cache it does not.
    client._bucket_metadata_cache = None  # noqa: SLF001
    return client


class GcsStore:
    """Objects below one prefix.

    `Blob.etag` is the CRC32C of the content: it changes with the content and with nothing else. The
    generation would change as well when somebody moves a delivery to another storage class, and the same
    delivery would be landed twice. Conditional writes compare generations.
    """

    def __init__(self, root: BucketUri, client: "storage.Client") -> None:
        self._prefix = root.key if not root.key or root.key.endswith("/") else root.key + "/"
        self._name, self._client = root.bucket, client
        try:
            self._bucket = client.bucket(root.bucket)
        except ValueError as error:
            raise Terminal(
                f"the store cannot be asked: {error}", where=f"gs://{root.bucket}", fix="Correct the address."
            ) from error

    @property
    def uri(self) -> str:
        """`gs://bucket/prefix`."""
        return f"gs://{self._name}/{self._prefix}".rstrip("/")

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """Yield the objects whose key starts with `prefix`, in key order."""
        with explained(f"{self.uri}/{prefix}"):
            found = self._client.list_blobs(
                self._bucket, prefix=self._prefix + prefix, fields=_LISTED, retry=_retries()
            )
            for blob in found:
                yield Blob(
                    blob.name.removeprefix(self._prefix),
                    blob.size,
                    _utc(blob.time_created),
                    b64decode(blob.crc32c).hex(),
                )

    def read(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self.read_version(key).data

    def read_version(self, key: str) -> Version:
        """Return the object's bytes and its generation."""
        blob = self._blob(key)
        with explained(f"{self.uri}/{key}"):
            # Raw: an object that is marked as compressed would come unpacked, not as it was listed.
            data = blob.download_as_bytes(raw_download=True, retry=_retries())
        return Version(data, str(blob.generation))

    def peek(self, key: str, most_bytes: int) -> Version:
        """Return the object's first bytes and its generation; of an empty one, whatever its generation."""
        from google.api_core.exceptions import RequestRangeNotSatisfiable  # noqa: PLC0415  (see gcs_client)

        blob = self._blob(key)
        with explained(f"{self.uri}/{key}"):
            try:
                data = blob.download_as_bytes(
                    raw_download=True, start=0, end=most_bytes - 1, checksum=None, retry=_retries()
                )
            except RequestRangeNotSatisfiable:
                return Version(b"", "")
        return Version(data, str(blob.generation))

    def fetch(self, key: str, scratch: Path) -> Path:
        """Download the object; the local name keeps the ending, so that readers know the format."""
        digest = hashlib.sha256(f"{self.uri}/{key}".encode()).hexdigest()[:16]
        path = scratch / f"{digest}-{key.rpartition('/')[2][-80:]}"
        beside = scratch / f".{digest}.{uuid.uuid4().hex}"
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            with explained(f"{self.uri}/{key}"):
                self._blob(key).download_to_filename(str(beside), raw_download=True, retry=_retries())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return path

    def write(self, key: str, data: bytes) -> None:
        """Put an object; it shows whole or not at all."""
        with explained(f"{self.uri}/{key}"):
            self._blob(key).upload_from_string(data, content_type=_BINARY, retry=_retries())

    def upload(self, path: Path, key: str) -> None:
        """Upload a local file, in chunks when it is large; the object shows after the last one."""
        with explained(f"{self.uri}/{key}"):
            blob = self._bucket.blob(self._prefix + key, chunk_size=_CHUNK_BYTES)
            blob.upload_from_filename(str(path), content_type=_BINARY, retry=_retries())

    def create(self, key: str, data: bytes) -> str | None:
        """Put an object if there is none."""
        return self._write_over(key, data, generation=0)

    def replace(self, key: str, data: bytes, version: str) -> str | None:
        """Put an object if its generation is still this one."""
        return self._write_over(key, data, generation=int(version))

    def discard(self, key: str) -> None:
        """Remove one file of a snapshot."""
        refuse_to_discard(key, self.uri)
        try:
            with explained(f"{self.uri}/{key}"):
                self._blob(key).delete(retry=_retries())
        except NotFound:
            # Removed already, perhaps by a try whose answer was lost.
            return

    def _write_over(self, key: str, data: bytes, *, generation: int) -> str | None:
        from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415  (see gcs_client)

        blob = self._blob(key)
        with explained(f"{self.uri}/{key}"):
            try:
                blob.upload_from_string(
                    data, content_type=_BINARY, if_generation_match=generation, retry=_retries()
                )
            except PreconditionFailed:
                return self._own(key, data)
        return str(blob.generation)

    def _own(self, key: str, data: bytes) -> str | None:
        """Return the version if it is our own write, whose answer was lost and which was tried again."""
        try:
            now = self.read_version(key)
        except NotFound:
            return None
        return now.name if now.data == data else None

    def _blob(self, key: str) -> Any:  # noqa: ANN401  (the client has no types)
        return self._bucket.blob(self._prefix + key)


def _retries() -> Any:  # noqa: ANN401  (the client has no types)
    """Return the client's own choice of what is tried again."""
    from google.api_core.retry import Retry  # noqa: PLC0415  (see gcs_client)
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415

    return Retry(predicate=DEFAULT_RETRY._predicate, timeout=PATIENCE_SECONDS, on_error=_let_go)  # noqa: SLF001


def _let_go(error: Exception) -> None:
    """Close a refused download: the client forgets its connection, which then stays open."""
    response = getattr(error, "response", None)
    if response is not None:
        response.close()


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
