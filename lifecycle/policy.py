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
_SHORTEST_QUIET = timedelta(hours=24)
"""A large save takes hours and inventories are a day old: what changed within a day may still be written."""

_BUCKET = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/?$"

Share = Annotated[Decimal, PlainSerializer(str, return_type=str)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Match(_Frozen):
    """Which checkpoints the policy is about."""

    kind: Literal["checkpoint", "upload"] = "checkpoint"
    """What is cleared: checkpoints, or multipart uploads that nobody completed."""
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


class Archive(_Frozen):
    """What moves to a colder class."""

    after: Literal["break-even"] | Duration
    """Age of the newest object; `break-even`: once waiting has cost as much as the move would."""
    to: str
    """The class."""
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
    """Age of the newest object."""
    irreversible: bool = False
    """True allows deleting for good in buckets that keep no versions."""


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
    if policy.match.kind == "upload":
        _refuse_unsafe_for_uploads(policy, origin)
    first = policy.archive.after if policy.archive else BREAK_EVEN
    if policy.delete and first != BREAK_EVEN and policy.delete.after <= first:
        raise UnsafePolicy(
            "the policy deletes before it archives",
            where=f"{origin}, delete.after",
            fix=f"Write more than {format_duration(first)}: what can be undone comes first.",
        )


def _refuse_unsafe_for_uploads(policy: Policy, origin: str) -> None:
    if policy.archive or policy.delete is None or not policy.delete.irreversible:
        raise UnsafePolicy(
            "an upload that nobody completed can only be ended, and for good",
            where=f"{origin}, delete",
            fix="Write 'delete: {after: 7d, irreversible: true}', and no 'archive'.",
        )


def policy_hash(policy: Policy) -> str:
    """Return a hash of what the policy says, however it is written."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()


def sentences(policy: Policy) -> list[str]:
    """Return the policy in plain words."""
    limits = policy.ceiling
    quiet, valid, fresh = (
        format_duration(span) for span in (policy.quiet_for, policy.expires, policy.max_facts_age)
    )
    amounts = f"{limits.objects:,} objects, {limits.bytes.human_readable()}, {limits.usd_month:,} USD a month"
    checkpoints = [
        *_stays(policy.keep),
        f"Left alone: whatever changed within {quiet}, and the whole run around it.",
        *_goes(policy),
    ]
    return [
        _about(policy.match),
        *(_ended(policy) if policy.match.kind == "upload" else checkpoints),
        f"At most in a plan: {amounts}, {limits.share_of_bucket:.0%} of a bucket and {limits.runs:,} runs.",
        *_asks(policy.approval),
        f"A plan is valid for {valid} and needs facts younger than {fresh}.",
    ]


def _without_limits(origin: str) -> UnsafePolicy:
    return UnsafePolicy(
        "the policy has no limits",
        where=f"{origin}, limits",
        fix="Add 'limits: {objects: 1000, bytes: 5TiB, usd_month: 500, share_of_bucket: 0.5, runs: 10}'.",
    )


def _about(match: Match) -> str:
    where = " and ".join(match.buckets) or "any bucket"
    below = f" below {' or '.join(match.prefixes)}" if match.prefixes else ""
    what = {"checkpoint": "complete checkpoints", "upload": "multipart uploads that nobody completed"}
    return f"About {what[match.kind]} in {where}{below}."


def _ended(policy: Policy) -> list[str]:
    after = max(policy.delete.after, policy.quiet_for) if policy.delete else policy.quiet_for
    return [f"Ended for good {format_duration(after)} after they were begun; their parts are thrown away."]


def _stays(keep: Keep) -> list[str]:
    newest = f"the {keep.latest} newest complete checkpoints of each run"
    words = [
        f"Kept: {newest}, and never fewer than {keep.min_complete_per_run}.",
        "Kept: everything in a run that has no complete checkpoint.",
        "Kept: what a registry serves, and final and best copies.",
        "Kept: what is pinned by a file named PINNED or keep_until_YYYY-MM-DD.",
    ]
    if keep.best:
        unknown = "every complete one stays" if keep.best_unknown == "keep" else "nothing more stays"
        words.append(f"Kept: the best of each run; where that is unknown, {unknown}.")
    if keep.every_n_steps:
        words.append(f"Kept: every checkpoint whose step is a multiple of {keep.every_n_steps:,}.")
    return words


def _goes(policy: Policy) -> list[str]:
    words = []
    if policy.archive:
        words.append(
            f"Archived to {policy.archive.to} {_when(policy.archive)}; "
            "objects under 128 KiB stay, moving them costs more than it saves."
        )
        if policy.archive.to in COLD_CLASSES:
            words.append("There nothing can be read before a restore request, which takes hours.")
    if policy.delete:
        way = "for good" if policy.delete.irreversible else "only where the bucket keeps the version"
        words.append(
            f"Deleted {format_duration(policy.delete.after)} after the last change, {way}. "
            "Archiving counts as a change."
        )
    return words


def _asks(rule: ApprovalRule | None) -> list[str]:
    if rule is None:
        return []
    above = rule.two_people_above
    amounts = (
        f"from {above.objects:,} objects on" if above.objects else "",
        f"from {above.bytes.human_readable()} on" if above.bytes else "",
        f"from {above.usd_month:,} USD a month on" if above.usd_month else "",
        "where anything goes for good" if above.irreversible else "",
    )
    return [f"Two different people have to approve a plan {' or '.join(filter(None, amounts))}."]


def _when(archive: Archive) -> str:
    if archive.after == BREAK_EVEN:
        return "once waiting has cost as much as the move would, minimum storage time included"
    return f"{format_duration(archive.after)} after the last change"
