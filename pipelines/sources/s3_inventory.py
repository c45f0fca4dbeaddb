"""Deliveries of S3 Inventory: what a bucket held when the listing began.

A folder is a delivery once `manifest.checksum` stands beside `manifest.json`. The data files of all
deliveries share one folder, so only the keys that a manifest lists are read. A delivery counts from its
manifest's creationTimestamp, the moment it describes: that survives copying, where a file's time does not.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from pipelines.domain.deliveries import Delivery, Rejected
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import S3_INVENTORY
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources.columns import of_bucket, projection, require
from pipelines.sources.places import Found, Place, found, rejected
from pipelines.sources.reading import DataFile, FileForm
from pipelines.sources.s3_inventory_manifest import REQUIRED, Manifest, parse_manifest
from pipelines.stores import Blob

ROLLUPS = {
    "s3_inventory_directories": """
        select
            bucket,
            directory,
            storage_class,
            case when lists_versions then coalesce(is_latest, false) else true end as is_current,
            last_modified_at::date as created_date,
            count(*)::bigint as object_count,
            sum(size_bytes)::bigint as size_bytes,
            sum(
                size_bytes::hugeint
                * date_diff('second', last_modified_at, last_modified_at::date + interval 1 day)
            )::decimal(38, 0) as first_day_byte_seconds,
            count(*) filter (where size_bytes < 131072)::bigint as small_object_count,
            coalesce(sum(size_bytes) filter (where size_bytes < 131072), 0)::bigint as small_object_bytes,
            max(last_modified_at) as newest_at,
            min(last_modified_at) as oldest_at,
            snapshot_at
        from landed
        where not coalesce(is_delete_marker, false)
        group by all
        order by all
    """,
}
"""Small enough to keep for every past day: what explains a bill's storage rows by directory."""

_MANIFEST = re.compile(r"(^|/)([^/]*_)?manifest\.json$")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\dZ")
_READERS = 8

# Raw name by the name in Parquet and ORC lists.
_SPELLED = {
    "object_key": "key",
    "size_bytes": "size",
    "last_modified_at": "last_modified_date",
    "etag": "e_tag",
    "object_lock_retain_until_at": "object_lock_retain_until_date",
    "object_lock_legal_hold": "object_lock_legal_hold_status",
}
_DERIVED = ("directory", "leaf", "lists_versions", "snapshot_at")

# Most keys are letters, digits and slashes: looking is a fifth of decoding.
_DECODED = """
    case
        when contains(object_key, '%') or contains(object_key, '+')
            then url_decode(replace(object_key, '+', ' '))
        else object_key
    end
"""


def find(place: Place) -> Found:
    """Return the complete deliveries of the place, oldest first; each manifest agrees with its checksum.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: a manifest lists another bucket.
    """
    blobs = {blob.key: blob for blob in place.blobs()}
    manifests = [key for key in blobs if _MANIFEST.search(key)]
    complete = [blobs[key] for key in manifests if _checksum_key(key) in blobs]
    if not complete:
        raise _nothing(place, manifests)
    with ThreadPoolExecutor(_READERS) as pool:
        return found(pool.map(partial(_delivery, place), complete), _warnings(place, complete))


def form(delivery: Delivery) -> FileForm:
    """Return how the files of a delivery are written."""
    return FileForm(delivery.file_format, names=delivery.columns if delivery.file_format == "CSV" else ())


