"""Lets DuckDB read `s3://` and `gs://` files of a store by fetching them; no extension is needed."""

import mmap
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # it ships no types

from pipelines.domain.uris import BUCKET_SCHEMES

Locate = Callable[[str], Path]
"""From `bucket/key` to a local file with that content."""

_SCHEME = re.compile(rf"^({'|'.join(BUCKET_SCHEMES)})://")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class FetchedFiles(AbstractFileSystem):  # type: ignore[misc]  # see the import
    """A file system for `register_filesystem`; a file is fetched when a query first opens it."""

    protocol = BUCKET_SCHEMES
    # fsspec remembers instances by their arguments; two lakes must not share one.
    cacheable = False

    def __init__(self, locate: Locate) -> None:
        super().__init__()
        self._locate = locate
        self._fetched: dict[str, Path] = {}

    def _open(self, path: str, mode: str = "rb", **_: object) -> mmap.mmap:  # noqa: ARG002  (fsspec's signature)
        # DuckDB never closes what it opened here; a map ends quietly with its last reader.
        with self._path(path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Return the size, which DuckDB reads before the file."""
        return {"name": path, "type": "file", "size": self._path(path).stat().st_size}

    def exists(self, path: str, **_: object) -> bool:  # noqa: ARG002  (a view names files that were uploaded)
        """Tell DuckDB that the file is there; opening it says otherwise."""
        return True

    def glob(self, path: str, **_: object) -> list[str]:
        """Return the path itself: views name single files."""
        return [path]

    def modified(self, path: str) -> datetime:  # noqa: ARG002  (a snapshot's files never change)
        """Return a constant."""
        return _NEVER

    def _path(self, uri: str) -> Path:
        # DuckDB names a file with its scheme in some calls and without it in others.
        path = _SCHEME.sub("", uri)
        if path not in self._fetched:
            self._fetched[path] = self._locate(path)
        return self._fetched[path]
