"""A directory as a store."""

import errno
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
from pipelines.stores.protocol import Blob, refuse_to_discard

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
            if blob is not None:
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

    def discard(self, key: str) -> None:
        """Unlink one file of a snapshot, and the folders that are empty then; who has it open keeps it."""
        refuse_to_discard(key, self.uri)
        path = self._inside(key)
        with _explained(path):
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def _blob(self, key: str) -> Blob | None:
        try:
            status = (self.root / key).stat()
        except FileNotFoundError:
            # It was removed since its name was seen.
            return None
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
            made = _make_folders(path.parent)
            try:
                yield beside
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
            # Without this a file that was written later could survive a power cut, and this one not.
            for folder in (path.parent, *(folder.parent for folder in made)):
                _sync(folder)

    def _remove_empty(self, folder: Path) -> None:
        """Remove a snapshot's folder with what killed writes left in it, once no stored file is there."""
        while folder.parent != self.root and folder.is_dir():
            left = list(folder.iterdir())
            if not all(path.is_file() and _BESIDE.fullmatch(path.name) for path in left):
                _sync(folder)
                return
            for path in left:
                path.unlink(missing_ok=True)
            folder.rmdir()
            folder = folder.parent

    def _inside(self, key: str) -> Path:
        path = self.root / key
        if ".." in key.split("/") or "\0" in key or not path.is_relative_to(self.root):
            raise NotFound(
                "the key leads out of its directory",
                where=repr(key),
                fix="Name files below the directory only.",
            )
        return path


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder with those above it, and return the new ones."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


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
