"""A bucket without an inventory, listed by ourselves: a delivery a day, in ranges of keys.

A listing costs a request per thousand rows and takes its time, so it is split: each part is a range of keys
that can be listed again on its own, also on another machine. What is planned here is kept by who lands it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa

from pipelines.domain.deliveries import Converted, Delivery, Part
from pipelines.domain.uris import BucketUri
from pipelines.errors import Terminal
from pipelines.sources.listing import (
    CURRENT,
    GENERATIONS,
    LISTERS,
    PROBE_ROWS,
    VERSIONS,
    WITH_SOFT_DELETED,
    WORTH_A_PART,
    Crew,
    KeyRange,
    Lister,
    Probe,
    S3Lister,
    gcs_lister,
    listing_client,
    plan_ranges,
)
from pipelines.sources.places import Found, Place
from pipelines.sources.reading import convert_pages
from pipelines.stores.s3 import explained

_TABLES = {"s3": "s3_inventory", "gs": "gcs_inventory"}
_CREW = Crew()


def find(place: Place, now: datetime) -> Found:
    """Return today's listing of the bucket, planned: its ranges and how each is to be asked for.

    Raises:
        Transient: the store does not answer.
        Terminal: there is no such bucket, or it may not be listed.
    """
    uri = _bucket(place)
    request, warnings = _request(place, uri)
    ranges = _planned(_lister(place, request))
    parts = tuple(Part(keys.after, until=keys.until) for keys in ranges)
    delivery = Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=_TABLES[uri.scheme],
        delivery_id=f"{now:%Y-%m-%d}-{_md5(str(uri))[:8]}",
        delivered_at=now,
        checksum=_md5(json.dumps([request, *([part.key, part.until] for part in parts)])),
        scope=uri.bucket,
        parts=parts,
        snapshot_at=now,
        file_format=request,
    )
    return Found((delivery,), warnings=warnings)


def convert(
    place: Place, delivery: Delivery, index: int, into: Path, rollups: Mapping[str, str]
) -> Converted:
    """List one range of keys; several may be listed at the same time, by several threads.

    Raises:
        Transient: the store does not answer.
        Terminal: it refuses.
        Damaged: it lists what cannot be.
    """
    part = delivery.parts[index]
    lister = _lister(place, delivery.file_format)
    pages = into / "pages.arrow"
    with pa.OSFile(str(pages), "wb") as file, pa.ipc.new_stream(file, lister.schema) as stream:
        _CREW.harvest(lister, KeyRange(part.key, part.until), stream.write_batch)
    query = partial(lister.select, snapshot_at=cast("datetime", delivery.snapshot_at))
    try:
        with pa.memory_map(str(pages)) as file, pa.ipc.open_stream(file) as stream:
            return convert_pages(place, delivery.table, stream, query, rollups, into)
    finally:
        pages.unlink()


def _request(place: Place, uri: BucketUri) -> tuple[str, tuple[str, ...]]:
    """Return how to list the bucket, and what the list will lack."""
    if uri.scheme == "gs":
        lister = gcs_lister(uri.bucket, place.prefix, place.endpoints, GENERATIONS)
        return (WITH_SOFT_DELETED if lister.keeps_soft_deleted() else GENERATIONS), ()
    try:
        if not _has_versions(place, uri.bucket):
            return CURRENT, ()
        lacks = (
            "earlier versions in {} are not listed: {}. Give these credentials s3:ListBucketVersions there."
        )
    except Terminal:
        # Not allowed to ask, or the store does not know versions: listing them tells.
        lacks = (
            "earlier versions in {} are not listed, if it has any: {}. "
            "Give these credentials s3:GetBucketVersioning and s3:ListBucketVersions there."
        )
    try:
        _probe(_lister(place, VERSIONS), "")
    except Terminal as error:
        return CURRENT, (lacks.format(uri.root, error.what),)
    return VERSIONS, ()


def _has_versions(place: Place, bucket: str) -> bool:
    with explained(f"s3://{bucket}"):
        answer = listing_client(bucket, place.endpoints).get_bucket_versioning(Bucket=bucket)
    # A bucket whose versioning is suspended keeps the versions it has.
    return "Status" in answer


def _planned(lister: Lister) -> list[KeyRange]:
    if lister.page(lister.start(""), None).probe.is_end:
        return [KeyRange("", None)]
    with ThreadPoolExecutor(LISTERS) as pool:

        def probe_all(keys: Sequence[str]) -> list[Probe]:
            return list(pool.map(partial(_probe, lister), keys))

        return plan_ranges(probe_all, at_once=LISTERS, worth_a_part=WORTH_A_PART)


def _probe(lister: Lister, after: str) -> Probe:
    return lister.page(lister.start(after), None, PROBE_ROWS).probe


def _lister(place: Place, request: str) -> Lister:
    uri = _bucket(place)
    if uri.scheme == "gs":
        return gcs_lister(uri.bucket, place.prefix, place.endpoints, request)
    return S3Lister(listing_client(uri.bucket, place.endpoints), uri.bucket, place.prefix, request)


def _bucket(place: Place) -> BucketUri:
    if isinstance(place.uri, BucketUri):
        return place.uri
    raise Terminal(
        "only a bucket can be listed",
        where=f"source {place.source.name}, {place.uri}",
        fix="Write s3://bucket or gs://bucket as its uri, with a prefix where not all of it is wanted.",
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
