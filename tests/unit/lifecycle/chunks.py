"""Chunks of actions on buckets in memory, without a plan around them: what applying is tried on."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from lifecycle.apply.act import Hand
from lifecycle.apply.chunk import ChunkReport, apply_chunk
from lifecycle.apply.pace import Paces
from lifecycle.model import Action, BucketCapability, Receipt, Scheme
from lifecycle.model import Path as Way
from lifecycle.providers import MemoryProvider, ObjectState, Provider, Removal, Target, UploadState
from lifecycle.providers.memory import MemoryBucket
from lifecycle.records.journal import open_journal, read_receipts

BUCKET = "train"
AT = datetime(2026, 11, 21, 6)
OLD = datetime(2026, 1, 1)
FILES = ("trainer_state.json", "model.safetensors", "optimizer.pt")
"""The marker first, as a plan has them."""


class Time:
    """Seconds that pass only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Cloud(MemoryProvider):
    """A cloud in memory that notes its requests, and can be told to fail."""

    def __init__(self, scheme: Scheme = "s3") -> None:
        super().__init__(scheme=scheme)
        self.requests: list[list[str]] = []
        """The keys of each batch, in turn."""
        self.heads: list[str] = []
        self.answers: list[Mapping[str, Removal]] = []
        """What the next batches answer for some keys; those are not touched."""
        self._is_changing = False

    def head(self, bucket: str, key: str) -> ObjectState:
        if not self._is_changing:
            self.heads.append(key)
        return super().head(bucket, key)

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        self.requests.append([target.key for target in targets])
        said = self.answers.pop(0) if self.answers else {}
        self._is_changing = True
        try:
            done = super().delete_batch(bucket, [target for target in targets if target.key not in said])
        finally:
            self._is_changing = False
        return [*done, *(said[target.key] for target in targets if target.key in said)]


@dataclass
class World:
    """One bucket, the actions of a chunk on it, and its journal."""

    home: Path
    cloud: Cloud
    time: Time = field(default_factory=Time)
    actions: list[Action] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    delete_batch: bool = True

    def __post_init__(self) -> None:
        self.cloud.buckets.setdefault(BUCKET, MemoryBucket())

    @property
    def bucket(self) -> MemoryBucket:
        return self.cloud.buckets[BUCKET]

    def put(self, key: str, *, size: int = 1000, at: datetime = OLD) -> ObjectState:
        etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
        return self.cloud.put(BUCKET, ObjectState(key, etag, size, at, "STANDARD"))

    def plan(self, checkpoint: str, state: ObjectState, path: Way, *, is_marker: bool = False) -> Action:
        """Plan an object's delete, or its archive."""
        is_copy = path.startswith(("copy", "tag"))
        action = Action(
            f"00000-{len(self.actions) + 1:06d}",
            "archive" if is_copy else "delete",
            self.cloud.scheme,
            BUCKET,
            state.key,
            state.version_id,
            state.etag,
            state.size_bytes,
            state.last_modified_at,
            state.storage_class,
            "GLACIER_IR" if is_copy else "",
            f"{self.cloud.scheme}://{BUCKET}/{checkpoint}",
            path,
            is_marker,
        )
        self.actions.append(action)
        return action

    def checkpoint(
        self, name: str, path: Way = "delete-batch-if-match", files: Sequence[str] = FILES
    ) -> list[Action]:
        """Put a checkpoint and plan it; the first file is its marker."""
        return [
            self.plan(name, self.put(f"{name}/{file}"), path, is_marker=file == files[0]) for file in files
        ]

    def upload(self, key: str, upload_id: str, *, at: datetime = OLD) -> Action:
        """Begin an upload, and plan to throw it away."""
        self.bucket.uploads.append(UploadState(key, upload_id, at))
        planned = self.plan("uploads", ObjectState(key, "", 0, OLD, "", upload_id), "abort-upload")
        self.actions[-1] = replace(planned, action="abort_upload")
        return self.actions[-1]

    def version(self, state: ObjectState) -> Action:
        """Plan to remove one version."""
        self.plan("versions", state, "delete-version")
        self.actions[-1] = replace(self.actions[-1], action="delete_version")
        return self.actions[-1]

    @property
    def capability(self) -> BucketCapability:
        return BucketCapability(
            BUCKET,
            self.bucket.versioning,
            *(True, True, True, True),
            delete_batch=self.delete_batch,
            scheme=self.cloud.scheme,
            object_lock=self.bucket.object_lock,
            soft_delete_days=self.bucket.soft_delete_days,
        )

    def hand(self, **changes: object) -> Hand:
        clouds: dict[Scheme, Provider] = {self.cloud.scheme: self.cloud}
        made = Hand(
            clouds,
            clock=lambda: AT + timedelta(seconds=self.time.now),
            workers=1,
            capabilities={self.capability.place: self.capability},
            paces=Paces(self.time),
            pause=self.time.pause,
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    @property
    def journal(self) -> Path:
        return self.home / "chunk-00000.jsonl"

    def apply(self, **changes: object) -> ChunkReport:
        with open_journal(self.journal) as journal:
            return apply_chunk("chunk-00000", self.actions, journal, self.hand(**changes), self.left_out)

    def receipts(self) -> Iterator[Receipt]:
        return read_receipts(self.journal)

    def results(self) -> dict[str, str]:
        """Return the newest word by key."""
        start = f"{self.cloud.scheme}://{BUCKET}/"
        return {receipt.uri.removeprefix(start): receipt.result or "begun" for receipt in self.receipts()}

    def shown(self) -> set[str]:
        """Return what a listing shows."""
        return {state.key for state in self.cloud.list(BUCKET, "")}
