"""What every store can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """One stored file; `key` is relative to the store, `modified_at` is UTC without a zone."""

    key: str
    size_bytes: int
    modified_at: datetime
    etag: str


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
