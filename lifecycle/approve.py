"""Who said yes, to which fingerprint, until when; and whether that is enough.

From what a policy says under `approval` on, two different people have to. Names are what people say of
themselves: whoever can write beside a plan could write two. The audit log shows what was written, and when.
"""

import unicodedata
from datetime import datetime, timedelta
from pathlib import Path

import simplejson
from pydantic import TypeAdapter, ValidationError

from lifecycle.errors import PlanRefused
from lifecycle.model import Approval, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.plan.limits import two_people_because
from pipelines.domain.text import to_json
from pipelines.errors import Terminal

_APPROVAL = TypeAdapter(Approval)


def approve(
    directory: PlanDirectory, by: str, reason: str, now: datetime, lasting: timedelta | None = None
) -> tuple[Approval, Path]:
    """Write an approval of the plan as it is, valid as long as the plan, or shorter; return it and its file.

    Raises:
        Terminal: nobody's name is given, or no time.
        PlanRefused: the plan was edited, has expired, or was used up.
    """
    if not person(by):
        raise Terminal(
            "an approval needs the name of who gives it", where="--by", fix="Say --by 'Ada Lovelace'."
        )
    if lasting is not None and not lasting:
        raise Terminal("an approval for no time is none", where="--for", fix="Say --for 4h, or leave it out.")
    plan = directory.read_plan()
    refuse_over(directory, plan, now)
    until = plan.expires_at if lasting is None else min(plan.expires_at, now + lasting)
    approval = Approval(by.strip(), reason.strip(), now, plan.fingerprint, until)
    return approval, directory.add("approvals", to_json(approval))


def approvals(directory: PlanDirectory) -> list[Approval]:
    """Return the approvals beside a plan, oldest first; an unreadable one counts for nothing."""
    found = []
    for path in sorted((directory.path / "approvals").glob("*.json")):
        try:
            found.append(_APPROVAL.validate_python(simplejson.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, ValidationError):
            continue
    return found


def approvals_in_force(directory: PlanDirectory, plan: Plan, now: datetime) -> tuple[Approval, ...]:
    """Return the approvals that cover this very plan now, one of each person."""
    by_person = {
        person(approval.by): approval
        for approval in approvals(directory)
        if approval.fingerprint == plan.fingerprint and now < approval.expires_at and person(approval.by)
    }
    return tuple(by_person.values())


def person(name: str) -> str:
    """Return a name without what does not tell people apart: case, spaces, characters nobody sees."""
    seen = "".join(
        sign if not unicodedata.category(sign).startswith("C") else " "
        for sign in unicodedata.normalize("NFKC", name)
        if unicodedata.category(sign) != "Cf"
    )
    return " ".join(seen.casefold().split())


def needs_two(plan: Plan) -> str:
    """Return why two people have to approve a plan; empty where one is enough."""
    return two_people_because(plan.totals, plan.policy)


def require_approval(directory: PlanDirectory, plan: Plan, now: datetime) -> tuple[Approval, ...]:
    """Return the approvals that cover this very plan now.

    Raises:
        PlanRefused: there is none, or one where two people are needed.
    """
    found, why_two = approvals_in_force(directory, plan, now), needs_two(plan)
    if not found:
        two = f"; two people have to, as it changes {why_two}" if why_two else ""
        raise PlanRefused(
            f"nobody approved this plan{two}",
            where=str(directory),
            fix=f"Read it with 'moraine-lifecycle show {plan.id}', then "
            f"'moraine-lifecycle approve {plan.id} --by NAME --reason TEXT'.",
        )
    if why_two and len(found) == 1:
        raise _one_is_not_enough(directory, plan, found[0], why_two)
    return found


def refuse_same_person(directory: PlanDirectory, plan: Plan, by: str, now: datetime) -> None:
    """Refuse a second yes of somebody whose first one is in force.

    Raises:
        PlanRefused: it would count for nothing.
    """
    for approval in approvals_in_force(directory, plan, now):
        if person(approval.by) == person(by):
            raise _one_is_not_enough(directory, plan, approval, needs_two(plan))


def _one_is_not_enough(directory: PlanDirectory, plan: Plan, first: Approval, why_two: str) -> PlanRefused:
    return PlanRefused(
        f"a second person has to approve: the plan changes {why_two}, and {first.by} alone said yes",
        where=str(directory),
        fix=f"Somebody else reads it and says: moraine-lifecycle approve {plan.id} --by NAME --reason TEXT.",
    )


def refuse_over(directory: PlanDirectory, plan: Plan, now: datetime) -> None:
    """Refuse a plan whose time has passed or whose work is done.

    Raises:
        PlanRefused: it has expired, was used up, or was undone.
    """
    if directory.is_undone:
        raise PlanRefused(
            "the plan was undone: it is used up",
            where=str(directory),
            fix="Make a new plan from today's facts and have that approved.",
        )
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
