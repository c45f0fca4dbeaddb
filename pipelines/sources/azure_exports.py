"""Deliveries of Azure Cost Management exports, copied as they are.

    <root>/<export>/<yyyymmdd>-<yyyymmdd>/[<yyyymmddhhmm>/]<run>/manifest.json
    <root>/<export>/<yyyymmdd>-<yyyymmdd>/[<yyyymmddhhmm>/]<run>/part_0_0001.csv | .csv.gz | .snappy.parquet

The manifest says which month a run is about and lists its files with their sizes. Each run holds the whole
month to date.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from pipelines.domain.deliveries import Delivery, Part, Rejected
from pipelines.errors import Damaged, Terminal
from pipelines.sources.places import Found, Place, found, rejected
from pipelines.stores import Blob

_MANIFEST = re.compile(r"(?P<export>^|.*/)\d{8}-\d{8}/(?:\d{12}/)?[^/]+/manifest\.json$", re.IGNORECASE)


def is_here(blobs: Sequence[Blob]) -> bool:
    """Tell whether a place is laid out as Azure lays out its exports."""
    return any(_MANIFEST.match(blob.key) for blob in blobs)


def find(place: Place, blobs: Sequence[Blob], table: str) -> Found:
    """Return one delivery per run, oldest first.

    Raises:
        Terminal: the place holds several exports.
    """
    manifests = [(match["export"], blob) for blob in blobs if (match := _MANIFEST.match(blob.key))]
    exports = sorted({export for export, _ in manifests})
    if len(exports) > 1:
        raise Terminal(
            f"there are {len(exports)} exports here, and a newer delivery of one would replace the other's",
            where=f"source {place.source.name}: {', '.join(place.where(export) for export in exports)}",
            fix="Write one source per export, its uri ending with the export's own folder.",
        )
    return found(_delivery(place, manifest, table) for _, manifest in manifests)


def _delivery(place: Place, manifest: Blob, table: str) -> Delivery | Rejected:
    text, where = place.files.read(manifest.key), place.where(manifest.key)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    try:
        document = _document(text, where)
        period, parts = _month(document, where), _parts(document, manifest.key, where)
    except Damaged as error:
        return rejected(
            place,
            table,
            error,
            delivery_id=f"damaged-{checksum[:12]}",
            scope=manifest.key,
            delivered_at=manifest.modified_at,
            checksum=checksum,
        )
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=table,
        delivery_id=f"{period}-{checksum[:12]}",
        delivered_at=manifest.modified_at,
        checksum=checksum,
        scope=period,
        parts=parts,
    )


def _document(text: bytes, where: str) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        raise _foreign("it is not JSON", where) from None
    if not isinstance(document, dict):
        raise _foreign("it is not a JSON object", where)
    config = document.get("exportConfig")
    kind = config.get("type") if isinstance(config, dict) else None
    if isinstance(kind, str) and not kind.lower().startswith("focus"):
        raise _foreign(f"its dataset is {kind}, not FocusCost", where)
    return document


def _month(document: Mapping[str, object], where: str) -> str:
    run = document.get("runInfo")
    bounds = [run.get(name) for name in ("startDate", "endDate")] if isinstance(run, dict) else []
    months = {bound[:7] for bound in bounds if isinstance(bound, str)}
    if len(months) != 1 or not re.fullmatch(r"\d{4}-\d\d", month := months.pop()):
        raise _foreign("its runInfo does not begin and end in one month", where)
    return month


def _parts(document: Mapping[str, object], key: str, where: str) -> tuple[Part, ...]:
    blobs = document.get("blobs")
    if not isinstance(blobs, list):
        raise _foreign("it has no list of blobs", where)
    return tuple(_part(blob, key, where) for blob in blobs)


def _part(blob: object, key: str, where: str) -> Part:
    name = blob.get("blobName") if isinstance(blob, dict) else None
    size = blob.get("byteCount") if isinstance(blob, dict) else None
    if not isinstance(name, str) or not name.rpartition("/")[2]:
        raise _foreign("a blob has no blobName", where)
    # The files lie beside their manifest; how much of the path above it was copied does not matter.
    return Part(
        f"{key.rpartition('/')[0]}/{name.rpartition('/')[2]}", size if isinstance(size, int) else None
    )


def _foreign(problem: str, where: str) -> Damaged:
    return Damaged(
        f"this is not the manifest of a FOCUS export that can be read: {problem}",
        where=where,
        fix="Point the source's uri at the folder of a Cost Management export of FOCUS data.",
    )
