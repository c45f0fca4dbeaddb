"""Lists folders of buckets into Parquet: what is found may be more than memory holds.

Many folders are listed at the same time; what they hold is put together into large groups of rows.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.model import Scheme
from lifecycle.providers import Clouds, ObjectState

_FOLDERS_AT_ONCE = 1000
_ROWS_PER_GROUP = 50_000
_ROWS_PER_TURN = 1000
"""Rows that a folder hands over at once: about a page of a listing."""
_OBJECTS = pa.schema(
    [
        ("scheme", pa.string()),
        ("bucket", pa.string()),
        ("object_key", pa.string()),
        ("version_id", pa.string()),
        ("etag", pa.string()),
        ("storage_class", pa.string()),
        ("size_bytes", pa.int64()),
        ("is_delete_marker", pa.bool_()),
        ("is_soft_deleted", pa.bool_()),
    ]
)
_UPLOADS = pa.schema([(name, pa.string()) for name in ("scheme", "bucket", "object_key", "version_id")])


@dataclass(frozen=True, slots=True)
class Folder:
    """What is to be listed of one folder, or of one object."""

    scheme: Scheme
    bucket: str
    prefix: str
    has_versions: bool = False
    """Versions are asked for, too …"""
    has_uploads: bool = False
    """… and uploads that nobody completed."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the answers are."""

    objects: Path
    versions: Path
    uploads: Path


def list_folders(clouds: Clouds, folders: Iterable[Folder], scratch: Path, workers: int) -> Listing:
    """List what these folders hold now.

    Raises:
        Transient: the store does not answer.
        Terminal: it may not be listed.
    """
    listing = Listing(*(scratch / f"listed-{name}.parquet" for name in ("objects", "versions", "uploads")))
    waiting = iter(folders)
    with (
        _sink(listing.objects, _OBJECTS) as objects,
        _sink(listing.versions, _OBJECTS) as versions,
        _sink(listing.uploads, _UPLOADS) as uploads,
        ThreadPoolExecutor(max_workers=workers) as pool,
    ):
        lister = _Lister(clouds, objects, versions, uploads)
        while part := list(islice(waiting, _FOLDERS_AT_ONCE)):
            for _ in pool.map(lister.list, part):
                pass
    return listing


@dataclass
class _Sink:
    """Rows on their way into a file."""

    writer: pq.ParquetWriter
    schema: pa.Schema
    rows: list[Sequence[object]] = field(default_factory=list)
    adding: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rows: Iterator[Sequence[object]]) -> None:
        """Take rows as they come."""
        while part := list(islice(rows, _ROWS_PER_TURN)):
            with self.adding:
                self.rows += part
                if len(self.rows) >= _ROWS_PER_GROUP:
                    self.flush()

    def flush(self) -> None:
        """Write what has come so far."""
        if self.rows:
            self.writer.write_table(pa.table(list(map(list, zip(*self.rows, strict=True))), self.schema))
            self.rows = []


@contextmanager
def _sink(path: Path, schema: pa.Schema) -> Iterator[_Sink]:
    with pq.ParquetWriter(path, schema) as writer:
        sink = _Sink(writer, schema)
        yield sink
        sink.flush()


@dataclass(frozen=True)
class _Lister:
    clouds: Clouds
    objects: _Sink
    versions: _Sink
    uploads: _Sink

    def list(self, folder: Folder) -> None:
        """List one folder."""
        provider = self.clouds[folder.scheme]
        where = (folder.scheme, folder.bucket)
        self.objects.add(_row(where, state) for state in provider.list(folder.bucket, folder.prefix))
        if folder.has_versions:
            self.versions.add(_row(where, state) for state in provider.versions(folder.bucket, folder.prefix))
        if folder.has_uploads:
            self.uploads.add(
                (*where, upload.key, upload.upload_id)
                for upload in provider.uploads(folder.bucket, folder.prefix)
            )


def _row(where: tuple[Scheme, str], state: ObjectState) -> Sequence[object]:
    return (
        *where,
        state.key,
        state.version_id,
        state.etag,
        state.storage_class,
        state.size_bytes,
        state.is_delete_marker,
        state.is_soft_deleted,
    )
