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

import pyarrow as pa

from pipelines.domain.deliveries import Delivery
from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import S3_INVENTORY
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.sources.columns import projection, require
from pipelines.sources.places import Place
from pipelines.sources.reading import DataFile, FileForm, read_delivery
from pipelines.sources.s3_inventory_manifest import REQUIRED, Manifest, parse_manifest

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


def find(place: Place) -> list[Delivery]:
    """Return the complete deliveries of the place, oldest first; each manifest agrees with its checksum.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: a manifest is damaged, of another family, or lists another bucket.
    """
    keys = [blob.key for blob in place.blobs()]
    manifests = [key for key in keys if _MANIFEST.search(key)]
    complete = sorted(set(keys) & {_checksum_key(key) for key in manifests})
    if not complete:
        raise _nothing(place, manifests)
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(partial(_delivery, place), (_manifest_key(key) for key in complete))
    return sorted(found, key=lambda delivery: (delivery.delivered_at, delivery.delivery_id))


def read(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return one row per object version; keys are exact.

    Raises:
        NotFound: a listed file is missing.
        Terminal: a file is not what the manifest says, or lacks a column that is needed.
    """
    names = delivery.columns if delivery.file_format == "CSV" else ()
    form = FileForm(delivery.file_format, names=names)
    return read_delivery(place, delivery, partial(_query, delivery), form)


def _query(delivery: Delivery, file: DataFile) -> str:
    require(
        file.present, REQUIRED, where=file.where, fix="The manifest promises {}; wait for the next delivery."
    )
    plain = tuple((name, kind) for name, kind in S3_INVENTORY if name not in _DERIVED)
    lists_versions = "is_latest" in delivery.columns
    # CSV keys are URL-encoded with + for a space; keys of the other formats are not encoded at all.
    key = "url_decode(replace(object_key, '+', ' '))" if delivery.file_format == "CSV" else "object_key"
    return f"""
        with typed as (select {projection(plain, file.present, _SPELLED)} from {file.relation}),
        decoded as (select * replace ({key} as object_key) from typed),
        split as (select *, split_part(object_key, '/', -1) as leaf from decoded),
        whole as (
            select * replace (
                replace(etag, '"', '') as etag,
                case when not coalesce(is_delete_marker, false) then upper(storage_class) end as storage_class
            ),
            left(object_key, length(object_key) - length(leaf)) as directory,
            {lists_versions} as lists_versions,
            {quote(str(delivery.snapshot_at))}::timestamp as snapshot_at
            from split
        )
        select {", ".join(name for name, _ in S3_INVENTORY)} from whole
    """


def _delivery(place: Place, key: str) -> Delivery:
    text, where = place.files.read(key), place.where(key)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    _check_checksum(place, key, checksum)
    manifest = parse_manifest(text, where=where)
    _check_bucket(place, manifest, where)
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="s3_inventory",
        delivery_id=f"{_stamp(key, manifest.snapshot_at)}-{checksum[:12]}",
        delivered_at=manifest.snapshot_at,
        checksum=checksum,
        scope=manifest.source_bucket,
        parts=manifest.files,
        snapshot_at=manifest.snapshot_at,
        file_format=manifest.file_format,
        columns=manifest.columns,
    )


def _check_checksum(place: Place, key: str, checksum: str) -> None:
    said = place.files.read(_checksum_key(key)).decode("ascii", "replace").strip().lower()
    if said != checksum:
        raise Terminal(
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


def _stamp(key: str, snapshot_at: datetime) -> str:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    return folder if _STAMP.fullmatch(folder) else f"{snapshot_at:%Y-%m-%dT%H-%MZ}"


def _checksum_key(manifest_key: str) -> str:
    return manifest_key.removesuffix(".json") + ".checksum"


def _manifest_key(checksum_key: str) -> str:
    return checksum_key.removesuffix(".checksum") + ".json"


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
