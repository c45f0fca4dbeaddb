"""Who said yes, to which fingerprint, until when; and whether that is enough.

From what a policy says under `approval` on, two different people have to. Names are what people say of
themselves; the audit log is the witness of what they said. A file that no line of it speaks of was put there
by somebody, or is older than the log, or was edited: it counts for nothing.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lifecycle.errors import PlanRefused
from lifecycle.model import Approval, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.plan.limits import two_people_because
from lifecycle.records.audit import AuditLog, Witness
from pipelines.domain.text import to_json, visible
from pipelines.errors import Terminal

_APPROVAL = TypeAdapter(Approval)
_MOVE_LOG = "See 'moraine-lifecycle audit'. Move the log to a safe place: a new one is begun."


@dataclass(frozen=True, slots=True)
class Yes:
    """What somebody says."""

    by: str
    reason: str = ""
    lasting: timedelta | None = None
    """For how long; never longer than the plan."""


def approve(directory: PlanDirectory, plan: Plan, yes: Yes, now: datetime) -> tuple[Approval, Path]:
    """Write an approval of a plan that was just read, and return it and its file.

    Raises:
        Terminal: nobody's name is given, or no time.
        PlanRefused: the plan has expired, or was used up.
    """
    if not person(yes.by):
        raise Terminal(
            "an approval needs the name of who gives it", where="--by", fix="Say --by 'Ada Lovelace'."
        )
    if yes.lasting is not None and not yes.lasting:
        raise Terminal("an approval for no time is none", where="--for", fix="Say --for 4h, or leave it out.")
    refuse_over(directory, plan, now)
    until = plan.expires_at if yes.lasting is None else min(plan.expires_at, now + yes.lasting)
    approval = Approval(yes.by.strip(), yes.reason.strip(), now, plan.fingerprint, until)
    return approval, directory.add("approvals", to_json(approval))


@dataclass(frozen=True, slots=True)
class Given:
    """The approvals that lie beside a plan, cover it and are in force: those that count, and the others."""

    counting: tuple[Approval, ...]
    """One of each person; the log speaks of each."""
    unwitnessed: tuple[Approval, ...]
    """No whole line of the log speaks of these, as they are."""
    witness: Witness


def approvals_given(directory: PlanDirectory, plan: Plan, now: datetime) -> Given:
    """Return the approvals that cover this very plan now; an unreadable file is none."""
    witness = AuditLog(directory.path.parent).witness("approved")
    seen: list[Approval] = []
    unseen: list[Approval] = []
    for path in sorted((directory.path / "approvals").glob("*.json")):
        content = path.read_bytes()
        approval = _read(content)
        if approval and _covers(approval, plan, now):
            (seen if witness.saw(directory.path, path, content) else unseen).append(approval)
    return Given(_one_each(seen), _one_each(unseen), witness)


def approvals_in_force(directory: PlanDirectory, plan: Plan, now: datetime) -> tuple[Approval, ...]:
    """Return the approvals that cover this very plan now and that the log speaks of, one of each person."""
    return approvals_given(directory, plan, now).counting


def _read(content: bytes) -> Approval | None:
    try:
        return _APPROVAL.validate_json(content)
    except ValidationError:
        return None


def _covers(approval: Approval, plan: Plan, now: datetime) -> bool:
    is_of_this = approval.fingerprint == plan.fingerprint
    return is_of_this and now < approval.expires_at and bool(person(approval.by))


def _one_each(found: Iterable[Approval]) -> tuple[Approval, ...]:
    return tuple({person(approval.by): approval for approval in found}.values())


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
    given, why_two = approvals_given(directory, plan, now), needs_two(plan)
    found = given.counting
    if given.unwitnessed and len(found) < (2 if why_two else 1):
        raise _without_witness(directory, plan, given)
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


def refuse_broken_log(directory: PlanDirectory) -> None:
    """Refuse an approval that would count for nothing, as the log that has to speak of it is broken.

    Raises:
        Terminal: it is.
    """
    log = AuditLog(directory.path.parent)
    log.refuse_damaged()
    if broken := log.witness("approved").broken:
        raise Terminal(
            f"the audit log is broken at line {broken.line}, so it is no witness: {broken.what}",
            where=str(log.path),
            fix=_MOVE_LOG,
        )


def _without_witness(directory: PlanDirectory, plan: Plan, given: Given) -> PlanRefused:
    by = ", ".join(visible(approval.by) for approval in given.unwitnessed)
    again = f"moraine-lifecycle approve {plan.id} --by NAME --reason TEXT"
    broken = given.witness.broken
    return PlanRefused(
        f"the audit log knows of no approval by {by}, as it lies beside the plan: it counts for nothing",
        where=str(directory.path / "approvals"),
        fix=f"{_MOVE_LOG} Then approve again: {again}." if broken else f"Approve again: {again}.",
    )


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
