"""Everything known about one object or checkpoint: what it is, what it costs, and what protects it."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import duckdb

from pipelines.domain.text import visible
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import NotFound, Terminal

FILES_SHOWN = 20
SUGGESTIONS = 5

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """A checkpoint as published."""

    checkpoint_id: str
    checkpoint_uri: str
    bucket: str
    run: str
    framework: str
    step: int | None
    epoch: int | None
    state: str
    state_reason: str
    kind: str
    is_complete: bool
    is_latest: bool
    is_best: bool | None
    best_from: str | None
    is_protected: bool
    protected_because: str
    storage_classes: str
    team: str
    object_count: int
    shard_count: int
    shards_expected: int
    size_bytes: int
    weights_bytes: int
    optimizer_bytes: int
    cost_usd_month: Decimal | None
    first_modified_at: datetime
    last_modified_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object of a checkpoint as published."""

    object_key: str
    version_id: str | None
    role: str
    storage_class: str | None
    size_bytes: int
    etag: str | None
    is_marker: bool
    last_modified_at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """One object or checkpoint, and why it is as it is."""

    uri: str
    kind: str
    """`object` or `checkpoint`."""
    checkpoint: CheckpointFacts
    objects: tuple[ObjectFacts, ...]
    """The object asked for; of a checkpoint its largest ones."""
    cost_usd_month: Decimal | None
    """Of the object: its share by bytes of what the checkpoint costs."""
    reasons: tuple[str, ...]
    """What speaks for keeping it, or that nothing does."""


def explain(connection: duckdb.DuckDBPyConnection, uri: str) -> Explanation:
    """Return everything known about `uri`, an object or a checkpoint.

    Raises:
        Terminal: `uri` is not in a bucket.
        NotFound: no checkpoint and no object of one is there; the message names what is near.
    """
    place = parse_uri(uri)
    if not isinstance(place, BucketUri) or not place.key:
        raise Terminal(
            f"{visible(uri)!r} is no object in a bucket",
            where="URI",
            fix="Write s3://bucket/key of an object, or s3://bucket/run/checkpoint of a checkpoint.",
        )
    explanation = _explain_checkpoint(connection, uri) or _explain_object(connection, uri, place)
    if explanation is None:
        raise NotFound(
            "no checkpoint and no object of a checkpoint is known there",
            where=visible(uri),
            fix=_nearest(connection, place),
        )
    return explanation


def _explain_checkpoint(connection: duckdb.DuckDBPyConnection, uri: str) -> Explanation | None:
    found = _rows(connection, CheckpointFacts, CHECKPOINT, uri.removesuffix("/"))
    if not found:
        return None
    files = _rows(connection, ObjectFacts, FILES, found[0].checkpoint_id)
    return Explanation(uri, "checkpoint", found[0], files, found[0].cost_usd_month, _reasons(found[0]))


def _explain_object(connection: duckdb.DuckDBPyConnection, uri: str, place: BucketUri) -> Explanation | None:
    versions = _rows(connection, ObjectFacts, OBJECT, place.bucket, place.key)
    found = _rows(connection, CheckpointFacts, CHECKPOINT_OF_OBJECT, place.bucket, place.key)
    if not (versions and found):
        return None
    cost = _share(found[0], sum(version.size_bytes for version in versions))
    marker = ("it is written last and proves that the save ended",) if versions[0].is_marker else ()
    return Explanation(uri, "object", found[0], versions, cost, (*marker, *_reasons(found[0])))


def _share(checkpoint: CheckpointFacts, size_bytes: int) -> Decimal | None:
    if checkpoint.cost_usd_month is None or not checkpoint.size_bytes:
        return checkpoint.cost_usd_month
    return round(checkpoint.cost_usd_month * size_bytes / checkpoint.size_bytes, 6)


def _reasons(checkpoint: CheckpointFacts) -> tuple[str, ...]:
    reasons = []
    if not checkpoint.is_complete:
        reasons.append(f"{checkpoint.state.replace('_', ' ')}: {checkpoint.state_reason or 'see its files'}")
    if checkpoint.is_protected:
        reasons.append(f"protected: {checkpoint.protected_because}")
    else:
        reasons.append("nothing protects it: a retention policy that matches may archive or delete it")
    return tuple(reasons)


def _nearest(connection: duckdb.DuckDBPyConnection, place: BucketUri) -> str:
    """Name what is most alike below the longest folder that is shared with a known checkpoint."""
    for folder in _folders(place):
        near = [uri for (uri,) in connection.execute(NEAR, [folder]).fetchall()]
        if near:
            alike = difflib.get_close_matches(str(place), near, n=SUGGESTIONS, cutoff=0)
            return f"Known below {visible(folder)}: {', '.join(map(visible, alike))}."
    buckets = [visible(bucket) for (bucket,) in connection.execute(BUCKETS).fetchall()]
    if not buckets:
        return "No checkpoint is known at all: add a source of kind s3-inventory, then 'moraine run'."
    return f"No checkpoint is known in that bucket; there are some in {', '.join(buckets)}."


def _folders(place: BucketUri) -> Iterator[str]:
    """Yield the folders above and at a place, the deepest first, the bucket last."""
    folder = str(place).removesuffix("/") + "/"
    while folder != str(place.root):
        yield folder
        folder = folder.removesuffix("/").rpartition("/")[0] + "/"
    yield folder


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: type[Row], query: str, *values: object
) -> tuple[Row, ...]:
    return tuple(kind(*row) for row in connection.execute(query, list(values)).fetchall())


_CHECKPOINT_COLUMNS = ", ".join(f"checkpoints.{field.name}" for field in fields(CheckpointFacts))
_OBJECT_COLUMNS = ", ".join(field.name for field in fields(ObjectFacts))

CHECKPOINT = f"""
select {_CHECKPOINT_COLUMNS}
from marts.checkpoints
where checkpoint_uri = $1 or checkpoint_id = $1
order by checkpoint_id = $1 desc, checkpoint_id
limit 1
"""

CHECKPOINT_OF_OBJECT = f"""
select {_CHECKPOINT_COLUMNS}
from marts.checkpoints
where checkpoint_id in (
    select checkpoint_id from marts.checkpoint_objects where bucket = $1 and object_key = $2
)
limit 1
"""

OBJECT = f"""
select {_OBJECT_COLUMNS}
from marts.checkpoint_objects
where bucket = $1 and object_key = $2
order by is_latest_version desc, last_modified_at desc
"""

FILES = f"""
select {_OBJECT_COLUMNS}
from marts.checkpoint_objects
where checkpoint_id = $1
order by size_bytes desc, object_key
limit {FILES_SHOWN}
"""

NEAR = """
select checkpoint_uri from marts.checkpoints
where starts_with(checkpoint_uri, $1)
order by checkpoint_uri
limit 1000
"""

BUCKETS = "select distinct bucket from marts.checkpoints order by bucket limit 10"
