"""Deliveries of AWS Data Exports, whatever the table: CUR 2.0 or FOCUS.

    <export>/data/BILLING_PERIOD=YYYY-MM/[<run>/]*.parquet | *.csv.gz
    <export>/metadata/BILLING_PERIOD=YYYY-MM/[<run>/][<export>-]Manifest.json

The manifest arrives after all data files. An export either keeps every run, with a manifest in the run's
folder and a copy of the newest one above it, or overwrites one run in place. An overwritten manifest may look
the same while the data behind it changed: a delivery is known by its data files as the store describes them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.domain.deliveries import Delivery, Part
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.sources.bucket_root import BucketRoot, bucket_root
from pipelines.sources.places import Place
from pipelines.stores import Blob

_PERIOD = re.compile(r"(?:^|/)BILLING_PERIOD=(\d{4}-\d\d)/", re.IGNORECASE)
_MANIFEST = re.compile(
    r"^(?P<export>|.*/)(?:metadata/)?BILLING_PERIOD=(?P<period>\d{4}-\d\d)/(?:[^/]+/)?(?:[^/]+-)?Manifest\.json$",
    re.IGNORECASE,
)
_OTHER_FAMILIES = {
    "reportKeys": "legacy Cost and Usage Report",
    "reportFiles": "Storage Lens",
    "files": "inventory",
}


@dataclass(frozen=True, slots=True)
class _ManifestFile:
    blob: Blob
    period: str
    export: str
    """The folder of the export, where the place shows it."""

    @property
    def depth(self) -> int:
        return self.blob.key.count("/")


def is_here(blobs: Sequence[Blob]) -> bool:
    """Tell whether a place is laid out as Data Exports lays out its deliveries."""
    return any(_PERIOD.search(blob.key) for blob in blobs)


def find(place: Place, blobs: Sequence[Blob], table: str) -> list[Delivery]:
    """Return one delivery per run and billing period, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: a manifest is damaged or of another family, or the place holds several exports.
    """
    manifests = list(_manifests(blobs))
    if not manifests:
        raise _nothing(place, blobs)
    _check_one_export(place, manifests)
    listed = {blob.key: blob for blob in blobs}
    runs: dict[str, Delivery] = {}
    # The folder of a run lies deeper than its period's: the manifest there never changes, so it counts.
    for manifest in sorted(manifests, key=lambda manifest: manifest.depth):
        delivery = _delivery(place, manifest, listed, table)
        runs[delivery.delivery_id] = delivery
    return sorted(runs.values(), key=lambda delivery: (delivery.delivered_at, delivery.delivery_id))


def _manifests(blobs: Sequence[Blob]) -> Iterator[_ManifestFile]:
    for blob in blobs:
        if found := _MANIFEST.match(blob.key):
            yield _ManifestFile(blob, found["period"], found["export"])


def _delivery(place: Place, manifest: _ManifestFile, listed: Mapping[str, Blob], table: str) -> Delivery:
    key = manifest.blob.key
    text = place.files.read(key)
    document = _document(text, place.where(key))
    keys = _data_keys(document, place.where(key))
    files = _data_files(place, keys, listed)
    identity = json.dumps([document.get("executionId"), *(_identity(key, files[key]) for key in keys)])
    fingerprint = hashlib.md5(identity.encode(), usedforsecurity=False).hexdigest()
    written = [blob.modified_at for blob in files.values() if blob is not None]
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=table,
        delivery_id=f"{manifest.period}-{fingerprint[:12]}",
        delivered_at=max([manifest.blob.modified_at, *written]),
        checksum=hashlib.md5(text, usedforsecurity=False).hexdigest(),
        scope=manifest.period,
        parts=tuple(Part(key, blob.size_bytes if blob else None) for key, blob in files.items()),
    )


def _identity(key: str, blob: Blob | None) -> list[object]:
    return [key, blob.size_bytes, blob.etag] if blob else [key]


def _document(text: bytes, where: str) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        raise _foreign("it is not JSON", where) from None
    if not isinstance(document, dict):
        raise _foreign("it is not a JSON object", where)
    for field, family in _OTHER_FAMILIES.items():
        if field in document and "dataFiles" not in document:
            raise _foreign(f"it is of another family: {family}", where)
    return document


def _data_keys(document: Mapping[str, object], where: str) -> list[str]:
    files = document.get("dataFiles")
    if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
        raise _foreign("it has no list of dataFiles", where)
    # Whole addresses or bare keys. The bucket's name is left out: a replicated bucket has another one.
    return sorted({re.sub(r"^s3://[^/]+/", "", name) for name in files})


def _data_files(place: Place, keys: list[str], listed: Mapping[str, Blob]) -> dict[str, Blob | None]:
    try:
        root = bucket_root(place, keys[0]) if keys else None
    except NotFound:
        # Said when the delivery is read: an old one whose files have gone since may have landed long ago.
        root = None
    return {key: listed.get(key) or _stored(root, key) for key in keys}


def _stored(root: BucketRoot | None, key: str) -> Blob | None:
    return root.blob(key) if root else None


def _check_one_export(place: Place, manifests: Sequence[_ManifestFile]) -> None:
    exports = sorted({manifest.export for manifest in manifests})
    if len(exports) > 1:
        raise Terminal(
            f"there are {len(exports)} exports here, and a newer delivery of one would replace the other's",
            where=f"source {place.source.name}: {', '.join(place.where(export) for export in exports)}",
            fix="Write one source per export, its uri ending with the export's own folder.",
        )


def _nothing(place: Place, blobs: Sequence[Blob]) -> Transient | NotFound:
    if is_here(blobs):
        return Transient(
            "an export is still arriving: there is data, and no manifest yet",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="Run again later; the manifest is the last file of a delivery.",
        )
    return NotFound(
        "no export was found: there is no metadata/BILLING_PERIOD=YYYY-MM/…Manifest.json",
        where=f"source {place.source.name}, {place.where(place.prefix)}",
        fix="End the uri with the export's folder, the one that holds data/ and metadata/.",
    )


def _foreign(problem: str, where: str) -> Terminal:
    return Terminal(
        f"this is not a Data Exports manifest that can be read: {problem}",
        where=where,
        fix="Point the source's uri at the folder of a Data Exports export (CUR 2.0 or FOCUS).",
    )
