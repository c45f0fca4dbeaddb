"""The nouns of the lifecycle: what a checkpoint is, what becomes of it, a plan, an approval, a receipt.

Frozen values without behaviour of their own. Times are UTC without a zone, sizes bytes, money US dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from lifecycle.policy import Policy

SMALLEST_ARCHIVED_BYTES = 128 * 1024
"""Infrequent-access classes bill at least 128 KiB per object: below that a move costs more than it saves."""

HOTNESS: Mapping[str, int] = {
    "STANDARD": 0,
    "REDUCED_REDUNDANCY": 0,
    "STANDARD_IA": 1,
    "ONEZONE_IA": 2,
    "GLACIER_IR": 3,
    "GLACIER": 4,
    "DEEP_ARCHIVE": 5,
    "MULTI_REGIONAL": 0,
    "REGIONAL": 0,
    "DURABLE_REDUCED_AVAILABILITY": 0,
    "NEARLINE": 1,
    "COLDLINE": 2,
    "ARCHIVE": 3,
}
"""Larger is colder. INTELLIGENT_TIERING moves objects by itself and has no place here: it is left alone."""

Scheme = Literal["s3", "gs"]
"""Which cloud a bucket is in, as its URI says it; the same name may exist in both."""
Path = Literal[
    "copy-in-place",
    "copy-in-parts",
    "tag-and-rule",
    "delete-if-match",
    "delete-batch-if-match",
    "delete-marker",
    "soft-delete",
    "delete-version",
    "abort-upload",
]
"""How an action is done on its bucket.

`delete-marker` (S3 with versions) and `soft-delete` (Cloud Storage with soft delete or versions) leave the
bytes behind and can be undone; `delete-if-match`, its batched form, `delete-version` and `abort-upload`
cannot. `tag-and-rule` marks an object that a rule of the bucket then moves, within days.
"""
REVERSIBLE_PATHS: frozenset[str] = frozenset(
    {"copy-in-place", "copy-in-parts", "tag-and-rule", "delete-marker", "soft-delete"}
)
"""Paths that lose nothing. A tag comes off again; what a rule has moved goes back by a copy, and stays in its
new class where no copy is safe: such a plan says so before it is approved."""
Versioning = Literal["off", "on", "suspended"]
Result = Literal["done", "changed", "protected", "skipped", "failed", "thawing"]
"""`failed` may be tried again; the others are final. `thawing`, and what else is not `done` or `changed`, is
tried again where something is undone."""


def _without_zone(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


Moment = Annotated[datetime, AfterValidator(_without_zone)]
"""UTC without a zone; plan files spell it with a `Z`."""


@dataclass(frozen=True, slots=True)
class ClassShare:
    """What a checkpoint holds in one storage class, current versions only."""

    storage_class: str
    object_count: int
    size_bytes: int
    movable_count: int
    """Objects large enough to be worth moving."""
    movable_bytes: int
    largest_bytes: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """One checkpoint, as the published snapshot knows it: the unit of decision."""

    checkpoint_id: str
    uri: str
    bucket: str
    run: str
    framework: str
    step: int | None
    epoch: int | None
    state: str
    state_reason: str
    kind: str
    is_latest: bool
    is_best: bool
    is_protected: bool
    protected_because: str
    object_count: int
    size_bytes: int
    last_modified_at: datetime
    cost_usd_month: Decimal
    classes: tuple[ClassShare, ...] = ()
    pins: tuple[str, ...] = ()
    """Keys of files that ask to keep it."""
    doubt: str = ""
    """Why its facts cannot be relied on, where they cannot."""

    @property
    def is_complete(self) -> bool:
        """A trainer could start from it."""
        return self.state == "complete"

    @property
    def place(self) -> str:
        """Its bucket's URI: `s3://train`."""
        return place_of(self.uri)

    @property
    def scheme(self) -> Scheme:
        """Its cloud."""
        return "gs" if self.uri.startswith("gs:") else "s3"


@dataclass(frozen=True, slots=True)
class Price:
    """What a storage class costs, as listed on a day."""

    storage_class: str
    usd_gib_month: Decimal
    minimum_days: int
    """Deleting or moving earlier bills the days that are left."""
    usd_per_request: Decimal
    """Putting or copying an object into the class."""
    usd_gib_retrieved: Decimal = Decimal(0)
    """Reading out of the class, a copy included."""
    usd_per_object_month: Decimal = Decimal(0)
    """What the class keeps and bills beside each object: an index, in the coldest classes."""
    is_confirmed: bool = True
    """Prices of its bytes and of reading them out are known and confirmed."""
    takes_confirmed: bool = True
    """And so is that of putting an object there."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices in force on a day, by storage class."""

    valid_on: date
    prices: Mapping[str, Price]


