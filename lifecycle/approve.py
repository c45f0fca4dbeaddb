"""Who said yes, to which fingerprint, until when."""

from datetime import datetime

import simplejson
from pydantic import TypeAdapter, ValidationError

from lifecycle.errors import PlanRefused
from lifecycle.model import Approval, Plan
from lifecycle.plan_directory import PlanDirectory
from pipelines.domain.text import to_json
from pipelines.errors import Terminal

_APPROVAL = TypeAdapter(Approval)


def approve(directory: PlanDirectory, by: str, reason: str, now: datetime) -> Approval:
    """Write an approval of the plan as it is, valid as long as the plan.

    Raises:
        Terminal: nobody's name is given.
        PlanRefused: the plan was edited, has expired, or was used up.
    """
    if not by.strip():
        raise Terminal(
            "an approval needs the name of who gives it", where="--by", fix="Say --by 'Ada Lovelace'."
        )
    plan = directory.read_plan()
    refuse_over(directory, plan, now)
    approval = Approval(by.strip(), reason.strip(), now, plan.fingerprint, plan.expires_at)
    number = len(list((directory.path / "approvals").glob("*.json"))) + 1
    directory.write(f"approvals/{number:04d}.json", to_json(approval))
    return approval


def approvals(directory: PlanDirectory) -> list[Approval]:
    """Return the approvals beside a plan, oldest first; an unreadable one counts for nothing."""
    found = []
    for path in sorted((directory.path / "approvals").glob("*.json")):
        try:
            found.append(_APPROVAL.validate_python(simplejson.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, ValidationError):
            continue
    return found


def require_approval(directory: PlanDirectory, plan: Plan, now: datetime) -> Approval:
    """Return the approval that covers this very plan now.

    Raises:
        PlanRefused: there is none.
    """
    for approval in approvals(directory):
        if approval.fingerprint == plan.fingerprint and now < approval.expires_at and approval.by.strip():
            return approval
    raise PlanRefused(
        "nobody approved this plan",
        where=str(directory),
        fix=f"Read it with 'moraine-lifecycle show {plan.id}', then "
        f"'moraine-lifecycle approve {plan.id} --by NAME --reason TEXT'.",
    )


def refuse_over(directory: PlanDirectory, plan: Plan, now: datetime) -> None:
    """Refuse a plan whose time has passed or whose work is done.

    Raises:
        PlanRefused: it has expired or was used up.
    """
    if directory.is_finished:
        raise PlanRefused(
            "the plan was applied already: it is used up",
            where=str(directory),
            fix=f"See what came of it with 'moraine-lifecycle verify {plan.id}'; plan again for more.",
        )
    if now >= plan.expires_at:
        raise PlanRefused(
            f"the plan expired at {plan.expires_at:%Y-%m-%d %H:%M} UTC",
            where=str(directory),
            fix="Make a new plan from today's facts and have that approved.",
        )
