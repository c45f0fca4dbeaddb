"""Listing an S3 bucket through boto3, without boto3's reading of answers.

Credentials, signing, retries, redirects and connections are boto3's own. Its reading of an answer costs about
ten times as much as everything else, so a whole answer is taken out just before it is read.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from pipelines.domain.configuration import Endpoint
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import S3_INVENTORY
from pipelines.errors import Terminal
from pipelines.sources.listing.protocol import PAGE_ROWS, Cursor, Page
from pipelines.sources.listing.s3_pages import SCHEMA, parse_s3_page
from pipelines.stores import s3_client
from pipelines.stores.s3 import explained

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

CURRENT = "ListObjectsV2"
VERSIONS = "ListObjectVersions"
"""The two ways to list, by the name of their request."""

_ENDS = {CURRENT: b"</ListBucketResult>", VERSIONS: b"</ListVersionsResult>"}
_STARTS = {CURRENT: b"<ListBucketResult", VERSIONS: b"<ListVersionsResult"}
_OPENING_BYTES = 256
_BODY = "MoraineBody"
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
        asked: dict[str, Any] = {
            "Bucket": self._bucket,
            "Prefix": self._prefix,
            "MaxKeys": most,
            "EncodingType": "url",
            **cursor,
        }
        ask = self._client.list_objects_v2 if self._request == CURRENT else self._client.list_object_versions
        with explained(f"s3://{self._bucket}/{self._prefix}"):
            answer = cast("Mapping[str, bytes]", ask(**asked))
        if _BODY not in answer:
            raise Terminal(
                "the store's answer to a listing is not S3's",
                where=f"s3://{self._bucket}/{self._prefix}",
                fix="Check 'endpoints:' in moraine.yaml: something else than S3 answers there.",
            )
        return parse_s3_page(answer[_BODY]).until(until)

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
    # Handlers of the widest pattern come first. Any later, and boto3 has parsed the whole answer once, to see
    # whether an error hides in it.
    client.meta.events.register_first("before-parse.*.*", _take_body)
    return client


def _take_body(
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    operation_model: "OperationModel",
    **_: object,
) -> None:
    """Keep a whole answer for ourselves; errors and broken answers are boto3's to explain or to try again."""
    name, body = operation_model.name, response_dict["body"]
    if name not in _ENDS or response_dict["status_code"] != HTTPStatus.OK:
        return
    if _STARTS[name] in body[:_OPENING_BYTES] and body.rstrip().endswith(_ENDS[name]):
        customized_response_dict[_BODY] = body
        response_dict["body"] = _STARTS[name] + b"/>"
