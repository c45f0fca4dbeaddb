"""A cloud in memory: buckets with versions, soft delete, holds, and conditions that can be switched off.

It behaves like S3, or like Cloud Storage, where the lifecycle depends on it, and like stores that ignore
conditions where asked to.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import Scheme, Versioning
from lifecycle.providers.memory_rules import class_by_rules
from lifecycle.providers.protocol import (
    CANARY_PREFIX,
    MOST_TAGS,
    BucketRules,
    BucketSettings,
    ClassChange,
    ObjectState,
    Removal,
    Target,
    UploadState,
)
from lifecycle.providers.removals import remove_singly

CONDITIONS = frozenset({"copy-source", "copy-destination", "copy-in-parts", "delete", "delete-batch"})
_States = list[ObjectState]
COLD_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001  (UTC without a zone, like every time here)


@dataclass
class MemoryBucket:
    """One bucket: what is kept of each key, oldest first; the last one counts."""

    versioning: Versioning = "off"
    keys: dict[str, list[ObjectState]] = field(default_factory=dict)
    uploads: list[UploadState] = field(default_factory=list)
    tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Of what lives under a key."""
    hidden_tags: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """Of older versions, by key and version."""
    object_lock: bool = False
    soft_delete_days: int = 0
    """Cloud Storage only: what is deleted or overwritten stays so long."""
    autoclass: bool = False
    keeps_new: bool = False
    rules: BucketRules = field(default_factory=BucketRules)
    acls: bool = False


