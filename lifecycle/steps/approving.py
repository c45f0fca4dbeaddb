"""The steps in which people say yes."""

from datetime import timedelta

from lifecycle import approve as approving
from lifecycle.model import (
    Approval,
)
from lifecycle.steps.run import Run, audit_of, directory_of


def approve(
    run: Run,
    plan: str,
    by: str,
    reason: str = "",
    *,
    lasting: timedelta | None = None,
    is_second: bool = False,
) -> Approval:
    """Bind somebody's yes to a plan's fingerprint, until the plan expires or for a shorter time.

    With `is_second`, whoever said yes already is refused.

    Raises:
        PlanRefused: the plan was edited, has expired, or was used up; or it is not a second person.
        Terminal: nobody's name is given; or the audit log is broken, and would be no witness.
    """
    directory = directory_of(run, plan)
    whole = directory.read_plan()
    approving.refuse_broken_log(directory)
    if is_second:
        approving.refuse_same_person(directory, whole, by, run.now)
    approval, path = approving.approve(directory, whole, approving.Yes(by, reason, lasting), run.now)
    audit_of(directory).append("approved", whole.id, path, run.clock(), approval.by)
    return approval


def second_needed(run: Run, plan: str) -> str:
    """Return why one more person has to approve a plan; empty when nobody has to.

    Raises:
        PlanRefused: `plan.json` was edited.
    """
    directory = directory_of(run, plan)
    whole = directory.read_document()
    given = approving.approvals_in_force(directory, whole, run.now)
    return approving.needs_two(whole) if len(given) == 1 else ""
