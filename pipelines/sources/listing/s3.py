"""Listing an S3 bucket by pages of `pipelines.stores.s3_pages`."""

from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.domain.configuration import Endpoint
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import S3_INVENTORY
from pipelines.sources.listing.protocol import PAGE_ROWS, Cursor, Page
from pipelines.sources.listing.s3_pages import SCHEMA, cut
from pipelines.stores import s3_client
from pipelines.stores.s3 import explained
from pipelines.stores.s3_pages import CURRENT, VERSIONS, leave_unread, read_page

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_one_at_a_time = Lock()


class S3Lister:
    """Lists a bucket; with versions and delete markers if it is opened so."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, request: str) -> None:
        self._client, self._bucket, self._prefix, self._request = client, bucket, prefix, request

    @property
    def schema(self) -> pa.Schema:
        """Texts, as they stand in the answer."""
        return SCHEMA

    def start(self, after: str) -> Cursor:
        """Return where the keys after `after` begin."""
        if not after:
            return {}
        # Without a version beside it a key marker stands behind all versions of its key.
        return {"StartAfter": after} if self._request == CURRENT else {"KeyMarker": after}

    def page(self, cursor: Cursor, until: str | None, most: int = PAGE_ROWS) -> Page:
        """Return one page; the texts of keys stay encoded where the server encodes them."""
        with explained(f"s3://{self._bucket}/{self._prefix}"):
            page = read_page(self._client, self._request, (self._bucket, self._prefix), cursor, most)
        return cut(page, until)

    def select(self, relation: str, snapshot_at: datetime) -> str:
        """Return the SQL of rows of `s3_inventory`."""
        leaf = "split_part(object_key, '/', -1)"
        known = {
            "bucket": quote(self._bucket),
            "object_key": "object_key",
            "directory": f"left(object_key, length(object_key) - length({leaf}))",
            "leaf": leaf,
            # What was written before versioning was switched on has no version id in an inventory either.
            "version_id": "nullif(version_id, 'null')",
            "is_latest": "is_latest",
            "is_delete_marker": "element = 'DeleteMarker'" if self._has_versions else "null",
            "size_bytes": "size",
            "last_modified_at": "last_modified",
            "etag": "replace(replace(etag, '&quot;', ''), '\"', '')",
            "storage_class": "upper(storage_class)",
            "lists_versions": str(self._has_versions),
            "snapshot_at": quote(str(snapshot_at)),
        }
        columns = ", ".join(f"({known.get(name, 'null')})::{kind} as {name}" for name, kind in S3_INVENTORY)
        key = "case when is_encoded then url_decode(replace(key, '+', ' ')) else key end"
        return f"select {columns} from (select *, {key} as object_key from {relation})"

    @property
    def _has_versions(self) -> bool:
        return self._request == VERSIONS


def listing_client(bucket: str, endpoints: tuple[Endpoint, ...]) -> "S3Client":
    """Return a client whose listings come back unread; the same one for every thread that asks."""
    # boto3 makes clients of one session, which is not safe to share; using a client is.
    with _one_at_a_time:
        return _listing_client(bucket, endpoints)


@lru_cache(maxsize=8)
def _listing_client(bucket: str, endpoints: tuple[Endpoint, ...]) -> "S3Client":
    client = s3_client(bucket, endpoints)
    leave_unread(client)
    return client