def place_of(uri: str) -> str:
    """Return the bucket's URI of an object's or a folder's: `s3://train`."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@dataclass(frozen=True, slots=True)
class BucketCapability:
    """What a bucket and its endpoint really enforce: measured by the canary, never assumed.

    Conditions name an ETag on S3 and a generation on Cloud Storage.
    """

    bucket: str
    versioning: Versioning
    copy_source: bool
    """A copy with a wrong source condition is refused."""
    copy_destination: bool
    """A copy over an object under a wrong condition is refused."""
    copy_in_parts: bool
    """Both hold for a copy in parts, the only way for objects above 5 GiB."""
    delete: bool
    """A delete under a wrong condition is refused."""
    delete_batch: bool = False
    """Many deletes in one request refuse each one whose condition is wrong."""
    scheme: Scheme = "s3"
    object_lock: bool = False
    """Objects there may be locked, so each is looked at before it is changed."""
    soft_delete_days: int = 0
    """How long the store keeps what is deleted or overwritten, and bills it."""
    autoclass: bool = False
    """The bucket moves objects between classes by itself: nothing is archived there."""
    takes_tags: bool = False
    """An object can be tagged there, and the bucket's lifecycle rules can be read."""
    is_aws: bool = False
    """It is Amazon's own store: what others do with tags and rules differs."""

    @property
    def place(self) -> str:
        """The bucket's URI."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def can_copy(self) -> bool:
        """An object can be copied onto itself only if it is what was planned."""
        return self.copy_source and self.copy_destination


@dataclass(frozen=True, slots=True)
class FailedGate:
    """A failed check that nothing may be cleared on; `bucket` is empty when it is about everything."""

    check_id: str
    bucket: str
    reason: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a decision needs besides the checkpoints: as small for a billion objects as for one."""

    snapshot_id: str
    as_of: date
    prices: Mapping[Scheme, PriceList] = field(default_factory=dict)
    bucket_bytes: Mapping[str, int] = field(default_factory=dict)
    """By the bucket's URI."""
    failed_gates: tuple[FailedGate, ...] = ()
    capabilities: Mapping[str, BucketCapability] = field(default_factory=dict)
    """By the bucket's URI."""
    has_registry: bool = True
    """A model registry is among the sources, so that what it serves is known."""
    remarks: tuple[str, ...] = ()
    """What of the policy's buckets is not known, in sentences."""

    def prices_of(self, scheme: Scheme) -> PriceList:
        """Return the prices of a cloud; none where none are known."""
        return self.prices.get(scheme) or PriceList(self.as_of, {})


@dataclass(frozen=True, slots=True)
class Keep:
    """It stays."""

    artifact: Artifact
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Archive:
    """Its hotter objects move to a colder class, in place."""

    artifact: Artifact
    rule: str
    reason: str
    to: str
    path: Literal["", "tag-and-rule"] = ""
    """Empty: by a copy in place, in parts where an object is too large for one request."""


@dataclass(frozen=True, slots=True)
class Delete:
    """All of it goes; whether for good depends on the path."""

    artifact: Artifact
    rule: str
    reason: str
    path: Path


Decision = Keep | Archive | Delete


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan: one checkpoint, what becomes of it, and why."""

    checkpoint_id: str
    uri: str
    bucket: str
    run: str
    step: int | None
    state: str
    decision: Literal["keep", "archive", "delete"]
    rule: str
    reason: str
    object_count: int
    size_bytes: int
    cost_usd_month: Decimal
    action_count: int = 0
    """Objects that change."""
    action_bytes: int = 0
    target_class: str = ""
    from_classes: tuple[str, ...] = ()
    path: str = ""
    saving_usd_month: Decimal = Decimal(0)
    """Net of what stays; nothing for versions that remain behind a delete marker."""
    tail_usd_month: Decimal = Decimal(0)
    """What goes on being billed for versions behind a delete marker."""
    one_off_usd: Decimal = Decimal(0)
    """Requests, and days of a minimum storage time that are left."""
    chunk: int | None = None

    @property
    def is_change(self) -> bool:
        """Something happens to it."""
        return self.decision != "keep"

    @property
    def place(self) -> str:
        """Its bucket's URI: `s3://train`."""
        return place_of(self.uri)

    @property
    def scheme(self) -> Scheme:
        """Its cloud."""
        return "gs" if self.uri.startswith("gs:") else "s3"


