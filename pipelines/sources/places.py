"""Where a source's deliveries are, opened."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipelines.domain.configuration import LISTS, Endpoint, Source
from pipelines.domain.deliveries import Delivery, Rejected
from pipelines.domain.uris import BucketUri, HttpUri, LocalUri, Uri, parse_uri
from pipelines.errors import Damaged, NotFound, Terminal
from pipelines.stores import Blob, LocalStore, Store, open_store

MEMORY_LIMIT = "1GB"
"""What reading one file may take of memory; rows are streamed, so more does not make it faster."""


@dataclass(frozen=True, slots=True)
class Place:
    """One source, ready to be read."""

    source: Source
    uri: Uri
    store: Store | None
    """The whole bucket for `s3://`, the directory for files, None for a service."""
    prefix: str
    """Where in the store the deliveries start: empty or ending with `/`, or one file."""
    scratch: Path
    endpoints: tuple[Endpoint, ...] = ()
    memory_limit: str = MEMORY_LIMIT
    token: str | None = field(default=None, repr=False)
    """What a registry wants to see before it answers; never shown."""
    threads: int = 2
    """How many threads read one file; each holds a part of it in memory."""

    @property
    def files(self) -> Store:
        """The store.

        Raises:
            Terminal: the source is a service, and this kind reads files only.
        """
        if self.store is None:
            raise Terminal(
                f"a source of kind {self.source.kind} is read from files, not from a service",
                where=f"source {self.source.name}, {self.uri}",
                fix="Write s3://bucket/prefix or a path as its uri.",
            )
        return self.store

    def blobs(self) -> list[Blob]:
        """Return every file of the place, in key order."""
        return list(self.files.list(self.prefix))

    def where(self, key: str) -> str:
        """Return a key as people find it again."""
        return f"{self.files.uri}/{key}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a place holds."""

    deliveries: tuple[Delivery, ...] = ()
    """Complete deliveries, oldest first."""
    rejected: tuple[Rejected, ...] = ()
    """Deliveries whose manifest shows already that they are not what they say."""
    warnings: tuple[str, ...] = ()
    """What could not be looked at, though the rest could."""


def rejected(  # noqa: PLR0913  (what is known of a delivery that has no values yet)
    place: Place,
    table: str,
    error: Damaged,
    *,
    delivery_id: str,
    scope: str,
    delivered_at: datetime,
    checksum: str,
) -> Rejected:
    """Return what the ledger says of a delivery whose manifest cannot be believed."""
    return Rejected(
        source=place.source.name,
        kind=place.source.kind,
        table=table,
        delivery_id=delivery_id,
        scope=scope,
        delivered_at=delivered_at,
        checksum=checksum,
        reason=error.what,
        where=error.where,
        fix=error.fix,
    )


def found(each: Iterable[Delivery | Rejected], warnings: tuple[str, ...] = ()) -> Found:
    """Return deliveries, oldest first, and what was rejected."""
    whole, damaged = [], []
    for one in each:
        if isinstance(one, Delivery):
            whole.append(one)
        else:
            damaged.append(one)
    whole.sort(key=lambda delivery: (delivery.delivered_at, delivery.delivery_id))
    return Found(tuple(whole), tuple(damaged), warnings)


def reads_states(source: Source) -> bool:
    """Tell whether small files of checkpoints are read from the bucket that a source lists.

    Who keeps lists in files may have no way into the bucket: there it has to be asked for.
    """
    if source.kind not in LISTS:
        return False
    asked = source.read_states
    return isinstance(parse_uri(source.uri), BucketUri) if asked is None else asked


def open_place(
    source: Source,
    base: Path,
    endpoints: tuple[Endpoint, ...],
    scratch: Path,
    *,
    memory_limit: str = MEMORY_LIMIT,
    token: str | None = None,
) -> Place:
    """Return the place of a source; relative paths start at `base`, `token` opens a registry.

    Raises:
        NotFound: there is no such directory.
        Terminal: the uri is of a kind that is not read.
    """
    uri = parse_uri(source.uri, base=base)
    store, prefix = _opened(uri, endpoints, source)
    return Place(source, uri, store, prefix, scratch, endpoints, memory_limit, token)


def _opened(uri: Uri, endpoints: tuple[Endpoint, ...], source: Source) -> tuple[Store | None, str]:
    match uri:
        case HttpUri():
            return None, ""
        case LocalUri(path=path) if path.is_file():
            return LocalStore(path.parent), path.name
        case LocalUri(path=path) if path.is_dir():
            return LocalStore(path), ""
        case LocalUri(path=path):
            raise NotFound(
                "there is no such directory",
                where=f"source {source.name}, {path}",
                fix="Correct its uri in moraine.yaml; relative paths start at that file.",
            )
        case BucketUri(key=key):
            prefix = key if not key or key.endswith("/") else key + "/"
            return open_store(uri.root, endpoints), prefix
