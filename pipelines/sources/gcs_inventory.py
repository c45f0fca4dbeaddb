"""Inventory reports of Cloud Storage: what a bucket held at the moment of the snapshot.

A report is a delivery once its manifest is there. Several configurations may write to one folder, for one
bucket or for several: the manifest says of which, or a shard does where the manifest does not.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipelines.domain.deliveries import Delivery, Part, Rejected
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import GCS_INVENTORY
from pipelines.errors import Damaged, NotFound, Terminal
from pipelines.sources.bucket_root import bucket_root
from pipelines.sources.columns import Present, of_bucket, projection, require
from pipelines.sources.gcs_inventory_manifest import Report, parse_report
from pipelines.sources.places import Found, Place, found, rejected
from pipelines.sources.reading import DataFile, FileForm, read_file
from pipelines.stores import Blob

ROLLUPS = {
    "gcs_inventory_directories": """
        select
            bucket,
            directory,
            storage_class,
            deleted_at is null and soft_deleted_at is null as is_current,
            created_at::date as created_date,
            count(*)::bigint as object_count,
            sum(size_bytes)::bigint as size_bytes,
            sum(
                size_bytes::hugeint * date_diff('second', created_at, created_at::date + interval 1 day)
            )::decimal(38, 0) as first_day_byte_seconds,
            count(*) filter (where size_bytes < 131072)::bigint as small_object_count,
            coalesce(sum(size_bytes) filter (where size_bytes < 131072), 0)::bigint as small_object_bytes,
            max(created_at) as newest_at,
            min(created_at) as oldest_at,
            snapshot_at
        from landed
        group by all
        order by all
    """,
}
"""The same columns as of the directories of S3 inventories: one model explains bills with both."""

_MANIFEST = re.compile(r"(^|/)([^/]*_)?manifest\.json$")
_CONFIGURATION = re.compile(r"([^/]+?)_\d{4}-\d\d-\d\dT[^/]*$")
_READERS = 8

# Raw name by the name of the metadata field.
_SPELLED = {
    "object_key": "name",
    "size_bytes": "size",
    "created_at": "timeCreated",
    "updated_at": "updated",
    "deleted_at": "timeDeleted",
    "soft_deleted_at": "softDeleteTime",
    "hard_deleted_at": "hardDeleteTime",
    "storage_class": "storageClass",
    "class_changed_at": "timeStorageClassUpdated",
    "md5_hash": "md5Hash",
    "retention_expires_at": "retentionExpirationTime",
    "is_temporary_hold": "temporaryHold",
    "is_event_hold": "eventBasedHold",
}
_DERIVED = ("directory", "leaf", "snapshot_at")
_REQUIRED = ("name", "size", "timeCreated")
_DELETED = "timedeleted"


@dataclass(frozen=True, slots=True)
class _Read:
    """A manifest that could be read."""

    blob: Blob
    report: Report
    checksum: str


def find(place: Place) -> Found:
    """Return the reports about the source's bucket, oldest first.

    Raises:
        NotFound: there is none.
        Terminal: there are reports about other buckets only.
    """
    blobs = {blob.key: blob for blob in place.blobs()}
    manifests = [blob for key, blob in blobs.items() if _MANIFEST.search(key)]
    if not manifests:
        raise _nothing(place)
    with ThreadPoolExecutor(_READERS) as pool:
        each = list(pool.map(partial(_read, place), manifests))
    read = [one for one in each if isinstance(one, _Read)]
    buckets = _buckets(place, read)
    ours = [one for one in read if buckets[one.blob.key] == place.source.bucket]
    damaged = [one for one in each if isinstance(one, Rejected)]
    if read and not ours:
        raise _others(place, set(buckets.values()))
    return found([*(_delivery(place, one, blobs) for one in ours), *damaged], tuple(_warnings(place, ours)))


def form(delivery: Delivery) -> FileForm:
    """Return how the shards of a report are written."""
    return FileForm(
        delivery.file_format,
        names=delivery.columns,
        delimiter=delivery.delimiter,
        record_separator=delivery.record_separator,
    )


def query(delivery: Delivery, file: DataFile) -> str:
    """Return the SQL of one row per generation of an object; keys are exact.

    Raises:
        Damaged: the shard lacks a column that is needed.
    """
    present = _without_spelling(file.present)
    require(
        present,
        map(str.lower, _REQUIRED),
        where=file.where,
        fix="Add {} to the metadata fields of the report.",
    )
    plain = tuple((name, kind) for name, kind in GCS_INVENTORY if name not in _DERIVED)
    spelled = {name: present.get(_SPELLED.get(name, name).replace("_", "").lower(), "") for name, _ in plain}
    return f"""
        with typed as (select {projection(plain, file.present, spelled)} from {file.relation}),
        split as (select *, split_part(object_key, '/', -1) as leaf from typed),
        whole as (
            select * replace (
                {of_bucket(delivery.scope)} as bucket,
                upper(storage_class) as storage_class
            ),
            left(object_key, length(object_key) - length(leaf)) as directory,
            {quote(str(delivery.snapshot_at))}::timestamp as snapshot_at
            from split
        )
        select {", ".join(name for name, _ in GCS_INVENTORY)} from whole
    """


def _read(place: Place, blob: Blob) -> _Read | Rejected:
    text = place.files.read(blob.key)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    try:
        return _Read(blob, parse_report(text, blob.key, where=place.where(blob.key)), checksum)
    except Damaged as error:
        return rejected(
            place,
            "gcs_inventory",
            error,
            delivery_id=_identity(blob.modified_at, checksum),
            scope=place.source.bucket or "",
            delivered_at=blob.modified_at,
            checksum=checksum,
        )


def _delivery(place: Place, read: _Read, blobs: Mapping[str, Blob]) -> Delivery:
    report = read.report
    shards = [_beside(read.blob.key, name) for name in report.shards]
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="gcs_inventory",
        delivery_id=_identity(report.snapshot_at, read.checksum),
        delivered_at=report.snapshot_at,
        checksum=read.checksum,
        scope=place.source.bucket or "",
        parts=tuple(map(Part, shards)),
        snapshot_at=report.snapshot_at,
        file_format=report.file_format,
        columns=report.columns,
        delimiter=report.delimiter,
        record_separator=report.record_separator,
        row_count=report.row_count,
        byte_count=sum(blobs[key].size_bytes for key in shards if key in blobs),
        written_at=read.blob.modified_at,
    )


def _buckets(place: Place, read: Iterable[_Read]) -> Mapping[str, str | None]:
    """Return the bucket that each manifest is about, by the manifest's key."""
    by_configuration: dict[str, str | None] = {}
    buckets: dict[str, str | None] = {}
    for one in read:
        key = one.blob.key
        if one.report.bucket is not None:
            buckets[key] = one.report.bucket
            continue
        # A configuration keeps its bucket for life: one look into one of its shards is enough.
        matched = _CONFIGURATION.search(key)
        configuration = matched.group(1) if matched else key
        if by_configuration.get(configuration) is None:
            by_configuration[configuration] = _bucket_in_shard(place, one)
        buckets[key] = by_configuration[configuration] or place.source.bucket
    return buckets


