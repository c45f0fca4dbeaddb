"""Overwritten versions, and delete markers that hide nothing: which of a folder's go, and why others stay.

Pure, like the decisions about checkpoints. Which single versions are due was counted with the facts, by the
same words of SQL that name them in the plan. Here it is decided whether anything of a folder goes at all.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lifecycle.decide.checkpoints import failed_gate
from lifecycle.model import Artifact, BucketCapability, Decision, Delete, Keep, Surroundings
from lifecycle.policy import Policy
from pipelines.domain.durations import format_duration


@dataclass(frozen=True, slots=True)
class Staying:
    """How many versions of a folder stay, by what keeps them; the first that speaks counts."""

    protected: int = 0
    """They lie in a checkpoint that is protected."""
    held: int = 0
    newest: int = 0
    """As many of each key stay."""
    undated: int = 0
    """Nobody says since when they are noncurrent."""
    young: int = 0


@dataclass(frozen=True, slots=True)
class VersionSet:
    """The noncurrent versions of one folder that are due; where none is, all of them."""

    artifact: Artifact
    is_due: bool
    staying: Staying


@dataclass(frozen=True, slots=True)
class _Situation:
    policy: Policy
    around: Surroundings


def decide_versions(
    folders: Iterable[VersionSet], around: Surroundings, policy: Policy
) -> Iterator[Decision]:
    """Yield one decision per folder, in the order in which they come."""
    situation = _Situation(policy, around)
    return (_decide(folder, situation) for folder in folders)


def _decide(folder: VersionSet, situation: _Situation) -> Decision:
    artifact, policy = folder.artifact, situation.policy
    for name, rule in _RULES:
        reason = rule(artifact, situation)
        if reason:
            return Keep(artifact, name, reason)
    stays = tuple(_stays(folder.staying, policy))
    if not folder.is_due:
        name, reason = stays[0] if stays else ("age", "nothing of it is due")
        return Keep(artifact, name, reason)
    why = "; ".join((_because(artifact.object_count, policy), *(reason for _, reason in stays)))
    return Delete(artifact, "delete", why, "delete-version")


def _because(count: int, policy: Policy) -> str:
    due = format_duration(policy.age_to_delete)
    if policy.match.kind == "delete_marker":
        return f"{_counted(count, 'marker')} older than {due}, with nothing behind"
    return f"{_counted(count, 'version')} replaced more than {due} ago"


def _stays(staying: Staying, policy: Policy) -> Iterator[tuple[str, str]]:
    newest = policy.keep.versions
    whose = f"among the {newest} newest noncurrent" if newest != 1 else "the newest noncurrent"
    counts = (
        ("protected", staying.protected, "in a protected checkpoint"),
        ("locked", staying.held, "locked or on hold"),
        ("versions", staying.newest, f"{whose} of its key"),
        ("doubt", staying.undated, "replaced nobody says when"),
        ("age", staying.young, "too young"),
    )
    return ((name, f"{count:,} stay: {reason}") for name, count, reason in counts if count)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _gate(artifact: Artifact, situation: _Situation) -> str:
    gate = failed_gate(artifact, situation.around)
    return f"the facts failed the check {gate.check_id}: {gate.reason}" if gate else ""


def _doubt(artifact: Artifact, situation: _Situation) -> str:
    known = situation.around.capabilities.get(artifact.place)
    if known is None:
        return artifact.doubt or "it is not known what the bucket enforces"
    return artifact.doubt or _unversioned(known)


def _unversioned(known: BucketCapability) -> str:
    if known.versioning == "suspended":
        return "the bucket's versioning is suspended: what is listed as a version may be overwritten in place"
    if known.versioning == "on":
        return ""
    if known.scheme == "s3":
        return "the bucket keeps no versions, and its listing names some"
    return "these may be soft-deleted: the bucket lets them go by itself" if known.soft_delete_days else ""


def _protected(artifact: Artifact, _: _Situation) -> str:
    return f"somebody needs something there: {artifact.protected_because}" if artifact.is_protected else ""


def _word(_: Artifact, situation: _Situation) -> str:
    delete = situation.policy.delete
    if delete and delete.irreversible:
        return ""
    return "deleting a version is for good, and the policy does not say 'irreversible: true'"


_RULES: tuple[tuple[str, Callable[[Artifact, _Situation], str]], ...] = (
    ("gate", _gate),
    ("doubt", _doubt),
    ("protected", _protected),
    ("delete", _word),
)
