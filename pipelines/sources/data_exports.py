"""Deliveries of AWS Data Exports, whatever the table: CUR 2.0 or FOCUS.

    <export>/data/BILLING_PERIOD=YYYY-MM/[<run>/]*.parquet | *.csv.gz
    <export>/metadata/BILLING_PERIOD=YYYY-MM/[<run>/][<export>-]Manifest.json

The manifest arrives after all data files. An export either keeps every run, with a manifest in the run's
folder and a copy of the newest one above it, or overwrites one run in place. An overwritten manifest may look
the same while the data behind it changed: a delivery is known by its data files as the store describes them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.domain.deliveries import Delivery, Rejected
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources.manifests import (
    DATA_EXPORTS,
    Manifest,
    ManifestText,
    delivery_of,
    read_all,
    rejection_of,
)
from pipelines.sources.places import Found, Place, found
from pipelines.stores import Blob

_PERIOD = re.compile(r"(?:^|/)BILLING_PERIOD=(\d{4}-\d\d)/", re.IGNORECASE)
_MANIFEST = re.compile(
    r"^(?P<export>|.*/)(?:metadata/)?BILLING_PERIOD=(?P<period>\d{4}-\d\d)/(?:[^/]+/)?(?:[^/]+-)?Manifest\.json$",
    re.IGNORECASE,
)
_FIX = "Point the source's uri at the folder of a Data Exports export (CUR 2.0 or FOCUS)."


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


def find(place: Place, blobs: Sequence[Blob], table: str) -> Found:
    """Return one delivery per run and billing period, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: the place holds several exports.
    """
    manifests = list(_manifests(blobs))
    if not manifests:
        raise _nothing(place, blobs)
    _check_one_export(place, manifests)
    listed = {blob.key: blob for blob in blobs}
    runs: dict[str, Delivery | Rejected] = {}
    # The folder of a run lies deeper than its period's: the manifest there never changes, so it counts.
    manifests.sort(key=lambda manifest: manifest.depth)
    texts = read_all(place, [manifest.blob for manifest in manifests])
    for manifest, text in zip(manifests, texts, strict=True):
        delivery = _delivery(place, text, manifest.period, listed, table)
        runs[delivery.delivery_id] = delivery
    return found(runs.values())


def _manifests(blobs: Sequence[Blob]) -> Iterator[_ManifestFile]:
    for blob in blobs:
        if found := _MANIFEST.match(blob.key):
            yield _ManifestFile(blob, found["period"], found["export"])


def _delivery(
    place: Place, text: ManifestText, period: str, listed: Mapping[str, Blob], table: str
) -> Delivery | Rejected:
    try:
        document = text.document(DATA_EXPORTS, _FIX)
        keys = _data_keys(document, text)
    except Damaged as error:
        return rejection_of(place, table, text, error, period)
    manifest = Manifest(text, period, document.get("executionId"), keys)
    return delivery_of(place, table, manifest, listed)


def _data_keys(document: Mapping[str, object], text: ManifestText) -> tuple[str, ...]:
    files = document.get("dataFiles")
    if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
        raise text.unreadable("it has no list of dataFiles", DATA_EXPORTS, _FIX)
    # Whole addresses or bare keys. The bucket's name is left out: a replicated bucket has another one.
    return tuple(sorted({re.sub(r"^s3://[^/]+/", "", name) for name in files}))


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
