"""Which snapshots a lake holds, and which of them is in force.

    published/<id>/marts/*.parquet, warehouse.duckdb      written first
    published/<id>/snapshot.json                          then: what else has to be there
    published/current.json                                the pointer, last

A snapshot is whole when its `snapshot.json` is there and every file that it speaks of. Anything else below
`published/<id>/` is what an interrupted publication or removal left: nobody reads it.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pipelines.domain.snapshots import POINTER, SNAPSHOT_ID, Snapshot, order, previous, snapshot_key
from pipelines.errors import NotFound, Refused, Terminal
from pipelines.stores import Blob, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies below one `published/<id>/`."""

    snapshot_id: str
    snapshot: Snapshot | None
    """None when it is not whole."""
    files: tuple[Blob, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def moment(self) -> datetime:
        """When it was published, or when the newest file of what is not whole was written (UTC)."""
        return self.snapshot.published_at if self.snapshot else max(file.modified_at for file in self.files)


def pointed_at(lake: Store) -> Snapshot | None:
    """Return the snapshot that the pointer names; None without one, or when it names no snapshot."""
    try:
        data = lake.read(POINTER)
        while True:
            snapshot, before = _named(lake, data), data
            # Between two reads the pointer may move on, and what it named before may be removed.
            if snapshot is not None or (data := lake.read(POINTER)) == before:
                return snapshot
    except NotFound:
        return None


def current(lake: Store) -> Snapshot:
    """Return the snapshot in force.

    Raises:
        NotFound: nothing was published yet.
        Terminal: the pointer names something that is not a snapshot.
    """
    if snapshot := pointed_at(lake):
        return snapshot
    try:
        lake.read(POINTER)
    except NotFound:
        raise NotFound(
            "nothing was published yet",
            where=f"{lake.uri}/{POINTER}",
            fix="Run 'moraine run' first; it publishes when every blocking check passes.",
        ) from None
    raise Terminal(
        "the pointer does not name a whole snapshot",
        where=f"{lake.uri}/{POINTER}",
        fix="Run 'moraine publish' again, or 'moraine snapshots rollback' to one that is whole.",
    )


def point_at(lake: Store, snapshot: Snapshot) -> None:
    """Make a whole snapshot the one that everybody reads, in one step."""
    values = snapshot.to_json()
    pointer = {name: values[name] for name in ("snapshot_id", "as_of", "published_at")}
    lake.write(POINTER, json.dumps(pointer, indent=2).encode())
    _log.info("%s now names %s", POINTER, snapshot.snapshot_id)


def find(lake: Store, snapshot_id: str = "") -> list[Stored]:
    """Return what is stored, whole or not, the oldest day first; only one snapshot when told which."""
    prefix = snapshot_key(snapshot_id, "") if snapshot_id else "published/"
    files = (blob for blob in lake.list(prefix) if SNAPSHOT_ID.fullmatch(_folder(blob)))
    found = [_stored(lake, name, tuple(each)) for name, each in groupby(files, _folder)]
    return sorted(found, key=lambda one: (one.snapshot_id[:10], one.moment, one.snapshot_id))


def whole(stored: Iterable[Stored]) -> list[Snapshot]:
    """Return the whole ones among what is stored, in order."""
    return sorted((one.snapshot for one in stored if one.snapshot), key=order)


def resolve(lake: Store, name: str) -> Snapshot:
    """Return the whole snapshot that somebody means: an id or how it begins, a day, `current`, `previous`.

    Of a day that was published more than once it is the newest one.

    Raises:
        NotFound: there is none.
        Refused: it is not whole.
        Terminal: the beginning of several ids.
    """
    if name == "current":
        return current(lake)
    stored = find(lake)
    if name == "previous":
        return _before_current(lake, whole(stored))
    meant = [one for one in stored if _is_meant(one.snapshot_id, name)]
    if not meant:
        raise _unknown_name(lake, name)
    if not (snapshots := whole(meant)):
        raise Refused(
            f"snapshot {meant[0].snapshot_id} is not whole: an interrupted publication or removal left it",
            where=f"{lake.uri}/{snapshot_key(meant[0].snapshot_id, '')}",
            fix="Choose another one: 'moraine snapshots list' shows them.",
        )
    exact = [one for one in snapshots if name == one.snapshot_id]
    if not exact and len(snapshots) > 1 and name != snapshots[0].as_of.isoformat():
        raise Terminal(
            f"{len(snapshots)} snapshots begin with {name!r}: {_ids(snapshots)}",
            where=f"{lake.uri}/published",
            fix="Write more of the id.",
        )
    return (exact or snapshots)[-1]


def _named(lake: Store, pointer: bytes) -> Snapshot | None:
    try:
        return _read(lake, str(json.loads(pointer)["snapshot_id"]))[0]
    except (ValueError, KeyError, TypeError, NotFound):
        return None


def _read(lake: Store, snapshot_id: str) -> tuple[Snapshot, set[str]]:
    """Return a snapshot with the keys of the files that have to be there."""
    contents = json.loads(lake.read(snapshot_key(snapshot_id, "snapshot.json")))
    snapshot = Snapshot.from_json(contents)
    marts = (snapshot_key(snapshot_id, f"marts/{table}.parquet") for table in contents.get("tables", ()))
    return snapshot, {snapshot.warehouse, *marts}


def _stored(lake: Store, snapshot_id: str, files: tuple[Blob, ...]) -> Stored:
    keys = {file.key for file in files}
    if snapshot_key(snapshot_id, "snapshot.json") not in keys:
        return Stored(snapshot_id, None, files)
    try:
        snapshot, needed = _read(lake, snapshot_id)
    except (ValueError, KeyError, TypeError, AttributeError, NotFound):
        return Stored(snapshot_id, None, files)
    is_whole = snapshot.snapshot_id == snapshot_id and needed <= keys
    return Stored(snapshot_id, snapshot if is_whole else None, files)


def _folder(blob: Blob) -> str:
    folders = blob.key.split("/")
    return folders[1] if len(folders) > 2 else ""


def _is_meant(snapshot_id: str, name: str) -> bool:
    return bool(name) and snapshot_id.startswith(name)


def _before_current(lake: Store, snapshots: Sequence[Snapshot]) -> Snapshot:
    found = previous(snapshots, current(lake))
    if found is None:
        raise NotFound(
            "there is no snapshot before the current one",
            where=f"{lake.uri}/published",
            fix="Publish another night first, or name a snapshot: 'moraine snapshots list' shows them.",
        )
    return found


def _unknown_name(lake: Store, name: str) -> NotFound:
    return NotFound(
        f"there is no snapshot {name!r}",
        where=f"{lake.uri}/published",
        fix="Use an id of 'moraine snapshots list' or how it begins, a day, 'current' or 'previous'.",
    )


def _ids(snapshots: Sequence[Snapshot]) -> str:
    return ", ".join(one.snapshot_id for one in snapshots)
