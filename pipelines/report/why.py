"""Everything known about one object, checkpoint, run or folder: what it is, what it costs, who needs it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

import duckdb

from pipelines.domain.text import visible
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import NotFound, Terminal
from pipelines.report import story
from pipelines.report.explained import CheckpointFacts, Explanation, ObjectFacts, RunFacts
from pipelines.report.listing import Listing, VersionFacts, below, versions_of
from pipelines.report.why_evidence import evidence
from pipelines.report.why_near import nearest, searched
from pipelines.report.why_queries import (
    CHECKPOINT,
    CHECKPOINT_OF_OBJECT,
    COPIES_OF_CHECKPOINT,
    COPIES_OF_OBJECT,
    FILES,
    OBJECT,
    RATE,
    RUN,
    WASTE,
)

NO_CHECKPOINT = (
    "not recognised as part of a checkpoint: no retention policy can touch it, whatever the policy says"
)
NO_RUN = "no run and no checkpoint is known under exactly this name; what lies below may belong to some"

Row = TypeVar("Row")


def explain(connection: duckdb.DuckDBPyConnection, uri: str, listings: Sequence[Listing] = ()) -> Explanation:
    """Return everything known about `uri`: an object, a checkpoint, a run, or any folder that is listed.

    Raises:
        Terminal: `uri` is not in a bucket.
        NotFound: nothing is there; the message says what was searched, and names what is near.
    """
    place = parse_uri(uri)
    if not isinstance(place, BucketUri) or not place.key:
        raise Terminal(
            f"{visible(uri)!r} is no object in a bucket",
            where="URI",
            fix="Write s3://bucket/key of an object, or s3://bucket/run/checkpoint of a checkpoint.",
        )
    ways = (_explain_checkpoint, _explain_object, _explain_run, _explain_listed, _explain_folder)
    for way in ways:
        explanation = way(connection, place, listings)
        if explanation is not None:
            return explanation
    raise NotFound(
        f"no checkpoint and no object is known there. Searched: {searched(place, listings)}",
        where=visible(uri),
        fix=nearest(connection, place, listings),
    )


def _explain_checkpoint(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]
) -> Explanation | None:
    found = _rows(connection, CheckpointFacts, CHECKPOINT, str(place).removesuffix("/"))
    if not found:
        return None
    checkpoint = found[0]
    copies = _texts(connection, COPIES_OF_CHECKPOINT, checkpoint.checkpoint_id)
    folder = below(listings, place.key.removesuffix("/") + "/")
    hidden = [story.hidden_below(folder)] if folder and folder.hidden_count else []
    return Explanation(
        str(place),
        "checkpoint",
        checkpoint,
        _rows(connection, ObjectFacts, FILES, checkpoint.checkpoint_id),
        checkpoint.cost_usd_month,
        _reasons(checkpoint),
        evidence=evidence(connection, checkpoint),
        story=(*_of_checkpoint(connection, checkpoint), *story.copies(copies), *hidden),
        folder=folder,
        copies=copies,
    )


def _explain_object(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]
) -> Explanation | None:
    objects = _rows(connection, ObjectFacts, OBJECT, place.bucket, place.key, _provider(place))
    found = _rows(
        connection, CheckpointFacts, CHECKPOINT_OF_OBJECT, place.bucket, place.key, _provider(place)
    )
    if not (objects and found):
        return None
    checkpoint = found[0]
    cost = _share(checkpoint, sum(version.size_bytes for version in objects))
    marker = ("it is written last and proves that the save ended",) if objects[0].is_marker else ()
    versions = versions_of(listings, place.key)
    copies = _copies(connection, place, objects[0].etag, objects[0].size_bytes)
    told = (*_of_checkpoint(connection, checkpoint), *story.copies(copies), *story.hidden(versions))
    return Explanation(
        str(place),
        "object",
        checkpoint,
        objects,
        cost,
        (*marker, *_reasons(checkpoint)),
        evidence=evidence(connection, checkpoint),
        story=told,
        versions=versions,
        copies=copies,
    )


def _explain_run(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]
) -> Explanation | None:
    name = place.key.removesuffix("/")
    found = _rows(connection, RunFacts, RUN, place.bucket, name, f"{place.scheme}://")
    if not found or not found[0].checkpoint_count:
        return None
    run = found[0]
    waste = _texts(connection, WASTE, place.bucket, name)
    kept = f"a retention policy keeps {run.protected_count:,} of its {run.checkpoint_count:,} checkpoints"
    times = run.first_modified_at, run.last_modified_at
    told = story.since(*times, run.cost_usd_month, _as_of(connection))
    folder = below(listings, f"{name}/")
    return Explanation(
        str(place),
        "run",
        cost_usd_month=run.cost_usd_month,
        reasons=(kept, *waste),
        story=told,
        run=run,
        folder=folder,
    )


def _explain_listed(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]
) -> Explanation | None:
    versions = versions_of(listings, place.key)
    if not versions:
        return None
    first = versions[0]
    cost = _at_the_rate(connection, place, first) if first.state == "current" else None
    copies = _copies(connection, place, first.etag, first.size_bytes)
    when = story.since(first.last_modified_at, first.last_modified_at, cost, _as_of(connection))
    return Explanation(
        str(place),
        "other object",
        cost_usd_month=cost,
        reasons=(story.gone(versions) or NO_CHECKPOINT,),
        story=(*when, *story.copies(copies), *story.hidden(versions)),
        versions=versions,
        copies=copies,
    )


def _explain_folder(
    _: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]
) -> Explanation | None:
    folder = below(listings, place.key.removesuffix("/") + "/")
    if folder is None:
        return None
    hidden = (story.hidden_below(folder),) if folder.hidden_count else ()
    return Explanation(str(place), "folder", reasons=(NO_RUN,), story=hidden, folder=folder)


def _of_checkpoint(connection: duckdb.DuckDBPyConnection, checkpoint: CheckpointFacts) -> tuple[str, ...]:
    times = checkpoint.first_modified_at, checkpoint.last_modified_at
    return story.since(*times, checkpoint.cost_usd_month, _as_of(connection))


def _as_of(connection: duckdb.DuckDBPyConnection) -> date:
    ((as_of,),) = connection.execute("select as_of from reference.snapshot").fetchall()
    return date.fromisoformat(str(as_of))


def _copies(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, etag: str | None, size_bytes: int
) -> tuple[str, ...]:
    if not etag or not size_bytes:
        return ()
    return _texts(connection, COPIES_OF_OBJECT, etag, size_bytes, str(place))


def _at_the_rate(
    connection: duckdb.DuckDBPyConnection, place: BucketUri, version: VersionFacts
) -> Decimal | None:
    rates = connection.execute(RATE, [place.bucket, version.storage_class or ""]).fetchall()
    rate = rates[0][0] if rates else None
    return None if rate is None else round(Decimal(rate) * version.size_bytes / 2**30, 6)


def _provider(place: BucketUri) -> str:
    return f"{place.scheme}://{place.bucket}/"


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


def _texts(connection: duckdb.DuckDBPyConnection, query: str, *values: object) -> tuple[str, ...]:
    return tuple(str(text) for (text,) in connection.execute(query, list(values)).fetchall())


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: type[Row], query: str, *values: object
) -> tuple[Row, ...]:
    return tuple(kind(*row) for row in connection.execute(query, list(values)).fetchall())
