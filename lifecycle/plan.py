"""Decisions → a plan: ordered lines, chunks, totals, fingerprint. Pure, and the same to the byte every time.

The fingerprint binds every word and every file of a plan: the snapshot, the policy, the price date, the code,
each decision and each action.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import simplejson
from pydantic import TypeAdapter, ValidationError

from lifecycle.errors import PlanRefused
from lifecycle.limits import refuse_above_limits
from lifecycle.model import (
    Archive,
    Decision,
    Delete,
    Facts,
    Keep,
    Line,
    Plan,
    PlanFile,
    Total,
    Totals,
)
from lifecycle.policy import Policy, policy_hash
from lifecycle.savings import archived, deleted
from pipelines.domain.text import to_json

ACTIONS_PER_CHUNK = 1000
"""Whole checkpoints fill a chunk up to about here: some minutes of work, and one task of a scheduler."""
_GIB = Decimal(1024**3)
_MICRO_DOLLAR = Decimal("0.000001")
_DAYS_PER_MONTH = 30
_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class Terms:
    """Where and when a plan is made."""

    created_at: datetime
    code_version: str
    actions_per_chunk: int = ACTIONS_PER_CHUNK


def make_plan(facts: Facts, decisions: Sequence[Decision], policy: Policy, terms: Terms) -> Plan:
    """Return the plan of these decisions, not sealed yet: its action files are still to be written.

    Raises:
        LimitPassed: it would change more than the policy allows.
    """
    lines = _ordered([_line(decision, facts) for decision in decisions])
    totals = _totals(lines)
    refuse_above_limits(lines, totals, facts.bucket_bytes, policy)
    return Plan(
        id="",
        fingerprint="",
        snapshot_id=facts.snapshot_id,
        as_of=facts.as_of,
        policy=policy,
        policy_hash=policy_hash(policy),
        price_date=facts.prices.valid_on,
        code_version=terms.code_version,
        created_at=terms.created_at,
        expires_at=terms.created_at + policy.expires,
        totals=totals,
        capabilities=tuple(facts.capabilities[bucket] for bucket in sorted(facts.capabilities)),
        warnings=tuple(_warnings(lines, facts)),
        lines=_in_chunks(lines, terms.actions_per_chunk),
    )


def seal(plan: Plan, actions: Sequence[PlanFile], survivors: PlanFile) -> Plan:
    """Return the plan bound to its files, with its fingerprint and id."""
    whole = replace(plan, actions=tuple(actions), survivors=survivors)
    fingerprint = _fingerprint(_document(whole))
    return replace(whole, id=f"{plan.policy.name}-{plan.as_of}-{fingerprint[:8]}", fingerprint=fingerprint)


def plan_to_json(plan: Plan) -> str:
    """Return the text of `plan.json`."""
    return to_json(_document(plan))


def plan_from_json(text: str, *, origin: str) -> Plan:
    """Return what `plan_to_json` wrote, if not a character of it was changed.

    Raises:
        PlanRefused: it was edited, or is no plan.
    """
    try:
        document = simplejson.loads(text, use_decimal=True)
        fingerprint = _fingerprint(document)
        plan = _PLAN.validate_python(document)
    except (ValueError, TypeError, ValidationError, AttributeError):
        raise PlanRefused("this is not a whole plan", where=origin, fix="Make a new one.") from None
    if plan.fingerprint != fingerprint or not plan.id.endswith(f"-{fingerprint[:8]}"):
        raise PlanRefused(
            "the plan was edited: its content does not match its fingerprint",
            where=origin,
            fix="Plans are not edited. Change the policy, make a new plan and have that approved.",
        )
    return plan


def _line(decision: Decision, facts: Facts) -> Line:
    artifact = decision.artifact
    line = Line(
        checkpoint_id=artifact.checkpoint_id,
        uri=artifact.uri,
        bucket=artifact.bucket,
        run=artifact.run,
        step=artifact.step,
        state=artifact.state,
        decision="keep",
        rule=decision.rule,
        reason=decision.reason,
        object_count=artifact.object_count,
        size_bytes=artifact.size_bytes,
        cost_usd_month=artifact.cost_usd_month,
    )
    match decision:
        case Keep():
            return line
        case Archive(to=to):
            return archived(line, artifact, to, facts)
        case Delete(path=path):
            return deleted(replace(line, decision="delete", path=path), artifact, facts)


def _ordered(lines: Iterable[Line]) -> list[Line]:
    """What can be undone comes first: archives, then deletes; within them by bucket, run and step."""
    rank = {"archive": 0, "delete": 1, "keep": 2}
    return sorted(
        lines,
        key=lambda line: (rank[line.decision], line.bucket, line.run, line.step or 0, line.checkpoint_id),
    )


def _in_chunks(lines: Iterable[Line], actions_per_chunk: int) -> tuple[Line, ...]:
    """Number the chunks: whole checkpoints only, so that one worker sees a checkpoint through."""
    numbered, chunk, filled = [], 0, 0
    for line in lines:
        if line.is_change and filled and filled + line.action_count > actions_per_chunk:
            chunk, filled = chunk + 1, 0
        filled += line.action_count
        numbered.append(replace(line, chunk=chunk if line.is_change else None))
    return tuple(numbered)


def _totals(lines: Sequence[Line]) -> Totals:
    return Totals(
        keep=_total(line for line in lines if line.decision == "keep"),
        archive=_total(line for line in lines if line.decision == "archive"),
        delete=_total(line for line in lines if line.decision == "delete"),
        runs=len({(line.bucket, line.run) for line in lines if line.is_change}),
    )


def _total(lines: Iterable[Line]) -> Total:
    total = Total()
    for line in lines:
        total = Total(
            checkpoints=total.checkpoints + 1,
            objects=total.objects + (line.action_count if line.is_change else line.object_count),
            size_bytes=total.size_bytes + (line.action_bytes if line.is_change else line.size_bytes),
            cost_usd_month=total.cost_usd_month + line.cost_usd_month,
            saving_usd_month=total.saving_usd_month + line.saving_usd_month,
            tail_usd_month=total.tail_usd_month + line.tail_usd_month,
            one_off_usd=total.one_off_usd + line.one_off_usd,
        )
    return total


def _warnings(lines: Sequence[Line], facts: Facts) -> Iterator[str]:
    if not facts.has_registry:
        yield "no model registry is among the sources: what production serves is not known, nor kept for that"
    for gate in facts.failed_gates:
        where = f"s3://{gate.bucket}" if gate.bucket else "every bucket"
        yield f"nothing is planned in {where}: the check {gate.check_id} failed"
    for place, capability in sorted(facts.capabilities.items()):
        if not capability.can_copy and capability.versioning == "off":
            yield f"{place} does not enforce conditions on copies: nothing is archived there"
        if not capability.delete and capability.versioning == "off":
            yield f"{place} does not enforce conditions on deletes: nothing is deleted there for good"
    tail = sum((line.tail_usd_month for line in lines), Decimal(0))
    if tail:
        yield (
            f"versions behind delete markers go on costing {tail:,.2f} USD a month until a rule of the "
            "bucket expires noncurrent versions"
        )


def _document(plan: Plan) -> dict[str, Any]:
    document: dict[str, Any] = _PLAN.dump_python(plan)
    return document


def _fingerprint(document: Mapping[str, Any]) -> str:
    content = {name: value for name, value in document.items() if name not in ("id", "fingerprint")}
    plain = simplejson.loads(to_json(content), use_decimal=True)
    text = simplejson.dumps(plain, use_decimal=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
