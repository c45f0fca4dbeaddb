"""Who needs what: places that registries and runs name, and whether a checkpoint lies there.

A place is compared by whole folders and exact bytes: `runs/chat` is above `runs/chat/checkpoint-5` and has
nothing to do with `runs/chat-2`. What names no place in a bucket claims everything that it could mean:
folders called like its run or model, whatever carries the last two folders of its path, and where nothing
of that is known, everything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from pipelines.domain.uris import BUCKET_SCHEMES

PROXIED = "mlflow-artifacts"
"""The scheme of artifacts that a tracking server hands out itself."""

_SPELLINGS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
_REFERENCES = frozenset({"runs", "models"})


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that is still needed, and what is known of where it is."""

    label: str
    """Who needs it."""
    place: str = ""
    """`s3://…` or `gs://…` without a last slash; or a path that only another machine knows."""
    folders: tuple[str, ...] = ()
    """Names of folders that hold it, wherever they are; used where no place in a bucket is known."""


def place_named(uri: str, artifacts: str = "") -> str:
    """Return the place that a URI of another program names, in our spelling; empty if it names none.

    `artifacts` is where a tracking server keeps what it hands out itself. Of a path on another machine,
    or in a store that is not ours, the folders are left: `mnt/train/runs/chat`.

    >>> place_named("s3a://train/runs/chat/")
    's3://train/runs/chat'
    >>> place_named("mlflow-artifacts:/1/abc/artifacts", "s3://train/mlflow")
    's3://train/mlflow/1/abc/artifacts'
    >>> place_named("file:///mnt/train/runs")
    'mnt/train/runs'
    """
    scheme, colon, rest = uri.partition(":")
    known = _SPELLINGS.get(scheme.lower(), "")
    if known and rest.startswith("//"):
        return f"{known}:{rest.rstrip('/')}"
    if not colon or "/" in scheme:
        scheme, rest = "", uri
    if scheme in _REFERENCES:
        return ""
    if scheme and rest.startswith("//"):
        rest = rest[2:].partition("/")[2]
    path = "/".join(part for part in rest.split("/") if part not in ("", "."))
    return f"{artifacts.rstrip('/')}/{path}" if scheme == PROXIED and artifacts and path else path


def is_in_bucket(place: str) -> bool:
    """Tell whether a place is exact: in a bucket, not on another machine."""
    return place.startswith(tuple(f"{scheme}://" for scheme in BUCKET_SCHEMES))


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims, ready to be asked about many checkpoints."""

    _at: dict[str, str] = field(default_factory=dict)
    _above: dict[str, str] = field(default_factory=dict)
    """Everything that a claimed place lies in."""
    _folders: dict[str, str] = field(default_factory=dict)
    _tails: dict[str, str] = field(default_factory=dict)
    _pairs: dict[str, str] = field(default_factory=dict)
    _everything: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, claims: Iterable[Claim]) -> "Claims":
        """Return claims that can be asked."""
        known = cls()
        for claim in claims:
            known._add(claim)
        return known

    def on(self, uri: str) -> str | None:
        """Return who needs the checkpoint at a place, or None."""
        place = uri.rstrip("/")
        parts = place.partition("://")[2].split("/")
        return next(filter(None, self._found(place, parts)), None)

    def _add(self, claim: Claim) -> None:
        if is_in_bucket(claim.place):
            self._at.setdefault(claim.place, claim.label)
            for place in lineage(claim.place):
                self._above.setdefault(place, claim.label)
            return
        parts = claim.place.split("/") if claim.place else []
        for folder in (*claim.folders, *(parts if len(parts) == 1 else ())):
            self._folders.setdefault(folder, claim.label)
        if len(parts) > 1:
            self._tails.setdefault("/".join(parts[-2:]), claim.label)
        for pair in pairwise(parts):
            self._pairs.setdefault("/".join(pair), claim.label)
        if not claim.folders and not parts:
            self._everything.append(claim.label)

    def _found(self, place: str, parts: list[str]) -> Iterator[str | None]:
        yield self._above.get(place)
        yield from (self._at.get(above) for above in lineage(place))
        yield from (self._folders.get(part) for part in parts)
        yield from (self._tails.get("/".join(pair)) for pair in pairwise(parts))
        yield self._pairs.get("/".join(parts[-2:]))
        yield from self._everything[:1]


def lineage(place: str) -> Iterator[str]:
    """Yield a place in a bucket and everything above it, the bucket last."""
    while not place.endswith(":/") and place.count("/") > 1:
        yield place
        place = place.rpartition("/")[0]
