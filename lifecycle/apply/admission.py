"""May this plan be applied, now, here? Everything that can be asked before the first change."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from lifecycle.approve import refuse_over, require_approval
from lifecycle.errors import NotEnforced, PlanRefused
from lifecycle.model import BucketCapability, FailedGate, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.policy import Policy
from pipelines.domain.durations import format_duration
from pipelines.domain.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Present:
    """How things are now."""

    now: datetime
    snapshot: Snapshot
    """The one in force."""
    code_version: str
    failed_gates: tuple[FailedGate, ...]


def admit(directory: PlanDirectory, present: Present, chunk: str | None = None) -> Plan:
    """Return the plan if it, or one chunk of it, may be applied as things are now.

    Raises:
        PlanRefused: it is edited, used up, expired, unapproved, stale or foreign.
    """
    plan = directory.read_plan(chunk)
    refuse_over(directory, plan, present.now)
    directory.refuse_handed_over()
    require_approval(directory, plan, present.now)
    if plan.snapshot_id != present.snapshot.snapshot_id:
        raise _stale(
            f"the plan is stale: it was made from snapshot {plan.snapshot_id}, "
            f"and {present.snapshot.snapshot_id} is in force",
            directory,
        )
    if plan.code_version != present.code_version:
        raise _stale(
            f"the plan is foreign: version {plan.code_version} made it, and this is {present.code_version}",
            directory,
        )
    refuse_old_facts(present.snapshot, plan.policy, present.now)
    _refuse_failed_gates(plan, present.failed_gates)
    return plan


def refuse_old_facts(snapshot: Snapshot, policy: Policy, now: datetime) -> None:
    """Refuse facts that are older than the policy allows, or from a day that is not over yet by far.

    Raises:
        PlanRefused: with both ages.
    """
    age = now - (datetime.combine(snapshot.as_of, time()) + timedelta(days=1))
    if age > policy.max_facts_age:
        raise PlanRefused(
            f"the facts are too old: they describe {snapshot.as_of}, and the policy allows "
            f"{format_duration(policy.max_facts_age)}",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Publish a newer day with 'moraine run', then plan again.",
        )


def refuse_unenforced(paths: Collection[str], planned: BucketCapability, measured: BucketCapability) -> None:
    """Refuse to act where the bucket no longer enforces what these paths rely on.

    Raises:
        NotEnforced: naming the condition.
    """
    relied_on = {
        "versioning as planned": measured.versioning == planned.versioning,
        "conditions on copies (x-amz-copy-source-if-match, If-Match)": measured.can_copy
        or not {"copy-in-place", "copy-in-parts"}.intersection(paths),
        "conditions on copies in parts": measured.copy_in_parts or "copy-in-parts" not in paths,
        "If-Match on deletes": measured.delete or "delete-if-match" not in paths,
        "If-Match on deletes in batches": measured.delete_batch or "delete-batch-if-match" not in paths,
        "tags beside tags, and rules that can be read": measured.takes_tags or "tag-and-rule" not in paths,
    }
    missing = [what for what, is_enforced in relied_on.items() if not is_enforced]
    if missing:
        raise NotEnforced(
            f"the bucket does not keep to {' nor '.join(missing)}: "
            "a change there could hit an object that is not what was planned",
            where=f"s3://{measured.bucket}",
            fix="Nothing was changed. See 'moraine-lifecycle canary' for this bucket, and plan again.",
        )


def _stale(what: str, directory: PlanDirectory) -> PlanRefused:
    return PlanRefused(what, where=str(directory), fix="Make a new plan and have that approved.")


def _refuse_failed_gates(plan: Plan, failed: Iterable[FailedGate]) -> None:
    buckets = {place.partition("://")[2] for place in plan.changed_bytes}
    for gate in failed:
        if not gate.bucket or gate.bucket in buckets:
            raise PlanRefused(
                f"the facts failed the check {gate.check_id}: {gate.reason}",
                where=f"snapshot {plan.snapshot_id}",
                fix="Mend what the check names, publish again and make a new plan.",
            )
