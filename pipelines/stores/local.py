"""A directory as a store."""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import NotFound, Terminal
from pipelines.stores.protocol import Blob

_BESIDE = re.compile(r"\..*\.[0-9a-f]{32}", re.DOTALL)
"""What a write that was killed leaves behind: never a stored file."""


class LocalStore:
    """Files below one directory; writes appear at once or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def uri(self) -> str:
        """The directory."""
        return str(self.root)

    def list(self, prefix: str = "") -> Iterator[Blob]:
        """Yield the files whose key starts with `prefix`, in key order; a missing directory holds none."""
        start = self._inside(prefix.rpartition("/")[0])
        with _explained(start):
            keys = sorted(key for key in self._keys(start) if key.startswith(prefix))
        for key in keys:
            with _explained(self.root / key):
                blob = self._blob(key)
            yield blob

    def read(self, key: str) -> bytes:
        """Return the file's bytes."""
        path = self.fetch(key, self.root)
        with _explained(path):
            return path.read_bytes()

    def fetch(self, key: str, scratch: Path) -> Path:  # noqa: ARG002  (a directory needs no scratch space)
        """Return the file itself; nothing is copied."""
        path = self._inside(key)
        with _explained(path):
            is_there = path.is_file()
        if not is_there:
            raise NotFound(
                "the file is not there", where=str(path), fix="Check the path, or wait for its delivery."
            )
        return path

    def write(self, key: str, data: bytes) -> None:
        """Write through a temporary neighbour and rename."""
        with self._written_beside(key) as beside, beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def upload(self, path: Path, key: str) -> None:
        """Copy a local file here through a temporary neighbour and rename."""
        with self._written_beside(key) as beside:
            shutil.copyfile(path, beside)
            with beside.open("rb") as file:
                os.fsync(file.fileno())

    def _blob(self, key: str) -> Blob:
        status = (self.root / key).stat()
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)
        identity = hashlib.md5(f"{key}:{status.st_size}:{status.st_mtime_ns}".encode(), usedforsecurity=False)
        return Blob(key, status.st_size, modified_at, identity.hexdigest())

    def _keys(self, start: Path) -> Iterator[str]:
        for folder, _, names in os.walk(start, onerror=_raise_unless_absent):
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not _BESIDE.fullmatch(name):
                    yield path.relative_to(self.root).as_posix()

    @contextmanager
    def _written_beside(self, key: str) -> Iterator[Path]:
        path = self._inside(key)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield beside
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _inside(self, key: str) -> Path:
        path = self.root / key
        if ".." in key.split("/") or "\0" in key or not path.is_relative_to(self.root):
            raise NotFound(
                "the key leads out of its directory",
                where=repr(key),
                fix="Name files below the directory only.",
            )
        return path


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


@contextmanager
def _explained(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Terminal(
            f"this machine refuses: {error.strerror or error}",
            where=error.filename if isinstance(error.filename, str) else str(where),
            fix="Check the permissions and the free space there, then run again.",
        ) from error
