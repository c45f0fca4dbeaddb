"""Where files live, behind one small Protocol: a directory or a bucket.

Nothing here can delete but for `discard`, and that only files of published snapshots.
"""

from pathlib import Path

from pipelines.domain.configuration import Endpoint
from pipelines.domain.uris import BucketUri, HttpUri, LocalUri, Uri
from pipelines.errors import Terminal
from pipelines.stores.gcs import GcsStore, gcs_client
from pipelines.stores.local import LocalStore
from pipelines.stores.protocol import Blob, ConditionalStore, DiscardingStore, PeekingStore, Store, Version
from pipelines.stores.s3 import S3Store, s3_client

__all__ = [
    "Blob",
    "ConditionalStore",
    "DiscardingStore",
    "GcsStore",
    "LocalStore",
    "PeekingStore",
    "S3Store",
    "Store",
    "Version",
    "gcs_client",
    "open_store",
    "s3_client",
]


def open_store(uri: Uri, endpoints: tuple[Endpoint, ...] = ()) -> Store:
    """Return the store at `uri`; keys are relative to it.

    Raises:
        Terminal: no store is behind that kind of place.
    """
    match uri:
        case LocalUri(path=path):
            return LocalStore(Path(path))
        case BucketUri(scheme="s3"):
            return S3Store(uri, s3_client(uri.bucket, endpoints))
        case BucketUri(scheme="gs"):
            return GcsStore(uri, gcs_client(uri.bucket, endpoints))
        case BucketUri() | HttpUri():
            raise Terminal(
                "files are read from directories and buckets only",
                where=str(uri),
                fix="Copy the delivery to a directory or a bucket and name that: a path, s3://… or gs://….",
            )
