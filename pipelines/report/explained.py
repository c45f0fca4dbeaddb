"""Everything known about one place, as values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pipelines.report.listing import PrefixFacts, VersionFacts


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """A checkpoint as published."""

    checkpoint_id: str
    checkpoint_uri: str
    bucket: str
    run: str
    framework: str
    step: int | None
    epoch: int | None
    state: str
    state_reason: str
    kind: str
    is_complete: bool
    is_latest: bool
    is_best: bool | None
    best_from: str | None
    is_protected: bool
    protected_because: str
    storage_classes: str
    team: str
    object_count: int
    shard_count: int
    shards_expected: int
    size_bytes: int
    weights_bytes: int
    optimizer_bytes: int
    cost_usd_month: Decimal | None
    first_modified_at: datetime
    last_modified_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object of a checkpoint as published."""

    object_key: str
    version_id: str | None
    role: str
    storage_class: str | None
    size_bytes: int
    etag: str | None
    is_marker: bool
    last_modified_at: datetime


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A training run: its checkpoints together."""

    bucket: str
    run: str
    frameworks: str
    team: str
    checkpoint_count: int
    complete_count: int
    protected_count: int
    object_count: int
    size_bytes: int
    cost_usd_month: Decimal | None
    first_modified_at: datetime
    last_modified_at: datetime
    latest: str | None
    """Its latest complete checkpoint."""
    best: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one witness says of a checkpoint."""

    witness: str
    """The order of steps or times, a small file, a metric, a registry, a run, a pin."""
    says: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One object, checkpoint, run or folder, and why it is as it is."""

    uri: str
    kind: str
    """`object` of a checkpoint, `checkpoint`, `run`, `other object` or `folder`."""
    checkpoint: CheckpointFacts | None = None
    objects: tuple[ObjectFacts, ...] = ()
    """The object asked for; of a checkpoint its largest ones."""
    cost_usd_month: Decimal | None = None
    """Of an object: its share by bytes of what the checkpoint costs, or its size at the bucket's rate."""
    reasons: tuple[str, ...] = ()
    """What speaks for keeping it, or that nothing does."""
    evidence: tuple[Evidence, ...] = ()
    """Of a checkpoint: each witness and what it says."""
    story: tuple[str, ...] = ()
    """The same in sentences: since when it is there, what it cost, where copies are, what is hidden."""
    run: RunFacts | None = None
    versions: tuple[VersionFacts, ...] = ()
    """Every version of the key, as the bucket's newest list has them."""
    folder: PrefixFacts | None = None
    """What is below it, as that list has it."""
    copies: tuple[str, ...] = ()
    """Where the same bytes lie once more."""
