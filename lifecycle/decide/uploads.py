"""What nobody sees and everybody pays for: uploads that were never completed. Which of them go, and why.

Pure, like `decide`. An upload is in no run and no trainer reads it; what protects it is that somebody may be
sending parts still. So its age counts from its beginning; an old listing and a failed check protect.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from lifecycle.decide.checkpoints import failed_gate, not_matched
from lifecycle.model import Artifact, Decision, Delete, Keep, Surroundings
from lifecycle.policy import Policy
from pipelines.domain.durations import format_duration


@dataclass(frozen=True, slots=True)
class _Situation:
    policy: Policy
    around: Surroundings
    ends_at: datetime
    """The end of the day that the facts describe."""


def decide_uploads(
    uploads: Iterable[Artifact], around: Surroundings, policy: Policy, day: date
) -> Iterator[Decision]:
    """Yield one decision per upload, in the order in which they come."""
    situation = _Situation(policy, around, datetime.combine(day, time()) + timedelta(days=1))
    return (_decide(upload, situation) for upload in uploads)


def _decide(upload: Artifact, situation: _Situation) -> Decision:
    for name, rule in _RULES:
        reason = rule(upload, situation)
        if reason:
            return Keep(upload, name, reason)
    days = (situation.ends_at - upload.last_modified_at).days
    reason = f"{days} days since it was begun, and {format_duration(_due(situation.policy))} is the limit"
    return Delete(upload, "delete", reason, "abort-upload")


def _gate(upload: Artifact, situation: _Situation) -> str:
    gate = failed_gate(upload, situation.around)
    return f"the facts failed the check {gate.check_id}: {gate.reason}" if gate else ""


def _match(upload: Artifact, situation: _Situation) -> str:
    return not_matched(upload, situation.policy) or ""


def _doubt(upload: Artifact, situation: _Situation) -> str:
    if upload.doubt:
        return upload.doubt
    known = situation.around.capabilities.get(upload.place)
    return "" if known else "it is not known what the bucket enforces"


def _word(_: Artifact, situation: _Situation) -> str:
    delete = situation.policy.delete
    if delete and delete.irreversible:
        return ""
    return "ending an upload is for good, and the policy does not say 'irreversible: true'"


def _age(upload: Artifact, situation: _Situation) -> str:
    age = situation.ends_at - upload.last_modified_at
    return (
        "" if age >= _due(situation.policy) else f"it was begun {max(age.days, 0)} days ago: parts may come"
    )


def _due(policy: Policy) -> timedelta:
    return max(policy.delete.after, policy.quiet_for) if policy.delete else timedelta.max


_RULES: tuple[tuple[str, Callable[[Artifact, _Situation], str]], ...] = (
    ("gate", _gate),
    ("match", _match),
    ("doubt", _doubt),
    ("delete", _word),
    ("age", _age),
)
