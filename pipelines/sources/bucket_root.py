"""Turning keys that a manifest lists into files on this machine, verified.

A manifest names full keys of the bucket it was delivered to. For a copy in a directory, that bucket's root is
looked for: the nearest directory upwards below which the first key exists, or, where only a part of the
bucket was copied, the key without its first folders.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pipelines.domain.deliveries import Part
from pipelines.domain.uris import LocalUri
from pipelines.errors import Damaged, NotFound
from pipelines.sources.places import Place
from pipelines.stores import Blob, LocalStore, Store


@dataclass(frozen=True, slots=True)
class BucketRoot:
    """The bucket that keys are relative to."""

    store: Store
    dropped: str = ""
    """Leading folders of every key that a local copy does not have."""

    def where(self, key: str) -> str:
        """Return a key as people find it again."""
        return f"{self.store.uri}/{self._stored(key)}"

    def blob(self, key: str) -> Blob | None:
        """Return what the store says of a key."""
        stored = self._stored(key)
        return next((blob for blob in self.store.list(stored) if blob.key == stored), None)

    @contextmanager
    def verified(self, part: Part, scratch: Path) -> Iterator[Path]:
        """Lend the file of a part; a download is removed afterwards.

        Raises:
            Damaged: the file is not there, or its size or MD5 is not what the manifest says.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=scratch, prefix="part-") as here:
            try:
                path = self.store.fetch(self._stored(part.key), Path(here))
            except NotFound:
                raise _missing(self.where(part.key)) from None
            _check(path, part, self.where(part.key))
            yield path

    def _stored(self, key: str) -> str:
        return key.removeprefix(self.dropped)


def bucket_root(place: Place, first_key: str) -> BucketRoot:
    """Return the bucket of a place; `first_key` is the first that a manifest lists.

    Raises:
        Damaged: that key exists nowhere around a local copy.
    """
    if not isinstance(place.uri, LocalUri):
        return BucketRoot(place.files)
    directory = place.uri.path.absolute()
    for root in (directory, *directory.parents):
        if _is_file(root / first_key):
            return BucketRoot(LocalStore(root))
    # A copy of `s3://bucket/exports/cur2` alone: its files are called `data/…` there.
    folders = PurePosixPath(first_key).parts
    for count in range(1, len(folders)):
        dropped = "/".join(folders[:count]) + "/"
        if first_key.startswith(dropped) and _is_file(directory / first_key.removeprefix(dropped)):
            return BucketRoot(LocalStore(directory), dropped)
    raise _missing(f"{first_key} in {directory} or a directory above it")


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hex: the checksum that providers write into manifests."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A key may be longer than a file's name can be, or lie where nobody may look.
        return False


def _missing(where: str) -> Damaged:
    return Damaged(
        "a data file that the manifest lists is missing",
        where=where,
        fix="Wait for the next delivery, or copy the file there again; nothing of this delivery was landed.",
    )


def _check(path: Path, part: Part, where: str) -> None:
    size = path.stat().st_size
    if part.size_bytes is not None and size != part.size_bytes:
        raise _broken(f"has {size} bytes and should have {part.size_bytes}", where)
    if part.md5 is not None and (found := md5_of(path)) != part.md5.lower():
        raise _broken(f"has MD5 {found} and should have {part.md5}", where)


def _broken(problem: str, where: str) -> Damaged:
    return Damaged(
        f"a data file is not what its manifest says: it {problem}",
        where=where,
        fix="Copy it again or wait for the next delivery; nothing of this delivery was landed.",
    )
