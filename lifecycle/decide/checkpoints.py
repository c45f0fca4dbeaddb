"""Which checkpoints stay, which move, which go, and why.

Pure: a run's checkpoints, what is around them, a policy and a day in, one decision per checkpoint out. No
cloud, no clock, no files. Runs come one after the other, so that a million of them need no memory.

Reasons to keep are a list of rules, asked in order; the first that speaks decides. Only what no rule keeps is
cleared. Missing facts protect: what is not known for sure is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Literal

from lifecycle.decide.break_even import break_even, outlived
from lifecycle.decide.by_rule import unmoved_by_rule
from lifecycle.model import (
    HOTNESS,
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    FailedGate,
    Keep,
    Path,
    PriceList,
    Surroundings,
)
from lifecycle.pins import pin_in_force
from lifecycle.policy import BREAK_EVEN, CLASSES, Policy
from lifecycle.policy import Archive as ArchiveRule
from pipelines.domain.durations import format_duration

LARGEST_COPY_BYTES = 5 * 1024**3
"""A single copy request of S3 takes no larger object."""


@dataclass(frozen=True, slots=True)
class _Situation:
    """What the rules look at besides the checkpoint itself: its run, its bucket, the policy, the day."""

    policy: Policy
    day: date
    has_complete: bool
    newest_at: datetime
    newest: frozenset[str]
    floor: frozenset[str]
    order_is_known: bool
    best_is_known: bool
    gate: FailedGate | None
    capability: BucketCapability | None
    prices: PriceList

    @property
    def ends_at(self) -> datetime:
        """The end of the day that the facts describe."""
        return datetime.combine(self.day, time()) + timedelta(days=1)

    def age(self, moment: datetime) -> timedelta:
        """Return how long ago something was at the end of the day."""
        return self.ends_at - moment


Rule = Callable[[Artifact, _Situation], str | None]


def decide(
    runs: Iterable[Sequence[Artifact]], surroundings: Surroundings, policy: Policy, day: date
) -> Iterator[Decision]:
    """Yield one decision per checkpoint, each with the rule that made it, a run after the other."""
    for run in runs:
        yield from decide_run(run, surroundings, policy, day)


def decide_run(
    run: Sequence[Artifact], surroundings: Surroundings, policy: Policy, day: date
) -> tuple[Decision, ...]:
    """Return the decisions about all checkpoints of one run, by step."""
    situation = _situation(run, surroundings, policy, day)
    in_order = sorted(run, key=lambda artifact: (artifact.step or 0, artifact.checkpoint_id))
    return tuple(_decide(artifact, situation) for artifact in in_order)


def clear_alone(artifact: Artifact, surroundings: Surroundings, policy: Policy, day: date) -> Decision:
    """Return what becomes of something that is in no run, and that nothing keeps but its age."""
    return _clear(
        artifact,
        _Situation(
            policy=policy,
            day=day,
            has_complete=True,
            newest_at=artifact.last_modified_at,
            newest=frozenset(),
            floor=frozenset(),
            order_is_known=True,
            best_is_known=True,
            gate=None,
            capability=surroundings.capabilities.get(artifact.place),
            prices=surroundings.prices_of(artifact.scheme),
        ),
    )


def by_run(artifacts: Iterable[Artifact]) -> Iterator[tuple[Artifact, ...]]:
    """Yield checkpoints that come in the order of buckets and runs, a run at a time."""
    for _, members in groupby(artifacts, key=run_of):
        yield tuple(members)


def run_of(artifact: Artifact) -> tuple[str, str]:
    """Return what tells one run from another: its bucket and its name."""
    return artifact.place, artifact.run


def movable(artifact: Artifact, target_class: str) -> tuple[ClassShare, ...]:
    """Return what is hotter than a class and worth moving there; never what would get hotter."""
    return tuple(
        share
        for share in artifact.classes
        if HOTNESS.get(share.storage_class, len(HOTNESS)) < HOTNESS[target_class] and share.movable_count
    )


def _situation(run: Sequence[Artifact], surroundings: Surroundings, policy: Policy, day: date) -> _Situation:
    complete = [artifact for artifact in run if artifact.is_complete]
    ordered = _in_order([artifact for artifact in complete if artifact.kind == "intermediate"])
    by_time = sorted(ordered or (), key=lambda artifact: artifact.last_modified_at)
    first = run[0]
    return _Situation(
        policy=policy,
        day=day,
        has_complete=bool(complete),
        newest_at=max(artifact.last_modified_at for artifact in run),
        # A roll-back leaves an older step with a newer time: then both are candidates, and both stay.
        newest=_last(ordered, policy.keep.latest) | _last(by_time, policy.keep.latest),
        floor=_last(ordered, policy.keep.min_complete_per_run),
        order_is_known=ordered is not None,
        best_is_known=any(artifact.is_best for artifact in run),
        gate=failed_gate(first, surroundings),
        capability=surroundings.capabilities.get(first.place),
        prices=surroundings.prices_of(first.scheme),
    )


def _in_order(artifacts: Sequence[Artifact]) -> list[Artifact] | None:
    """Return them by step, or by epoch where all have one; None when their order is not known."""
    if all(artifact.step is not None for artifact in artifacts):
        return sorted(artifacts, key=lambda a: (a.step or 0, a.last_modified_at, a.checkpoint_id))
    if all(artifact.epoch is not None for artifact in artifacts):
        return sorted(artifacts, key=lambda a: (a.epoch or 0, a.last_modified_at, a.checkpoint_id))
    return None


def _last(artifacts: Sequence[Artifact] | None, count: int) -> frozenset[str]:
    return frozenset(artifact.checkpoint_id for artifact in (artifacts or ())[-count:] if count)


def _decide(artifact: Artifact, situation: _Situation) -> Decision:
    for name, rule in _RULES:
        reason = rule(artifact, situation)
        if reason is not None:
            return Keep(artifact, name, reason)
    return _clear(artifact, situation)


def _gate(_: Artifact, situation: _Situation) -> str | None:
    gate = situation.gate
    return f"the facts failed the check {gate.check_id}: {gate.reason}" if gate else None


def _match(artifact: Artifact, situation: _Situation) -> str | None:
    return not_matched(artifact, situation.policy)


def failed_gate(artifact: Artifact, surroundings: Surroundings) -> FailedGate | None:
    """Return the check that failed for its bucket, or for all."""
    return next((g for g in surroundings.failed_gates if g.bucket in ("", artifact.bucket)), None)


def not_matched(artifact: Artifact, policy: Policy) -> str | None:
    """Return why a policy is not about something, or None."""
    match = policy.match
    if match.buckets and artifact.place not in match.places:
        return f"the policy is not about {artifact.place}"
    key = artifact.uri.removeprefix(f"{artifact.place}/")
    if match.prefixes and not key.startswith(match.prefixes):
        return f"the policy is about {' and '.join(match.prefixes)} only"
    return None


def _doubt(artifact: Artifact, situation: _Situation) -> str | None:
    if artifact.doubt:
        return artifact.doubt
    if situation.capability is None:
        return "it is not known what the bucket enforces"
    if situation.capability.versioning == "suspended":
        return "the bucket's versioning is suspended: a change there can neither be undone nor saves for sure"
    return None


def _whole(artifact: Artifact, situation: _Situation) -> str | None:
    if not situation.has_complete:
        return f"its run has no complete checkpoint; this one ({artifact.state}) may be all there is"
    if not artifact.is_complete:
        because = f": {artifact.state_reason}" if artifact.state_reason else ""
        return f"only complete checkpoints are cleared; this one is {artifact.state}{because}"
    return None


def _protected(artifact: Artifact, _: _Situation) -> str | None:
    return f"protected: {artifact.protected_because or 'the facts say so'}" if artifact.is_protected else None


def _pinned(artifact: Artifact, situation: _Situation) -> str | None:
    pin = pin_in_force(artifact.pins, situation.day)
    return f"pinned by {pin}" if pin else None


def _kind(artifact: Artifact, _: _Situation) -> str | None:
    return (
        None if artifact.kind == "intermediate" else f"it is a {artifact.kind.replace('_', ' ')} checkpoint"
    )


def _order(_: Artifact, situation: _Situation) -> str | None:
    return None if situation.order_is_known else "the order of this run's checkpoints is not known"


def _latest(artifact: Artifact, situation: _Situation) -> str | None:
    if artifact.checkpoint_id in situation.newest:
        count = situation.policy.keep.latest
        newest = "the newest complete one" if count == 1 else f"one of the {count} newest complete ones"
        return f"{newest} of its run"
    return "the facts call it the latest of its run" if artifact.is_latest else None


def _best(artifact: Artifact, situation: _Situation) -> str | None:
    keep = situation.policy.keep
    if not keep.best:
        return None
    if artifact.is_best:
        return "the best checkpoint of its run"
    if not situation.best_is_known and keep.best_unknown == "keep":
        return "nothing says which checkpoint of this run is the best, so all complete ones stay"
    return None


def _every_n_steps(artifact: Artifact, situation: _Situation) -> str | None:
    every = situation.policy.keep.every_n_steps
    if every and artifact.step is not None and artifact.step % every == 0:
        return f"its step is a multiple of {every}"
    return None


def _floor(artifact: Artifact, situation: _Situation) -> str | None:
    if artifact.checkpoint_id in situation.floor:
        return f"a run keeps at least {situation.policy.keep.min_complete_per_run} complete checkpoints"
    return None


def _quiet(artifact: Artifact, situation: _Situation) -> str | None:
    quiet = situation.policy.quiet_for
    if situation.age(artifact.last_modified_at) < quiet:
        return f"it changed within {format_duration(quiet)}"
    if situation.age(situation.newest_at) < quiet:
        return f"its run changed within {format_duration(quiet)}"
    return None


_RULES: tuple[tuple[str, Rule], ...] = (
    ("gate", _gate),
    ("match", _match),
    ("doubt", _doubt),
    ("complete", _whole),
    ("protected", _protected),
    ("pinned", _pinned),
    ("kind", _kind),
    ("order", _order),
    ("latest", _latest),
    ("best", _best),
    ("every_n_steps", _every_n_steps),
    ("floor", _floor),
    ("quiet", _quiet),
)


def _clear(artifact: Artifact, situation: _Situation) -> Decision:
    """Delete what is due and may be deleted, else archive what is due, else say what stands in the way."""
    policy, days = situation.policy, situation.age(artifact.last_modified_at).days
    kept: list[tuple[str, str]] = []
    if policy.delete and situation.age(artifact.last_modified_at) >= policy.delete.after:
        way, obstacle = _way_to_delete(policy.delete.irreversible, situation.capability)
        if way:
            due = format_duration(policy.delete.after)
            return Delete(artifact, "delete", f"{days} days since it changed, and {due} is the limit", way)
        kept.append(("delete", obstacle))
    if policy.archive:
        found = _archive(artifact, policy.archive, situation)
        if isinstance(found, Archive):
            return found
        if found:
            kept.append(("archive", found))
    if kept:
        return Keep(artifact, kept[0][0], "; ".join(obstacle for _, obstacle in kept))
    return Keep(artifact, "age", f"{days} days since it changed: too young to be cleared")


def _archive(artifact: Artifact, archive: ArchiveRule, situation: _Situation) -> Archive | str:
    """Return the move if it is due; else what stands in its way, or nothing where it is only too young."""
    if archive.to not in CLASSES[artifact.scheme]:
        return f"{archive.to} is no class of {artifact.scheme}:// buckets"
    age_due, obstacle = _archive_after(artifact, archive, situation)
    if age_due is None or situation.age(artifact.last_modified_at) < age_due:
        return obstacle
    path, no_way = _way_to_archive(artifact, archive.to, situation)
    if obstacle or no_way:
        return obstacle or no_way
    days = situation.age(artifact.last_modified_at).days
    reason = f"{days} days since it changed, and {_limit(archive, age_due)}"
    return Archive(artifact, "archive", reason, archive.to, path)


def _archive_after(
    artifact: Artifact, archive: ArchiveRule, situation: _Situation
) -> tuple[timedelta | None, str]:
    """Return the age to archive at, or why there is none; never less than what the policy calls quiet."""
    if archive.after != BREAK_EVEN:
        return archive.after, ""
    shares, policy = movable(artifact, archive.to), situation.policy
    if not shares:
        return policy.quiet_for, ""
    found = break_even(shares, archive.to, situation.prices)
    if found.after is None:
        return None, found.obstacle
    if policy.delete and _way_to_delete(policy.delete.irreversible, situation.capability)[0]:
        left = policy.delete.after - situation.age(artifact.last_modified_at)
        if outlived(shares, archive.to, situation.prices, left, policy.delete.after):
            return None, f"it is deleted in {max(left.days, 0)} days: moving it before would cost more"
    return max(found.after, policy.quiet_for), ""


def _limit(archive: ArchiveRule, due: timedelta) -> str:
    if archive.after == BREAK_EVEN:
        return f"from {format_duration(due)} on waiting has cost more than the move will"
    return f"{format_duration(due)} is the limit"


def _way_to_delete(irreversible: bool, capability: BucketCapability | None) -> tuple[Path | None, str]:  # noqa: FBT001  (a value of the policy)
    if capability is None:
        return None, "it is not known what the bucket enforces"
    way = _way_back(capability)
    if way:
        return way, ""
    if not irreversible:
        return None, "deleting here would be for good, and the policy does not say 'irreversible: true'"
    if not capability.delete:
        condition = "If-Match" if capability.scheme == "s3" else "generations"
        return None, f"deleting is not safe here: the endpoint does not enforce {condition} on deletes"
    return "delete-batch-if-match" if _takes_batches(capability) else "delete-if-match", ""


def _way_back(capability: BucketCapability) -> Path | None:
    """Return how a delete leaves the bytes behind, where the bucket does."""
    if capability.scheme == "gs":
        return "soft-delete" if capability.versioning == "on" or capability.soft_delete_days else None
    return "delete-marker" if capability.versioning == "on" else None


def _takes_batches(capability: BucketCapability) -> bool:
    return capability.scheme == "s3" and capability.delete_batch


def _way_to_archive(
    artifact: Artifact, to: str, situation: _Situation
) -> tuple[Literal["", "tag-and-rule"], str]:
    """Return how it moves, or what stands in the way: by copies, else by a tag and a rule of the bucket."""
    shares, capability = movable(artifact, to), situation.capability
    if not shares:
        return "", f"nothing in it is hotter than {to} and large enough to be worth moving"
    if capability is None:
        return "", "it is not known what the bucket enforces"
    no_copy = _useless_copy(capability) or _unsafe_copy(shares, capability)
    if not no_copy or capability.scheme != "s3":
        return "", no_copy
    no_rule = unmoved_by_rule(
        [share.storage_class for share in shares],
        to,
        situation.age(artifact.last_modified_at),
        capability,
    )
    return ("", f"{no_copy}; {no_rule}") if no_rule else ("tag-and-rule", "")


def _useless_copy(capability: BucketCapability) -> str:
    if capability.autoclass:
        return "the bucket moves objects between classes by itself (Autoclass)"
    if capability.versioning == "on":
        return "the bucket keeps versions: a copy in a colder class adds one and saves nothing"
    return ""


def _unsafe_copy(shares: Iterable[ClassShare], capability: BucketCapability) -> str:
    if not capability.can_copy:
        return "copying in place is not safe here: the endpoint does not enforce conditions on copies"
    is_large = capability.scheme == "s3" and _largest(shares) > LARGEST_COPY_BYTES
    if is_large and not capability.copy_in_parts:
        return "it holds objects above 5 GiB, and the endpoint does not enforce conditions on copies in parts"
    return ""


def _largest(shares: Iterable[ClassShare]) -> int:
    return max((share.largest_bytes for share in shares), default=0)
