"""Retention rules as values; refuses a policy that could clear away too much.

A policy says what it is about (`match`), what stays (`keep`, `quiet_for`), what goes (`archive`, `delete`),
how much at most (`limits`). Every limit is written down: there is no default for how much may be lost.
"""

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PlainSerializer, field_validator

from lifecycle.errors import UnsafePolicy
from pipelines.domain.configuration import SAFE_NAME
from pipelines.domain.durations import Duration, format_duration, parse_duration
from pipelines.domain.yaml_text import parse_yaml

ARCHIVE_CLASSES = ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR")
"""Classes that answer a read at once. Colder ones need a restore request first, so a trainer would fail."""
BREAK_EVEN: Literal["break-even"] = "break-even"
"""Instead of an age to archive at: computed from prices, for each checkpoint."""
_COLD_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
_SHORTEST_QUIET = timedelta(hours=24)
"""A large save takes hours and inventories are a day old: what changed within a day may still be written."""

Share = Annotated[Decimal, PlainSerializer(str, return_type=str)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Match(_Frozen):
    """Which checkpoints the policy is about."""

    kind: Literal["checkpoint"] = "checkpoint"
    """What is cleared."""
    buckets: tuple[Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/?$")], ...] = ()
    """Exact buckets, `s3://name`."""
    prefixes: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Keys begin with one of these, byte for byte."""

    @property
    def bucket_names(self) -> frozenset[str]:
        """The buckets without their scheme; empty means any."""
        return frozenset(bucket.removeprefix("s3://").rstrip("/") for bucket in self.buckets)


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

    @field_validator("after", mode="before")
    @classmethod
    def _is_a_span(cls, text: object) -> object:
        return text if text == BREAK_EVEN else parse_duration(text)

    @field_validator("to")
    @classmethod
    def _comes_back_at_once(cls, name: str) -> str:
        if name in _COLD_CLASSES:
            raise ValueError(
                f"objects in {name} cannot be read before a restore request; use {', '.join(ARCHIVE_CLASSES)}"
            )
        if name not in ARCHIVE_CLASSES:
            raise ValueError(f"{name!r} is not a class to archive to; use {', '.join(ARCHIVE_CLASSES)}")
        return name


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
    first = policy.archive.after if policy.archive else BREAK_EVEN
    if policy.delete and first != BREAK_EVEN and policy.delete.after <= first:
        raise UnsafePolicy(
            "the policy deletes before it archives",
            where=f"{origin}, delete.after",
            fix=f"Write more than {format_duration(first)}: what can be undone comes first.",
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
    return [
        _about(policy.match),
        *_stays(policy.keep),
        f"Left alone: whatever changed within {quiet}, and the whole run around it.",
        *_goes(policy),
        f"At most in a plan: {amounts}, {limits.share_of_bucket:.0%} of a bucket and {limits.runs:,} runs.",
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
    return f"About complete checkpoints in {where}{below}."


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
    if policy.delete:
        way = "for good" if policy.delete.irreversible else "only where the bucket keeps the version"
        words.append(
            f"Deleted {format_duration(policy.delete.after)} after the last change, {way}. "
            "Archiving counts as a change."
        )
    return words


def _when(archive: Archive) -> str:
    if archive.after == BREAK_EVEN:
        return "once waiting has cost as much as the move would, minimum storage time included"
    return f"{format_duration(archive.after)} after the last change"
