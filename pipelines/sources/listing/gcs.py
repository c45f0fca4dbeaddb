"""Listing a bucket of Cloud Storage: every generation, and what was deleted but can still be restored.

The client's own listing, but its items stay the plain JSON they came as. Soft-deleted generations are a
listing of their own, so each range is listed twice where the bucket keeps them.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.domain.configuration import Endpoint
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import GCS_INVENTORY
from pipelines.errors import Terminal
from pipelines.sources.listing.protocol import PAGE_ROWS, Cursor, Page, Probe
from pipelines.stores import gcs_client
from pipelines.stores.gcs_errors import explained

if TYPE_CHECKING:
    from google.cloud import storage

GENERATIONS = "objects.list?versions=true"
WITH_SOFT_DELETED = "objects.list?versions=true,softDeleted=true"
"""The two ways to list, by what is asked for."""

# Raw name by the name of the API.
_FIELDS = {
    "object_key": "name",
    "generation": "generation",
    "metageneration": "metageneration",
    "size_bytes": "size",
    "created_at": "timeCreated",
    "updated_at": "updated",
    "deleted_at": "timeDeleted",
    "soft_deleted_at": "softDeleteTime",
    "hard_deleted_at": "hardDeleteTime",
    "storage_class": "storageClass",
    "class_changed_at": "timeStorageClassUpdated",
    "etag": "etag",
    "md5_hash": "md5Hash",
    "crc32c": "crc32c",
    "retention_expires_at": "retentionExpirationTime",
    "is_temporary_hold": "temporaryHold",
    "is_event_hold": "eventBasedHold",
}
_SCHEMA = pa.schema(
    [(name, pa.bool_() if name.startswith("is_") else pa.string()) for name in _FIELDS.values()]
)
_MASK = f"items({','.join(_FIELDS.values())}),nextPageToken"
_LATE = 0.75
_one_at_a_time = Lock()

_Item = Mapping[str, Any]


class GcsLister:
    """Lists a bucket; with what is soft-deleted if it is opened so."""

    def __init__(self, client: "storage.Client", bucket: str, prefix: str, request: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._has_soft_deleted = request == WITH_SOFT_DELETED

    @property
    def schema(self) -> pa.Schema:
        """The fields that are asked for."""
        return _SCHEMA

    def start(self, after: str) -> Cursor:
        """Return where the keys after `after` begin."""
        return {"after": after}

    def keeps_soft_deleted(self) -> bool:
        """Return whether the bucket has a soft delete policy; where it has none, such a list is refused.

        Raises:
            Transient: the store does not answer.
        """
        try:
            self._asked({"after": "", "softDeleted": "true"}, 1)
        except Terminal:
            return False
        return True

    def page(self, cursor: Cursor, until: str | None, most: int = PAGE_ROWS) -> Page:
        """Return one page; pages of what is soft-deleted follow those of everything else."""
        items, token = self._asked(cursor, most)
        probe = _probe(items, token)
        is_inside = until is None or probe.last <= until
        if not is_inside:
            items = [item for item in items if item["name"] <= str(until)]
        is_soft_deleted = "softDeleted" in cursor
        following: Cursor | None = {**cursor, "token": token} if token and is_inside else None
        if following is None and self._has_soft_deleted and not is_soft_deleted:
            following = {"after": cursor["after"], "softDeleted": "true"}
        # Who lists both at a time divides the first only: a piece is listed both ways by who takes it.
        return Page(_batch(items), probe, following, is_divisible=not is_soft_deleted and bool(token))

    def select(self, relation: str, snapshot_at: datetime) -> str:
        """Return the SQL of rows of `gcs_inventory`."""
        leaf = "split_part(name, '/', -1)"
        known = {
            "bucket": quote(self._bucket),
            "directory": f"left(name, length(name) - length({leaf}))",
            "leaf": leaf,
            "storage_class": "upper(storageClass)",
            "snapshot_at": quote(str(snapshot_at)),
        }
        columns = ", ".join(
            f"({known.get(name) or _FIELDS[name]})::{kind} as {name}" for name, kind in GCS_INVENTORY
        )
        return f"select {columns} from {relation}"

    def _asked(self, cursor: Cursor, most: int) -> tuple[list[_Item], str]:
        after = cursor["after"]
        kind = {"soft_deleted": True} if "softDeleted" in cursor else {"versions": True}
        with explained(f"gs://{self._bucket}/{self._prefix}"):
            pages = self._client.list_blobs(
                self._bucket,
                prefix=self._prefix,
                start_offset=after or None,
                page_token=cursor.get("token"),
                page_size=most,
                fields=_MASK,
                **kind,
            )
            pages.item_to_value = _unchanged
            page = next(pages.pages, None)
            # An offset is inclusive here.
            items = [item for item in page or () if item["name"] > after]
        return items, pages.next_page_token or ""


def gcs_lister(bucket: str, prefix: str, endpoints: tuple[Endpoint, ...], request: str) -> GcsLister:
    """Return a lister; all of a bucket share one client."""
    with _one_at_a_time:
        return GcsLister(_client(bucket, endpoints), bucket, prefix, request)


@lru_cache(maxsize=8)
def _client(bucket: str, endpoints: tuple[Endpoint, ...]) -> "storage.Client":
    return gcs_client(bucket, endpoints)


def _probe(items: list[_Item], token: str) -> Probe:
    if not items:
        return Probe(None, is_end=not token)
    late = int(len(items) * _LATE)
    return Probe(
        items[0]["name"],
        late=items[late]["name"],
        last=items[-1]["name"],
        late_count=len(items) - late - 1,
        count=len(items),
        is_end=not token,
    )


def _batch(items: list[_Item]) -> pa.RecordBatch:
    columns = [pa.array([item.get(field.name) for item in items], field.type) for field in _SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _unchanged(_: object, item: _Item) -> _Item:
    return item
