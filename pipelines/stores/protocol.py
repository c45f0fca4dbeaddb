"""What every store can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from pipelines.domain.snapshots import SNAPSHOT_ID
from pipelines.errors import Refused


@dataclass(frozen=True, slots=True)
class Blob:
    """One stored file; `key` is relative to the store, `modified_at` is UTC without a zone."""

    key: str
    size_bytes: int
    modified_at: datetime
    etag: str
    """A name for the content: it changes when the content does."""


@dataclass(frozen=True, slots=True)
class Version:
    """A small file as it was at one moment; `name` is what `replace` takes."""

    data: bytes
    name: str


class Store(Protocol):
    """Files under one root. Keys use `/` and are exact."""

    @property
    def uri(self) -> str:
        """The root, for messages and for paths in reports."""

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """Yield every file whose key starts with `prefix`, in key order.

        Raises:
            Transient: the store does not answer.
            Terminal: access is denied or the bucket does not exist.
        """

    def read(self, key: str) -> bytes:
        """Return a small file.

        Raises:
            NotFound: there is no such file.
        """

    def fetch(self, key: str, scratch: Path) -> Path:
        """Return a local path with the file's content: itself, or a download into `scratch`.

        Raises:
            NotFound: there is no such file.
        """

    def write(self, key: str, data: bytes) -> None:
        """Store a small file, whole or not at all."""

    def upload(self, path: Path, key: str) -> None:
        """Store a local file under `key`, whole or not at all."""


@runtime_checkable
class ConditionalStore(Store, Protocol):
    """A store that writes on a condition: buckets, where no operating system can lock a file.

    The data of conditional writes must be the caller's alone (hold something random): when an answer was
    lost, what is there now tells whose write it was.
    """

    def read_version(self, key: str) -> Version:
        """Return a small file and the name of its version.

        Raises:
            NotFound: there is no such file.
        """

    def create(self, key: str, data: bytes) -> str | None:
        """Store a small file if there is none under `key`; return its version, or None if there is one."""

    def replace(self, key: str, data: bytes, version: str) -> str | None:
        """Store a small file if `key` still has `version`; return its version, or None if it has not."""


@runtime_checkable
class PeekingStore(Store, Protocol):
    """A store that hands out the beginning of a file: buckets, where anybody may have put anything."""

    def peek(self, key: str, most_bytes: int) -> Version:
        """Return at most that many bytes of a file and the name of its version.

        Raises:
            NotFound: there is no such file.
            Transient: the store does not answer.
            Terminal: it refuses.
        """


@runtime_checkable
class DiscardingStore(Store, Protocol):
    """A store that can remove old snapshots, and nothing else."""

    def discard(self, key: str) -> None:
        """Remove one file of a published snapshot; nothing happens when it is not there.

        Raises:
            Refused: the key is not that of a snapshot's file.
        """


def refuse_to_discard(key: str, where: str) -> None:
    """Refuse to remove anything but the files of one snapshot.

    Raises:
        Refused: the key is another one.
    """
    folder, _, rest = key.partition("/")
    snapshot_id, _, name = rest.partition("/")
    is_plain = all(part not in {"", ".", ".."} for part in name.split("/"))
    if folder != "published" or not SNAPSHOT_ID.fullmatch(snapshot_id) or not is_plain:
        raise Refused(
            "only files of published snapshots are ever removed",
            where=f"{where}/{key}",
            fix="Remove it by hand, if you are sure.",
        )
