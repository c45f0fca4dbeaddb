"""A cloud in memory: buckets with versions, holds, and conditions that can be switched off.

It behaves like S3 where the lifecycle depends on it, and like stores that ignore conditions where asked to.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import Versioning
from lifecycle.providers.protocol import CANARY_PREFIX, ClassChange, ObjectState

CONDITIONS = frozenset({"copy-source", "copy-destination", "copy-in-parts", "delete"})
_EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001  (UTC without a zone, like every time here)


@dataclass
class MemoryBucket:
    """One bucket: the versions of each key, oldest first; None is a delete marker."""

    versioning: Versioning = "off"
    keys: dict[str, list[ObjectState | None]] = field(default_factory=dict)


class MemoryProvider:
    """Buckets in memory. `changes` tells every change that had an effect, for tests to count."""

    def __init__(self, enforced: Iterable[str] = CONDITIONS) -> None:
        self.enforced = frozenset(enforced)
        self.buckets: dict[str, MemoryBucket] = {}
        self.changes: list[tuple[str, str]] = []
        self.before_change: Callable[[str, str], None] = lambda _name, _key: None
        self._ticks = 0

    def put(self, bucket: str, state: ObjectState) -> ObjectState:
        """Store an object as somebody else would."""
        place = self.buckets.setdefault(bucket, MemoryBucket())
        versions = place.keys.setdefault(state.key, [])
        kept = place.versioning == "on"
        stored = replace(state, version_id=f"v{self._tick()}") if kept else state
        place.keys[state.key] = [*versions, stored] if kept else [stored]
        return stored

    def versioning(self, bucket: str) -> Versioning:
        """Tell whether the bucket keeps old versions."""
        return self._bucket(bucket).versioning

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return the current version."""
        versions = self._bucket(bucket).keys.get(key)
        if not versions or versions[-1] is None:
            raise Gone(key)
        return versions[-1]

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects, in key order."""
        for key, versions in sorted(self._bucket(bucket).keys.items()):
            if key.startswith(prefix) and versions[-1] is not None:
                yield replace(versions[-1], version_id=None, hold="", carried={})

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions, in key order."""
        for key, versions in sorted(self._bucket(bucket).keys.items()):
            if key.startswith(prefix):
                yield from (version for version in reversed(versions) if version is not None)

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself; the copy is new, as on S3."""
        self.before_change("copy", state.key)
        now = self.head(bucket, state.key)
        parts = not change.in_parts or "copy-in-parts" in self.enforced
        if "copy-source" in self.enforced and parts and now.etag != change.source_etag:
            raise ConditionFailed(state.key)
        if "copy-destination" in self.enforced and parts and now.etag != change.destination_etag:
            raise ConditionFailed(state.key)
        self._refuse_held(now)
        self.put(bucket, replace(now, storage_class=change.to, last_modified_at=self._now()))
        self.changes.append(("copy", state.key))
        return now.etag

    def delete(self, bucket: str, key: str, etag: str) -> None:
        """Delete, or add a delete marker where versions are kept."""
        self.before_change("delete", key)
        now = self.head(bucket, key)
        if "delete" in self.enforced and now.etag != etag:
            raise ConditionFailed(key)
        place = self._bucket(bucket)
        if place.versioning == "on":
            place.keys[key].append(None)
        else:
            self._refuse_held(now)
            del place.keys[key]
        self.changes.append(("delete", key))

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own."""
        self._bucket(bucket)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return self.put(bucket, ObjectState(key, etag, len(body), self._now(), "STANDARD"))

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own, with all its versions."""
        if key.startswith(CANARY_PREFIX):
            self._bucket(bucket).keys.pop(key, None)
        self.changes = [change for change in self.changes if not change[1].startswith(CANARY_PREFIX)]

    def _bucket(self, name: str) -> MemoryBucket:
        if name not in self.buckets:
            raise ActionRefused("the bucket does not exist", where=f"s3://{name}", fix="Check its name.")
        return self.buckets[name]

    def _refuse_held(self, state: ObjectState) -> None:
        if state.hold:
            raise ActionRefused("the object is locked", where=state.key, fix="Leave it, or lift the hold.")

    def _now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._tick())

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks
