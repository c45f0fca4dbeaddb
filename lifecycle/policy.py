"""Retention rules as values; refuses a policy that could clear away too much.

A policy says what it is about (`match`), what stays (`keep`, `quiet_for`), what goes (`archive`, `delete`),
how much at most (`limits`). Every limit is written down: there is no default for how much may be lost.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from lifecycle.errors import UnsafePolicy
from pipelines.domain.configuration import SAFE_NAME
from pipelines.domain.durations import Duration, format_duration, parse_duration
from pipelines.domain.yaml_text import parse_yaml

COLD_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
"""Classes that need a restore request before they can be read, so a trainer would fail."""
CLASSES: Mapping[str, tuple[str, ...]] = {
    "s3": ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", *COLD_CLASSES),
    "gs": ("NEARLINE", "COLDLINE", "ARCHIVE"),
}
"""Classes to archive to, by the scheme of the cloud that has them."""
ARCHIVE_CLASSES = tuple(name for names in CLASSES.values() for name in names if name not in COLD_CLASSES)
"""Those that answer a read at once."""
BREAK_EVEN: Literal["break-even"] = "break-even"
"""Instead of an age to archive at: computed from prices, for each checkpoint."""
DATASET_AGE = timedelta(days=30)
"""Published facts name the single objects of datasets that nobody changed for so long."""
UNDO_HORIZON = timedelta(days=7)
"""What a delete of ours left behind stays at least so long as a version, so that it can be undone."""
_SHORTEST_QUIET = timedelta(hours=24)
"""A large save takes hours and inventories are a day old: what changed within a day may still be written."""

_BUCKET = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/?$"

Share = Annotated[Decimal, PlainSerializer(str, return_type=str)]


Kind = Literal["checkpoint", "dataset", "upload", "noncurrent", "delete_marker"]
_FITTING: Mapping[Kind, frozenset[str]] = {
    "checkpoint": frozenset(
        {"latest", "best", "best_unknown", "every_n_steps", "registered", "min_complete_per_run"}
    ),
    "dataset": frozenset({"tables"}),
    "noncurrent": frozenset({"versions"}),
}
"""What `keep` may say, by kind; of the others nothing is kept by count."""
WHAT: Mapping[Kind, str] = {
    "checkpoint": "complete checkpoints",
    "dataset": "datasets, by prefixes of three folders outside of all runs,",
    "upload": "multipart uploads that nobody completed",
    "noncurrent": "noncurrent versions",
    "delete_marker": "delete markers with nothing behind them",
}
"""What a policy of a kind is about, in the words of people."""
_UNITS: Mapping[Kind, tuple[str, str]] = {
    "checkpoint": ("checkpoint", "checkpoints"),
    "dataset": ("dataset", "datasets"),
    "upload": ("upload", "uploads"),
    "noncurrent": ("folder", "folders"),
    "delete_marker": ("folder", "folders"),
}
_ONLY_FOR_GOOD: Mapping[Kind, tuple[str, str]] = {
    "upload": ("an upload that nobody completed can only be ended, and for good", "7d"),
    "noncurrent": ("a noncurrent version can only be deleted, and for good", "30d"),
    "delete_marker": ("a delete marker can only be removed, and for good", "30d"),
}
"""Why there is no other way, and a fair age."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Match(_Frozen):
    """What the policy is about."""

    kind: Kind = "checkpoint"
    """What is cleared: checkpoints; datasets, which are prefixes outside of all runs; multipart uploads that
    nobody completed; noncurrent versions; delete markers with nothing behind them."""
    buckets: tuple[Annotated[str, Field(pattern=_BUCKET)], ...] = ()
    """Exact buckets, `s3://name` or `gs://name`."""
    prefixes: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Keys begin with one of these, byte for byte."""

    @property
    def places(self) -> frozenset[str]:
        """The buckets as `s3://name`, without a last slash; empty means any."""
        return frozenset(bucket.rstrip("/") for bucket in self.buckets)


class Keep(_Frozen):
    """What always stays."""

    latest: Annotated[int, Field(ge=0)] = 2
    """The newest complete checkpoints of a run."""
    best: Annotated[int, Field(ge=0, le=1)] = 1
    """1 keeps the best checkpoint of a run."""
    best_unknown: Literal["keep", "accept"] = "keep"
    """Where nothing says which one is best: `keep` every complete one, or `accept` the loss."""
    every_n_steps: Annotated[int, Field(ge=1)] | None = None
    """Keeps every complete checkpoint whose step is a multiple."""
    registered: bool = True
    """What a registry serves stays; it cannot be switched off."""
    min_complete_per_run: int = 2
    """Never fewer complete checkpoints in a run than this."""
    tables: Literal["keep", "archive"] = "keep"
    """What looks like a table of Delta, Iceberg, Zarr or others stays, or may be archived; never deleted."""
    versions: Annotated[int, Field(ge=0)] = 1
    """The newest noncurrent versions of a key: what was overwritten last is what somebody may want back."""


class Archive(_Frozen):
    """What moves to a colder class."""

    after: Literal["break-even"] | Duration
    """Age of the newest object; `break-even`: once waiting has cost as much as the move would."""
    to: str
    """The class."""
    since: Literal["last-change", "last-read"] = "last-change"
    """What the age counts from; `last-read`, of datasets only: also the last read that a bill shows."""
    cold: Literal["refuse", "accept"] = "refuse"
    """`accept` allows classes that cannot be read before a restore request of hours."""

    @field_validator("after", mode="before")
    @classmethod
    def _is_a_span(cls, text: object) -> object:
        return text if text == BREAK_EVEN else parse_duration(text)

    @field_validator("to")
    @classmethod
    def _is_a_class(cls, name: str) -> str:
        if name not in (*ARCHIVE_CLASSES, *COLD_CLASSES):
            raise ValueError(f"{name!r} is not a class to archive to; use {', '.join(ARCHIVE_CLASSES)}")
        return name

    @model_validator(mode="after")
    def _comes_back_at_once(self) -> Self:
        if self.to in COLD_CLASSES and self.cold != "accept":
            raise ValueError(
                f"objects in {self.to} cannot be read before a restore request; use "
                f"{', '.join(ARCHIVE_CLASSES)}, or write 'cold: accept' beside it"
            )
        return self


class Delete(_Frozen):
    """What goes."""

    after: Duration
    """Age of the newest object; of a noncurrent version, the time since it was replaced."""
    irreversible: bool = False
    """True allows deleting for good: in buckets that keep no versions, and the versions themselves."""


class Limits(_Frozen):
    """How much one plan may change; above any of them it is refused."""

    objects: Annotated[int, Field(gt=0)]
    """Objects changed."""
    bytes: Annotated[ByteSize, Field(gt=0)]
    """Their bytes, such as 500TiB."""
    usd_month: Annotated[Share, Field(gt=0)]
    """What the checkpoints that change cost a month."""
    share_of_bucket: Annotated[Share, Field(gt=0, le=1)]
    """Changed bytes as a share of all bytes of their bucket."""
    runs: Annotated[int, Field(gt=0)]
    """Runs touched."""


class TwoPeopleAbove(_Frozen):
    """From how much on one person's yes is not enough; any one that is reached asks for two."""

    usd_month: Annotated[Share, Field(gt=0)] | None = None
    """What the checkpoints that change cost a month."""
    objects: Annotated[int, Field(gt=0)] | None = None
    """Objects changed."""
    bytes: Annotated[ByteSize, Field(gt=0)] | None = None
    """Their bytes, such as 10TiB."""
    irreversible: bool = False
    """True: wherever anything goes for good."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.usd_month or self.objects or self.bytes or self.irreversible):
            raise ValueError("write at least one of usd_month, objects, bytes and 'irreversible: true'")
        return self


class ApprovalRule(_Frozen):
    """Who has to say yes."""

    two_people_above: TwoPeopleAbove
    """When two different people have to."""


class Policy(_Frozen):
    """One retention policy."""

    name: str = Field(pattern=SAFE_NAME)
    """Becomes part of the plan's id."""
    match: Match = Match()
    """What it is about."""
    keep: Keep = Keep()
    """What stays."""
    quiet_for: Duration = parse_duration("3d")
    """The newest object of a checkpoint, and of its run, must be older."""
    archive: Archive | None = None
    """What moves."""
    delete: Delete | None = None
    """What goes."""
    limits: Limits | None = None
    """How much at most."""
    approval: ApprovalRule | None = None
    """Who has to say yes; without it, any one person."""
    expires: Duration = parse_duration("24h")
    """How long a plan stays valid."""
    max_facts_age: Duration = parse_duration("72h")
    """A snapshot may be this old, from the end of its day."""

    @field_validator("quiet_for")
    @classmethod
    def _is_long_enough(cls, span: timedelta) -> timedelta:
        if span < _SHORTEST_QUIET:
            raise ValueError("write 24h or more: what changed within a day may still be being written")
        return span

    @field_validator("expires", "max_facts_age")
    @classmethod
    def _is_positive(cls, span: timedelta) -> timedelta:
        if not span:
            raise ValueError("write more than nothing, such as 24h")
        return span

    @property
    def age_to_delete(self) -> timedelta:
        """From which age on something may go, the quiet time included; without a `delete`, none."""
        return max(self.delete.after, self.quiet_for) if self.delete else timedelta.max

    @property
    def ceiling(self) -> Limits:
        """The limits; a policy without them was refused before anybody could ask."""
        if self.limits is None:
            raise _without_limits(self.name)
        return self.limits


def parse_policy(text: str, *, origin: str) -> Policy:
    """Return a policy that is safe to decide with.

    Raises:
        Terminal: not a policy; the message names the line.
        UnsafePolicy: empty, unlimited, or it would match everything.
    """
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        raise UnsafePolicy(
            "the policy is empty",
            where=origin,
            fix="Start from lifecycle/policies/stale-checkpoints.yaml, or from the example in the README.",
        )
    policy = parse_yaml(text, Policy, origin=origin)
    _refuse_unfitting(policy, origin)
    refuse_unsafe(policy, origin)
    return policy


def refuse_unsafe(policy: Policy, origin: str) -> None:
    """Refuse what no retention policy may say.

    Raises:
        UnsafePolicy: with the rule that is broken.
    """
    if policy.archive is None and policy.delete is None:
        raise UnsafePolicy(
            "the policy is empty: it neither archives nor deletes",
            where=origin,
            fix="Add 'archive: {after: 30d, to: GLACIER_IR}' or 'delete: {after: 180d}'.",
        )
    if not policy.match.buckets and not policy.match.prefixes:
        raise UnsafePolicy(
            "the policy matches everything: it names no bucket and no prefix",
            where=f"{origin}, match",
            fix="Name buckets, such as 'match: {buckets: [\"s3://train\"]}'.",
        )
    if policy.keep.min_complete_per_run < 1:
        raise UnsafePolicy(
            "the policy would keep no complete checkpoint of a run",
            where=f"{origin}, keep.min_complete_per_run",
            fix="Write 1 or more.",
        )
    if not policy.keep.registered:
        raise UnsafePolicy(
            "what a model registry serves is never cleared",
            where=f"{origin}, keep.registered",
            fix="Take the key out, or write 'registered: true'; unregister a model to let it go.",
        )
    if policy.limits is None:
        raise _without_limits(origin)
    _refuse_what_stays(policy, origin)
    _refuse_wrong_reads(policy, origin)
    if policy.match.kind == "dataset":
        _refuse_vague_datasets(policy, origin)
    first = policy.archive.after if policy.archive else BREAK_EVEN
    if policy.delete and first != BREAK_EVEN and policy.delete.after <= first:
        raise UnsafePolicy(
            "the policy deletes before it archives",
            where=f"{origin}, delete.after",
            fix=f"Write more than {format_duration(first)}: what can be undone comes first.",
        )


