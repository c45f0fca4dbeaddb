"""What the manifests of AWS' bills have in common: JSON that lists the data files of one delivery.

A manifest that is overwritten may look the same while the data behind it changed: a delivery is known by its
data files as the store describes them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.domain.deliveries import Delivery, Part, Rejected
from pipelines.errors import Damaged
from pipelines.sources.bucket_root import BucketRoot, bucket_root
from pipelines.sources.places import Place, rejected
from pipelines.stores import Blob

DATA_EXPORTS = "Data Exports (CUR 2.0 or FOCUS)"
LEGACY_REPORT = "legacy Cost and Usage Report"

_FAMILIES = {
    "dataFiles": DATA_EXPORTS,
    "reportKeys": LEGACY_REPORT,
    "reportFiles": "Storage Lens",
    "files": "inventory",
}
"""Whose manifest it is, by the field that lists the data files."""
_READERS = 8


@dataclass(frozen=True, slots=True)
class ManifestText:
    """A manifest as it lies there."""

    blob: Blob
    where: str
    text: bytes

    @property
    def checksum(self) -> str:
        """The MD5 of it, in hex."""
        return _md5(self.text)

    def document(self, family: str, fix: str) -> Mapping[str, object]:
        """Return what it says.

        Raises:
            Damaged: it is not JSON, or of another family of manifests.
        """
        try:
            document = json.loads(self.text)
        except ValueError:
            raise self.unreadable("it is not JSON", family, fix) from None
        if not isinstance(document, dict):
            raise self.unreadable("it is not a JSON object", family, fix)
        families = [name for field, name in _FAMILIES.items() if field in document]
        if families and family not in families:
            raise self.unreadable(f"it is of another family: {families[0]}", family, fix)
        return document

    def unreadable(self, problem: str, family: str, fix: str) -> Damaged:
        """Return the error of a manifest that cannot be believed."""
        return Damaged(
            f"this is not a manifest of a {family} that can be read: {problem}", where=self.where, fix=fix
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says of its delivery."""

    read_from: ManifestText
    scope: str
    run: object
    """What the provider calls this run."""
    keys: tuple[str, ...]
    file_format: str = ""
    is_immutable: bool = False
    """Whether its files are never overwritten."""


def read_all(place: Place, blobs: Sequence[Blob]) -> Iterator[ManifestText]:
    """Yield manifests with their text, in the order given."""
    with ThreadPoolExecutor(_READERS) as pool:
        texts = pool.map(lambda blob: place.files.read(blob.key), blobs)
        for blob, text in zip(blobs, texts, strict=True):
            yield ManifestText(blob, place.where(blob.key), text)


def delivery_of(place: Place, table: str, manifest: Manifest, listed: Mapping[str, Blob]) -> Delivery:
    """Return the delivery of a manifest. Whether its files are there is said when they are read."""
    files = _data_files(place, manifest.keys, listed)
    known_by = files if not manifest.is_immutable else dict.fromkeys(files)
    identity = json.dumps([manifest.run, *(_identity(key, blob) for key, blob in known_by.items())])
    written = [blob.modified_at for blob in files.values() if blob is not None]
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=table,
        delivery_id=f"{manifest.scope}-{_md5(identity.encode())[:12]}",
        delivered_at=max([manifest.read_from.blob.modified_at, *written]),
        checksum=manifest.read_from.checksum,
        scope=manifest.scope,
        parts=tuple(Part(key, blob.size_bytes if blob else None) for key, blob in files.items()),
        file_format=manifest.file_format,
    )


def rejection_of(
    place: Place, table: str, manifest: ManifestText, error: Damaged, scope: str | None
) -> Rejected:
    """Return what the ledger says of a manifest that cannot be believed."""
    checksum = manifest.checksum
    return rejected(
        place,
        table,
        error,
        delivery_id=f"{scope or 'damaged'}-{checksum[:12]}",
        scope=scope or manifest.blob.key,
        delivered_at=manifest.blob.modified_at,
        checksum=checksum,
    )


def _data_files(place: Place, keys: Sequence[str], listed: Mapping[str, Blob]) -> dict[str, Blob | None]:
    absent = [key for key in keys if key not in listed]
    elsewhere = _stored(place, keys[0], absent) if absent else {}
    return {key: listed.get(key) or elsewhere.get(key) for key in keys}


def _stored(place: Place, first_key: str, keys: Iterable[str]) -> dict[str, Blob | None]:
    try:
        root: BucketRoot = bucket_root(place, first_key)
    except Damaged:
        # Said when the delivery is read: an old one whose files have gone since may have landed long ago.
        return {}
    return {key: root.blob(key) for key in keys}


def _identity(key: str, blob: Blob | None) -> list[object]:
    return [key, blob.size_bytes, blob.etag] if blob else [key]


def _md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()
