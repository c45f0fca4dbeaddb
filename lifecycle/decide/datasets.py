"""Datasets: prefixes outside of all runs. Which of them move, which go, and why.

Pure, like the decisions about checkpoints. Nobody knows who reads which object, but a bill that shows no
read of a bucket shows that nothing in it was read. One that shows a read keeps everything: of what, it does
not say.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from lifecycle.decide.checkpoints import clear_alone, failed_gate, not_matched
from lifecycle.model import Archive, Artifact, Decision, Keep, Surroundings
from lifecycle.policy import BREAK_EVEN, Policy
from pipelines.domain.durations import format_duration

_NEWEST_BILL = timedelta(days=4)
"""Bills lag behind by a day or two; of what happened since an older one nobody knows."""
MOST_OBJECTS = 500_000
"""One worker sees a dataset through, so that it is looked at as a whole before anything of it changes."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What a bill shows of reads of a whole bucket."""

    billed_from: date | None = None
    billed_to: date | None = None
    last_read_on: date | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A prefix outside of all runs."""

    artifact: Artifact
    store_sign: str
    """What tells that a table or array format calls it its own; else empty."""
    reads: Reads


@dataclass(frozen=True, slots=True)
class _Situation:
    policy: Policy
    around: Surroundings
    day: date

    def age(self, moment: datetime) -> timedelta:
        return datetime.combine(self.day, time()) + timedelta(days=1) - moment


def decide_datasets(
    datasets: Iterable[Dataset], around: Surroundings, policy: Policy, day: date
) -> Iterator[Decision]:
    """Yield one decision per dataset, in the order in which they come."""
    situation = _Situation(policy, around, day)
    return (_decide(dataset, situation) for dataset in datasets)


def _decide(dataset: Dataset, situation: _Situation) -> Decision:
    for name, rule in _RULES:
        reason = rule(dataset, situation)
        if reason:
            return Keep(dataset.artifact, name, reason)
    policy, read, unread = situation.policy, "", ""
    if policy.archive and policy.archive.since == "last-read":
        read, unread = _read(dataset, situation)
    if read:
        policy = policy.model_copy(update={"archive": None})
    if dataset.store_sign:
        policy = policy.model_copy(update={"delete": None})
    found = clear_alone(dataset.artifact, situation.around, policy, situation.day)
    if read and isinstance(found, Keep):
        return Keep(dataset.artifact, "read", read)
    return (
        replace(found, reason=f"{found.reason}; {unread}") if unread and isinstance(found, Archive) else found
    )


def _gate(dataset: Dataset, situation: _Situation) -> str:
    gate = failed_gate(dataset.artifact, situation.around)
    return f"the facts failed the check {gate.check_id}: {gate.reason}" if gate else ""


def _match(dataset: Dataset, situation: _Situation) -> str:
    return not_matched(dataset.artifact, situation.policy) or ""


def _doubt(dataset: Dataset, situation: _Situation) -> str:
    artifact = dataset.artifact
    known = situation.around.capabilities.get(artifact.place)
    if artifact.doubt or known is None:
        return artifact.doubt or "it is not known what the bucket enforces"
    if known.versioning == "suspended":
        return "the bucket's versioning is suspended: a change there can neither be undone nor saves for sure"
    return ""


def _protected(dataset: Dataset, _: _Situation) -> str:
    artifact = dataset.artifact
    return f"somebody needs something there: {artifact.protected_because}" if artifact.is_protected else ""


def _table(dataset: Dataset, situation: _Situation) -> str:
    if not dataset.store_sign or (situation.policy.keep.tables == "archive" and situation.policy.archive):
        return ""
    looks = f"it looks like the store of a table or array ({dataset.store_sign})"
    return f"{looks}: only its own engine knows what may go"


def _size(dataset: Dataset, _: _Situation) -> str:
    count = dataset.artifact.object_count
    return (
        f"{count:,} objects are more than one task sees through: let a lifecycle rule of the bucket move them"
        if count > MOST_OBJECTS
        else ""
    )


def _quiet(dataset: Dataset, situation: _Situation) -> str:
    quiet = situation.policy.quiet_for
    is_young = situation.age(dataset.artifact.last_modified_at) < quiet
    return f"it changed within {format_duration(quiet)}" if is_young else ""


def _read(dataset: Dataset, situation: _Situation) -> tuple[str, str]:
    """Return why it may have been read lately, or else since when it surely was not."""
    reads, archive = dataset.reads, situation.policy.archive
    if archive is None or archive.after == BREAK_EVEN or reads.billed_from is None or reads.billed_to is None:
        return "no bill says whether anybody reads its bucket", ""
    if situation.age(datetime.combine(reads.billed_to, time())) > _NEWEST_BILL:
        return f"the bill of its bucket ends on {reads.billed_to}: of reads since then nothing is known", ""
    unread_from = reads.last_read_on + timedelta(days=1) if reads.last_read_on else reads.billed_from
    if situation.age(datetime.combine(unread_from, time())) >= archive.after:
        return "", f"no read of its bucket is billed since {unread_from}"
    if reads.last_read_on:
        return f"somebody read from its bucket on {reads.last_read_on}; which prefix is not known", ""
    return f"no read of its bucket is billed, but bills begin on {reads.billed_from} only", ""


_RULES: tuple[tuple[str, Callable[[Dataset, _Situation], str]], ...] = (
    ("gate", _gate),
    ("match", _match),
    ("doubt", _doubt),
    ("protected", _protected),
    ("table", _table),
    ("quiet", _quiet),
    ("size", _size),
)