def query(delivery: Delivery, file: DataFile) -> str:
    """Return the SQL of one row per object version; keys are exact.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    require(
        file.present, REQUIRED, where=file.where, fix="The manifest promises {}; wait for the next delivery."
    )
    plain = tuple((name, kind) for name, kind in S3_INVENTORY if name not in _DERIVED)
    lists_versions = "is_latest" in delivery.columns
    # CSV keys are URL-encoded with + for a space; keys of the other formats are not encoded at all.
    key = _DECODED if delivery.file_format == "CSV" else "object_key"
    return f"""
        with typed as (select {projection(plain, file.present, _SPELLED)} from {file.relation}),
        decoded as (select * replace ({key} as object_key) from typed),
        split as (select *, split_part(object_key, '/', -1) as leaf from decoded),
        whole as (
            select * replace (
                {of_bucket(delivery.scope)} as bucket,
                case when contains(etag, '"') then replace(etag, '"', '') else etag end as etag,
                case when not coalesce(is_delete_marker, false) then upper(storage_class) end as storage_class
            ),
            left(object_key, length(object_key) - length(leaf)) as directory,
            {lists_versions} as lists_versions,
            {quote(str(delivery.snapshot_at))}::timestamp as snapshot_at
            from split
        )
        select {", ".join(name for name, _ in S3_INVENTORY)} from whole
    """


def _delivery(place: Place, blob: Blob) -> Delivery | Rejected:
    text, where = place.files.read(blob.key), place.where(blob.key)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    try:
        _check_checksum(place, blob.key, checksum)
        manifest = parse_manifest(text, where=where)
    except Damaged as error:
        return rejected(
            place,
            "s3_inventory",
            error,
            delivery_id=f"{_stamp(blob.key, blob.modified_at)}-{checksum[:12]}",
            scope=place.source.bucket or "",
            delivered_at=_stamped_at(blob),
            checksum=checksum,
        )
    _check_bucket(place, manifest, where)
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="s3_inventory",
        delivery_id=f"{_stamp(blob.key, manifest.snapshot_at)}-{checksum[:12]}",
        delivered_at=manifest.snapshot_at,
        checksum=checksum,
        scope=manifest.source_bucket,
        parts=manifest.files,
        snapshot_at=manifest.snapshot_at,
        file_format=manifest.file_format,
        columns=manifest.columns,
        written_at=blob.modified_at,
    )


def _check_checksum(place: Place, key: str, checksum: str) -> None:
    said = place.files.read(_checksum_key(key)).decode("ascii", "replace").strip().lower()
    if said != checksum:
        raise Damaged(
            f"a manifest's MD5 is {checksum}, and the checksum beside it says {said[:32]!r}",
            where=place.where(key),
            fix="Copy that folder again, or move it away if it is broken for good; nothing of it was landed.",
        )


def _check_bucket(place: Place, manifest: Manifest, where: str) -> None:
    if manifest.source_bucket != place.source.bucket:
        raise Terminal(
            f"this inventory lists bucket {manifest.source_bucket!r}, not {place.source.bucket!r}",
            where=f"source {place.source.name}, {where}",
            fix="Correct the source's 'bucket', or end its uri with the folder of that bucket's inventory.",
        )


def _warnings(place: Place, manifests: list[Blob]) -> tuple[str, ...]:
    folders = {blob.key.rpartition("/")[0].rpartition("/")[0] for blob in manifests}
    if len(folders) == 1:
        return ()
    names = ", ".join(sorted(repr(folder) for folder in folders))
    several = f"source {place.source.name} holds {len(folders)} inventory configurations: {names}"
    return (f"{several}. The newest list counts, even if it is of a prefix only; end the uri with one",)


def _stamped_at(blob: Blob) -> datetime:
    """Return the moment that a manifest's folder names: what cannot be read is compared with what can."""
    try:
        stamp = _stamp(blob.key, blob.modified_at)
        return datetime.strptime(f"{stamp}+0000", "%Y-%m-%dT%H-%MZ%z").replace(tzinfo=None)
    except ValueError:
        return blob.modified_at


def _stamp(key: str, snapshot_at: datetime) -> str:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    return folder if _STAMP.fullmatch(folder) else f"{snapshot_at:%Y-%m-%dT%H-%MZ}"


def _checksum_key(manifest_key: str) -> str:
    return manifest_key.removesuffix(".json") + ".checksum"


def _nothing(place: Place, manifests: list[str]) -> Transient | NotFound:
    if manifests:
        return Transient(
            "an inventory is still arriving: its manifest.checksum is not there yet",
            where=place.where(manifests[-1]),
            fix="Run again later; the checksum is the last file of a delivery.",
        )
    return NotFound(
        "no inventory was found: there is no manifest.json",
        where=f"source {place.source.name}, {place.where(place.prefix)}",
        fix="End the uri with <prefix>/<bucket>/<configuration>; a first inventory takes up to 48 hours.",
    )