@dataclass(frozen=True, slots=True)
class Total:
    """What lines add up to."""

    checkpoints: int = 0
    objects: int = 0
    size_bytes: int = 0
    cost_usd_month: Decimal = Decimal(0)
    saving_usd_month: Decimal = Decimal(0)
    tail_usd_month: Decimal = Decimal(0)
    one_off_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Totals:
    """A plan in numbers; `objects` and `size_bytes` of changes count what changes."""

    keep: Total
    archive: Total
    delete: Total
    runs: int
    """Runs in which something changes."""
    objects_for_good: int = 0
    """Objects that go and cannot be brought back."""


@dataclass(frozen=True, slots=True)
class KeptBy:
    """What one rule keeps."""

    rule: str
    checkpoints: int
    size_bytes: int
    uri: str
    """One of them …"""
    reason: str
    """… and why it stays."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A Parquet file of a plan, bound to it by its hash."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done and why; nothing outside of it will be."""

    id: str
    fingerprint: str
    snapshot_id: str
    as_of: date
    policy: Policy
    policy_hash: str
    price_date: date
    code_version: str
    created_at: Moment
    expires_at: Moment
    totals: Totals
    capabilities: tuple[BucketCapability, ...]
    warnings: tuple[str, ...]
    kept: tuple[KeptBy, ...] = ()
    changed_bytes: Mapping[str, int] = field(default_factory=dict)
    """Bytes that change, by the URI of their bucket."""
    decisions: PlanFile | None = None
    """A line per checkpoint, with its reason."""
    actions: tuple[PlanFile, ...] = ()
    """One file per chunk, in order."""
    survivors: PlanFile | None = None
    """Objects of the touched runs that must still be there afterwards."""
    rules_seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Lifecycle rules of the buckets in which objects are tagged, as they were when it was made; by URI."""

    @property
    def files(self) -> tuple[PlanFile, ...]:
        """Everything that belongs to it, bound by its fingerprint."""
        return tuple(file for file in (self.decisions, *self.actions, self.survivors) if file)

    @property
    def chunks(self) -> tuple[str, ...]:
        """Names of the chunks: the unit that is applied at once."""
        return tuple(file.name.removeprefix("actions/").removesuffix(".parquet") for file in self.actions)


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody said yes to exactly one fingerprint."""

    by: str
    reason: str
    at: Moment
    fingerprint: str
    expires_at: Moment


@dataclass(frozen=True, slots=True)
class Action:
    """One change of one object."""

    action_id: str
    action: Literal["archive", "delete", "delete_version", "abort_upload"]
    scheme: Scheme
    bucket: str
    object_key: str
    version_id: str | None
    """The version; of an upload, its id. On Cloud Storage the generation, as text."""
    etag: str
    size_bytes: int
    last_modified_at: datetime
    storage_class: str
    target_class: str
    checkpoint_id: str
    path: Path
    is_marker: bool = False
    """Without it a checkpoint does not look complete: it goes before the others."""

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"{self.scheme}://{self.bucket}/{self.object_key}"

    @property
    def place(self) -> str:
        """Its bucket's URI."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def chunk(self) -> str:
        """The name of the chunk that it is in."""
        return f"chunk-{self.action_id.partition('-')[0]}"

    @property
    def token(self) -> str:
        """What a condition on it names: the ETag on S3, the generation on Cloud Storage."""
        return self.etag if self.scheme == "s3" else self.version_id or ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A line of the journal: the intent before a change, the outcome after it."""

    action_id: str
    event: Literal["intent", "outcome"]
    at: Moment
    result: Result | None = None
    detail: str = ""
    uri: str = ""
    etag: str = ""
    """ETag after our own copy; a copy in parts gives a new one. On Cloud Storage the new generation."""
    version_id: str = ""
    """Where the way back begins: the delete marker's version, or the generation that was left behind."""
    original_last_modified_at: Moment | None = None
    """A copy in place restarts the object's age: this is the one it had."""
