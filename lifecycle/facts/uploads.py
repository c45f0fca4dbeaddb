"""Uploads that nobody completed."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from lifecycle.facts.snapshot import explained, scope, streamed
from lifecycle.model import (
    Artifact,
    ClassShare,
)
from lifecycle.policy import Policy
from pipelines.domain.snapshots import Snapshot

UPLOADS = """
    select
        's3://' || bucket || '/' || object_key || '?uploadId=' || upload_id as checkpoint_id,
        bucket, object_key, upload_id as version_id, null::varchar as etag, size_bytes,
        initiated_at as last_modified_at, 'STANDARD' as storage_class, false as is_marker,
        true as is_latest_version, cost_usd_month, listed_at
    from marts.uploads
"""
"""Uploads, with the columns of the objects of checkpoints."""
_UPLOADS = f"""
    select * from ({UPLOADS})
    where $anywhere or list_contains($places, 's3://' || bucket)
    order by bucket, object_key, version_id
"""


def read_uploads(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy
) -> Iterator[Artifact]:
    """Yield the uploads of the policy's buckets, by bucket and key.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    oldest = datetime.combine(snapshot.as_of, time()) + timedelta(days=1) - policy.max_facts_age
    with explained(snapshot), closing(connection.cursor()) as cursor:
        for row in streamed(cursor, _UPLOADS, scope(policy.match)):
            yield _upload(row, oldest)


def _upload(row: Mapping[str, Any], oldest: datetime) -> Artifact:
    size = row["size_bytes"]
    return Artifact(
        checkpoint_id=row["checkpoint_id"],
        uri=f"s3://{row['bucket']}/{row['object_key']}",
        bucket=row["bucket"],
        run="",
        framework="",
        step=None,
        epoch=None,
        state="open",
        state_reason="",
        kind="upload",
        is_latest=False,
        is_best=False,
        is_protected=False,
        protected_because="",
        object_count=1,
        size_bytes=size,
        last_modified_at=row["last_modified_at"] or datetime.combine(row["listed_at"], time()),
        cost_usd_month=row["cost_usd_month"] or Decimal(0),
        classes=(ClassShare("STANDARD", 1, size, 0, 0, size),),
        doubt=_upload_doubt(row, oldest),
    )


def _upload_doubt(row: Mapping[str, Any], oldest: datetime) -> str:
    if row["last_modified_at"] is None:
        return "nobody said when it was begun"
    if row["listed_at"] < oldest:
        return f"its bucket was last listed on {row['listed_at']:%Y-%m-%d}"
    return ""