def _refuse_unfitting(policy: Policy, origin: str) -> None:
    """Refuse what was written of `keep` and means nothing for this kind: whoever wrote it relies on it."""
    kind, said = policy.match.kind, policy.keep.model_fields_set
    unfitting = sorted(said - _FITTING.get(kind, frozenset()))
    if unfitting:
        raise UnsafePolicy(
            f"'{unfitting[0]}' says nothing about {WHAT[kind]}",
            where=f"{origin}, keep.{unfitting[0]}",
            fix="Take the key out; 'moraine-lifecycle policy check' tells what stays.",
        )


def _refuse_what_stays(policy: Policy, origin: str) -> None:
    """Refuse a policy about something that only goes for good, if it does not say so."""
    kind, delete = policy.match.kind, policy.delete
    if kind not in _ONLY_FOR_GOOD:
        return
    because, age = _ONLY_FOR_GOOD[kind]
    if policy.archive or delete is None or not delete.irreversible:
        raise UnsafePolicy(
            because,
            where=f"{origin}, delete",
            fix=f"Write 'delete: {{after: {age}, irreversible: true}}', and no 'archive'.",
        )
    if kind == "noncurrent" and delete.after < UNDO_HORIZON:
        raise UnsafePolicy(
            "the policy deletes versions that undoing a clean-up may still need",
            where=f"{origin}, delete.after",
            fix=f"Write {format_duration(UNDO_HORIZON)} or more.",
        )


def units(kind: Kind) -> tuple[str, str]:
    """Return what a decision is about, in the words of people: one, and several."""
    return _UNITS.get(kind, ("place", "places"))


def _refuse_wrong_reads(policy: Policy, origin: str) -> None:
    archive = policy.archive
    if archive is None or archive.since == "last-change":
        return
    if policy.match.kind != "dataset" or archive.after == BREAK_EVEN:
        raise UnsafePolicy(
            "only the age of datasets can be counted from their last read",
            where=f"{origin}, archive.since",
            fix="Take 'since' out, or write a policy of 'kind: dataset' with an age such as 'after: 90d'.",
        )


def _refuse_vague_datasets(policy: Policy, origin: str) -> None:
    if not policy.match.prefixes:
        raise UnsafePolicy(
            "the policy names no prefix: what is known of no run may be anything",
            where=f"{origin}, match.prefixes",
            fix="Name the prefixes that hold datasets, such as 'prefixes: [\"data/\"]'.",
        )
    ages = [rule.after for rule in (policy.archive, policy.delete) if rule]
    if any(age < DATASET_AGE for age in ages if age != BREAK_EVEN):
        raise UnsafePolicy(
            "datasets are left alone until nobody changed them for 30 days",
            where=f"{origin}, after",
            fix="Write 30d or more.",
        )


def policy_hash(policy: Policy) -> str:
    """Return a hash of what the policy says, however it is written."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()


def _without_limits(origin: str) -> UnsafePolicy:
    return UnsafePolicy(
        "the policy has no limits",
        where=f"{origin}, limits",
        fix="Add 'limits: {objects: 1000, bytes: 5TiB, usd_month: 500, share_of_bucket: 0.5, runs: 10}'.",
    )