class MemoryProvider:
    """Buckets in memory. `changes` tells every change that had an effect, for tests to count."""

    def __init__(self, enforced: Iterable[str] = CONDITIONS, scheme: Scheme = "s3") -> None:
        self.enforced, self.scheme = frozenset(enforced), scheme
        self.buckets: dict[str, MemoryBucket] = {}
        self.changes: list[tuple[str, str]] = []
        self.before_change: Callable[[str, str], None] = lambda _name, _key: None
        self.is_aws = False
        self.tags_restart_age = False
        """As on Ceph: whoever tags an object makes it a new one to rules."""
        self._ticks = 0

    def put(self, bucket: str, state: ObjectState) -> ObjectState:
        """Store an object as somebody else would."""
        place = self.buckets.setdefault(bucket, MemoryBucket())
        is_known = place.versioning == "on" or self.scheme == "gs"
        version = (str(self._tick()) if self.scheme == "gs" else f"v{self._tick()}") if is_known else None
        stored = replace(state, version_id=version, scheme=self.scheme)
        self._hide_tags(place, state.key)
        place.keys[state.key] = [*self._left_behind(place, state.key), stored]
        return stored

    def settings(self, bucket: str) -> BucketSettings:
        """Return what the bucket is set to."""
        place = self._bucket(bucket)
        return BucketSettings(
            place.versioning,
            place.object_lock,
            place.soft_delete_days,
            place.autoclass,
            place.keeps_new,
            self.is_aws,
        )

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return the current version."""
        versions = self._bucket(bucket).keys.get(key)
        if not versions or not _is_live(versions[-1]):
            raise Gone(key)
        return versions[-1]

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects, in key order."""
        for key, versions in sorted(self._bucket(bucket).keys.items()):
            if key.startswith(prefix) and _is_live(versions[-1]):
                version = versions[-1].version_id if self.scheme == "gs" else None
                yield replace(versions[-1], version_id=version, hold="", carried={})

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions, in key order, the newest of a key first."""
        for key, versions in sorted(self._bucket(bucket).keys.items()):
            if key.startswith(prefix):
                newest = versions[-1]
                yield from (replace(v, is_current=v is newest and v.is_current) for v in reversed(versions))

    def uploads(self, bucket: str, prefix: str) -> Iterator[UploadState]:
        """Yield the uploads that nobody completed."""
        yield from [upload for upload in self._bucket(bucket).uploads if upload.key.startswith(prefix)]

    def rules(self, bucket: str) -> BucketRules:
        """Return a bucket's lifecycle rules; `carry_out_rules` does what they say."""
        return self._bucket(bucket).rules

    def put_rules(self, bucket: str, rules: BucketRules) -> None:
        """Replace a bucket's lifecycle rules."""
        self._bucket(bucket).rules = rules

    def has_acls(self, bucket: str) -> bool:
        """Tell whether objects have access control lists of their own."""
        return self._bucket(bucket).acls

    def tags(self, bucket: str, key: str) -> Mapping[str, str]:
        """Return an object's tags."""
        self.head(bucket, key)
        return self._bucket(bucket).tags.get(key, {})

    def tag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Add a tag to those of the version that was looked at."""
        self.before_change("tag", state.key)
        if self._change_tags(bucket, state, lambda found: {**found, name: text}):
            self.changes.append(("tag", state.key))

    def untag(self, bucket: str, state: ObjectState, name: str, text: str) -> None:
        """Take a tag off the version that was looked at."""
        self.before_change("untag", state.key)
        gone = (name, text)
        if self._change_tags(bucket, state, lambda found: dict(t for t in found.items() if t != gone)):
            self.changes.append(("untag", state.key))

    def carry_out_rules(self, now: datetime) -> Sequence[str]:
        """Move what the rules of all buckets move by now, as stores do once a day; return the keys.

        What is moved stays the same version, of the same age.
        """
        moved = []
        for place in self.buckets.values():
            for key, versions in place.keys.items():
                to = class_by_rules(place.rules, versions[-1], place.tags.get(key, {}), now)
                if to and _is_live(versions[-1]):
                    versions[-1] = replace(versions[-1], storage_class=to)
                    moved.append(key)
        return moved

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself; the copy is new, as on S3."""
        self.before_change("copy", state.key)
        now = self.head(bucket, state.key)
        parts = not change.in_parts or "copy-in-parts" in self.enforced
        if "copy-source" in self.enforced and parts and now.token != change.source:
            raise ConditionFailed(state.key)
        if "copy-destination" in self.enforced and parts and now.token != change.destination:
            raise ConditionFailed(state.key)
        self._refuse_held(now)
        if self.scheme == "s3" and now.storage_class == change.to:
            # S3 and Ceph do so; so two who copy at the same moment do it once, though the ETag stays.
            raise ActionRefused("a copy has to change something", where=state.key, fix="Leave it as it is.")
        if now.storage_class in COLD_CLASSES and now.thaw != "thawed":
            raise ActionRefused("the object is frozen", where=state.key, fix="Ask for a readable copy first.")
        copied = replace(now, storage_class=change.to, last_modified_at=self._now(), thaw="")
        tags = self._bucket(bucket).tags.get(state.key, {})
        stored = self.put(bucket, copied)
        self._bucket(bucket).tags[state.key] = tags
        self.changes.append(("copy", state.key))
        return stored.token

    def delete(self, bucket: str, key: str, token: str) -> str:
        """Delete, add a delete marker where versions are kept, or leave a generation behind."""
        self.before_change("delete", key)
        return self._delete(bucket, key, token, "delete")

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        """Delete one after the other, each under its own condition."""
        return remove_singly(targets, lambda target: self._delete_one_of_many(bucket, target))

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove one version for good."""
        self.before_change("delete-version", key)
        place = self._bucket(bucket)
        found = next((v for v in place.keys.get(key, ()) if v.version_id == version_id), None)
        if found is None:
            raise Gone(key)
        self._refuse_held(found)
        place.keys[key] = [version for version in place.keys[key] if version is not found]
        if not place.keys[key]:
            del place.keys[key]
        self.changes.append(("delete-version", key))

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw the parts away."""
        self.before_change("abort", key)
        place = self._bucket(bucket)
        left = [upload for upload in place.uploads if (upload.key, upload.upload_id) != (key, upload_id)]
        if len(left) == len(place.uploads):
            raise Gone(key)
        place.uploads = left
        self.changes.append(("abort", key))

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        """Take back a delete."""
        self.before_change("restore", key)
        versions = self._bucket(bucket).keys.get(key, [])
        found = next((version for version in versions if version.version_id == version_id), None)
        if found is not None and _is_live(versions[-1]):
            raise ConditionFailed(key)
        if found is None or (found.is_delete_marker and versions[-1] is not found):
            raise Gone(key)
        if found.is_delete_marker:
            self._bucket(bucket).keys[key] = versions[:-1]
        else:
            tags = self._bucket(bucket).tags.get(key, {})
            self.put(bucket, replace(found, is_current=True, last_modified_at=self._now()))
            self._bucket(bucket).tags[key] = tags
        self.changes.append(("restore", key))
        return self.head(bucket, key)

    def thaw(self, bucket: str, key: str, days: int) -> None:
        """Ask for a readable copy; it is there when `finish_thawing` says so."""
        del days
        self.before_change("thaw", key)
        state = self.head(bucket, key)
        self._bucket(bucket).keys[key][-1] = replace(state, thaw="thawing")
        self.changes.append(("thaw", key))

    def finish_thawing(self) -> None:
        """Let the hours pass that a readable copy takes."""
        for place in self.buckets.values():
            for versions in place.keys.values():
                if versions[-1].thaw == "thawing":
                    versions[-1] = replace(versions[-1], thaw="thawed")

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

    def _delete_one_of_many(self, bucket: str, target: Target) -> str:
        self.before_change("delete", target.key)
        return self._delete(bucket, target.key, target.token, "delete-batch")

    def _delete(self, bucket: str, key: str, token: str, condition: str) -> str:
        now = self.head(bucket, key)
        if condition in self.enforced and now.token != token:
            raise ConditionFailed(key)
        place = self._bucket(bucket)
        marks = self.scheme == "s3" and place.versioning == "on"
        if not marks:
            self._refuse_held(now)
        left = self._left_behind(place, key)
        version = now.version_id or "" if left else ""
        if marks:
            version = f"v{self._tick()}"
            left.append(ObjectState(key, "", 0, self._now(), "", version, scheme="s3", is_delete_marker=True))
        place.keys[key] = left
        if not left:
            del place.keys[key]
        self.changes.append(("delete", key))
        return version

    def _change_tags(
        self, bucket: str, state: ObjectState, change: Callable[[Mapping[str, str]], Mapping[str, str]]
    ) -> bool:
        """Change the tags of a version; tell whether that had an effect."""
        place, now = self._bucket(bucket), self._version(bucket, state)
        is_live = now is place.keys[state.key][-1]
        named = (state.key, now.version_id or "")
        found = place.tags.get(state.key, {}) if is_live else place.hidden_tags.get(named, {})
        wanted = change(found)
        if wanted == found:
            return False
        if len(wanted) > MOST_TAGS:
            raise ActionRefused(f"it has {len(found)} tags", where=state.key, fix="Leave it.")
        if is_live:
            place.tags[state.key] = wanted
        else:
            place.hidden_tags[named] = wanted
        if is_live and self.tags_restart_age:
            place.keys[state.key][-1] = replace(now, last_modified_at=self._now())
        return True

    def _version(self, bucket: str, state: ObjectState) -> ObjectState:
        if state.version_id is None:
            return self.head(bucket, state.key)
        versions = self._bucket(bucket).keys.get(state.key, ())
        found = next((version for version in versions if version.version_id == state.version_id), None)
        if found is None:
            raise Gone(state.key)
        return found

    def _hide_tags(self, place: MemoryBucket, key: str) -> None:
        """Leave the tags of what lives under a key to the version that it becomes."""
        tags, before = place.tags.pop(key, {}), place.keys.get(key)
        if before and tags:
            place.hidden_tags[(key, before[-1].version_id or "")] = tags

    def _left_behind(self, place: MemoryBucket, key: str) -> _States:
        """Return what stays of a key when its current object goes or is replaced."""
        before = place.keys.get(key, [])
        if self.scheme == "s3":
            return list(before) if place.versioning == "on" else []
        kept = place.versioning == "on" or place.soft_delete_days
        return [replace(version, is_current=False) for version in before] if kept else []

    def _bucket(self, name: str) -> MemoryBucket:
        if name not in self.buckets:
            raise ActionRefused(
                "the bucket does not exist", where=f"{self.scheme}://{name}", fix="Check its name."
            )
        return self.buckets[name]

    def _refuse_held(self, state: ObjectState) -> None:
        if state.hold:
            raise ActionRefused("the object is locked", where=state.key, fix="Leave it, or lift the hold.")

    def _now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._tick())

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks


def _is_live(state: ObjectState) -> bool:
    return state.is_current and not state.is_delete_marker