def _bucket_in_shard(place: Place, read: _Read) -> str | None:
    if not read.report.shards:
        return None
    key = _beside(read.blob.key, read.report.shards[0])
    shard_form = FileForm(
        read.report.file_format,
        names=read.report.columns,
        delimiter=read.report.delimiter,
        record_separator=read.report.record_separator,
    )
    try:
        root = bucket_root(place, key)
        with root.verified(Part(key), place.scratch) as path:
            rows = read_file(place, path, root.where(key), _first_bucket, shard_form)
    except Damaged:
        # What is wrong with it is said when it lands.
        return None
    return str(rows[0][0]) if rows and rows[0][0] is not None else None


def _first_bucket(file: DataFile) -> str:
    column = _without_spelling(file.present).get("bucket")
    shown = f"{quote_name(column)}::varchar" if column else "null"
    return f"select {shown} from {file.relation} limit 1"


def _without_spelling(present: Present) -> Mapping[str, str]:
    """Return the columns by their names without case and underscores."""
    return {name.replace("_", "").lower(): name for name in present}


def _warnings(place: Place, ours: Iterable[_Read]) -> Iterable[str]:
    newest = max(ours, key=lambda one: one.report.snapshot_at, default=None)
    fields = newest.report.fields if newest else None
    if fields is not None and _DELETED not in _without_spelling(dict.fromkeys(fields, "")):
        yield (
            f"the reports about gs://{place.source.bucket} have no field timeDeleted: "
            "replaced versions count as current; add it to the report configuration"
        )


def _identity(moment: datetime, checksum: str) -> str:
    return f"{moment:%Y-%m-%dT%H-%MZ}-{checksum[:12]}"


def _beside(manifest_key: str, name: str) -> str:
    return f"{manifest_key.rpartition('/')[0]}/{name}".removeprefix("/")


def _nothing(place: Place) -> NotFound:
    return NotFound(
        "no inventory report was found: there is no file called …_manifest.json",
        where=f"source {place.source.name}, {place.where(place.prefix)}",
        fix="Write the report's destination as the uri; a first report takes up to two days.",
    )


def _others(place: Place, buckets: set[str | None]) -> Terminal:
    listed = ", ".join(sorted(repr(bucket) for bucket in buckets))
    return Terminal(
        f"the reports here list bucket {listed}, not {place.source.bucket!r}",
        where=f"source {place.source.name}, {place.where(place.prefix)}",
        fix="Correct the source's 'bucket', or write the destination of that bucket's report as its uri.",
    )
