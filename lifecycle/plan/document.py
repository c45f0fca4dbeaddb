"""Decisions → a plan: priced lines, totals, fingerprint. Pure, and the same to the byte every time.

Lines are priced and counted as they go by; where they are kept, ordered and cut into chunks is for others.
The fingerprint binds every word and every file of a plan: the snapshot, the policy, the price date, the code,
each decision and each action.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import simplejson
from pydantic import TypeAdapter, ValidationError

from lifecycle.errors import PlanRefused
from lifecycle.model import (
    REVERSIBLE_PATHS,
    Archive,
    BucketCapability,
    Decision,
    Delete,
    Keep,
    KeptBy,
    Line,
    Plan,
    PlanFile,
    Surroundings,
    Total,
    Totals,
)
from lifecycle.plan.limits import refuse_above_limits, two_people_because
from lifecycle.plan.savings import archived, deleted
from lifecycle.policy import Policy, policy_hash
from pipelines.domain.text import to_json

ACTIONS_PER_CHUNK = 1000
"""Whole checkpoints fill a chunk up to about here: some minutes of work, and one task of a scheduler."""
MOST_CHUNKS = 1000
"""Of larger plans chunks are larger instead: a scheduler maps a task over about a thousand things."""
MOST_SHOWN = 1000
"""Changes that are shown in one document; the plan's files hold all of them."""
_DECISIONS = ("keep", "archive", "delete")
_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class Terms:
    """Where and when a plan is made."""

    created_at: datetime
    code_version: str
    actions_per_chunk: int = ACTIONS_PER_CHUNK
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sum:
    """A total that grows."""

    checkpoints: int = 0
    objects: int = 0
    size_bytes: int = 0
    cost_usd_month: Decimal = Decimal(0)
    saving_usd_month: Decimal = Decimal(0)
    tail_usd_month: Decimal = Decimal(0)
    one_off_usd: Decimal = Decimal(0)

    def add(self, line: Line) -> None:
        self.checkpoints += 1
        self.objects += line.action_count if line.is_change else line.object_count
        self.size_bytes += line.action_bytes if line.is_change else line.size_bytes
        self.cost_usd_month += line.cost_usd_month
        self.saving_usd_month += line.saving_usd_month
        self.tail_usd_month += line.tail_usd_month
        self.one_off_usd += line.one_off_usd

    @property
    def total(self) -> Total:
        return Total(
            self.checkpoints,
            self.objects,
            self.size_bytes,
            self.cost_usd_month,
            self.saving_usd_month,
            self.tail_usd_month,
            self.one_off_usd,
        )


@dataclass(slots=True)
class Tally:
    """What lines add up to, counted while they go by, run after run."""

    sums: dict[str, _Sum] = field(default_factory=lambda: {name: _Sum() for name in _DECISIONS})
    kept: dict[str, KeptBy] = field(default_factory=dict)
    changed_bytes: dict[str, int] = field(default_factory=dict)
    by_rule: dict[str, int] = field(default_factory=dict)
    """Objects that a rule of their bucket moves, by the bucket's URI."""
    runs: int = 0
    objects_for_good: int = 0
    _run: tuple[str, str] | None = None

    def counting(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the same lines, and count each."""
        for line in lines:
            self.sums[line.decision].add(line)
            if line.is_change:
                self._count_change(line)
            else:
                self._count_kept(line)
            yield line

    @property
    def totals(self) -> Totals:
        """All of it."""
        return Totals(
            **{name: self.sums[name].total for name in _DECISIONS},
            runs=self.runs,
            objects_for_good=self.objects_for_good,
        )

    @property
    def action_count(self) -> int:
        """Objects that change."""
        return self.sums["archive"].objects + self.sums["delete"].objects

    def _count_change(self, line: Line) -> None:
        place = line.place
        self.changed_bytes[place] = self.changed_bytes.get(place, 0) + line.action_bytes
        if self._run != (place, line.run):
            self._run = (place, line.run)
            self.runs += 1
        if line.decision == "delete" and line.path not in REVERSIBLE_PATHS:
            self.objects_for_good += line.action_count
        if line.path == "tag-and-rule":
            self.by_rule[place] = self.by_rule.get(place, 0) + line.action_count

    def _count_kept(self, line: Line) -> None:
        first = self.kept.get(line.rule) or KeptBy(line.rule, 0, 0, line.uri, line.reason)
        self.kept[line.rule] = replace(
            first, checkpoints=first.checkpoints + 1, size_bytes=first.size_bytes + line.size_bytes
        )


def priced(decisions: Iterable[Decision], around: Surroundings) -> Iterator[Line]:
    """Yield the line of each decision: what it saves, and what it costs once."""
    return (_line(decision, around) for decision in decisions)


def make_plan(tally: Tally, around: Surroundings, policy: Policy, terms: Terms) -> Plan:
    """Return the plan of the lines that were counted, not sealed yet: its files are still to be written.

    Raises:
        LimitPassed: it would change more than the policy allows.
    """
    totals = tally.totals
    refuse_above_limits(totals, tally.changed_bytes, around.bucket_bytes, policy)
    return Plan(
        id="",
        fingerprint="",
        snapshot_id=around.snapshot_id,
        as_of=around.as_of,
        policy=policy,
        policy_hash=policy_hash(policy),
        price_date=_price_date(around),
        code_version=terms.code_version,
        created_at=terms.created_at,
        expires_at=terms.created_at + policy.expires,
        totals=totals,
        capabilities=tuple(around.capabilities[place] for place in sorted(around.capabilities)),
        warnings=(*terms.warnings, *plan_warnings(tally, around, policy)),
        kept=tuple(kept for _, kept in sorted(tally.kept.items())),
        changed_bytes=dict(sorted(tally.changed_bytes.items())),
    )


def chunk_size(tally: Tally, terms: Terms) -> int:
    """Return about how many actions a chunk holds, so that there are not too many chunks."""
    return max(terms.actions_per_chunk, -(-tally.action_count // MOST_CHUNKS))


def seal(plan: Plan, decisions: PlanFile, actions: Sequence[PlanFile], survivors: PlanFile) -> Plan:
    """Return the plan bound to its files, with its fingerprint and id."""
    whole = replace(plan, decisions=decisions, actions=tuple(actions), survivors=survivors)
    fingerprint = _fingerprint(_document(whole))
    return replace(whole, id=f"{plan.policy.name}-{plan.as_of}-{fingerprint[:8]}", fingerprint=fingerprint)


def plan_to_json(plan: Plan) -> str:
    """Return the text of `plan.json`."""
    return to_json(_document(plan))


def shown_json(plan: Plan, changes: Iterable[Line]) -> str:
    """Return the plan for programs, with its first changes as `lines`."""
    return to_json({**_document(plan), "lines": list(changes)})


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


def _line(decision: Decision, around: Surroundings) -> Line:
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
        case Archive(to=to, path=path):
            return archived(replace(line, path=path), artifact, to, around)
        case Delete(path=path):
            return deleted(replace(line, decision="delete", path=path), artifact, around)


def _price_date(around: Surroundings) -> date:
    return max((prices.valid_on for prices in around.prices.values()), default=around.as_of)


def plan_warnings(tally: Tally, around: Surroundings, policy: Policy) -> Iterator[str]:
    """Yield what whoever approves a plan of this has to know."""
    if why := two_people_because(tally.totals, policy):
        yield f"two different people have to approve this, as it changes {why}"
    yield from around.remarks
    if not around.has_registry:
        yield "no model registry is among the sources: what production serves is not known, nor kept for that"
    for gate in around.failed_gates:
        where = _place_named(gate.bucket, around) if gate.bucket else "every bucket"
        yield f"nothing is planned in {where}: the check {gate.check_id} failed"
    for place, capability in sorted(around.capabilities.items()):
        if capability.autoclass:
            yield f"{place} moves objects between classes by itself (Autoclass): nothing is archived there"
        elif found := _by_rule(tally.by_rule.get(place, 0), capability):
            yield found
        leaves_nothing = capability.versioning == "off" and not capability.soft_delete_days
        if not capability.delete and leaves_nothing:
            yield f"{place} does not enforce conditions on deletes: nothing is deleted there for good"
    yield from _money_left_out(tally, around, policy)


def _by_rule(objects: int, capability: BucketCapability) -> str:
    """Return what archiving by a rule of the bucket, or by nothing at all, means there."""
    place = capability.place
    if not objects:
        is_closed = not (capability.can_copy or capability.takes_tags) and capability.versioning == "off"
        return (
            f"{place} does not enforce conditions on copies: nothing is archived there" if is_closed else ""
        )
    then = (
        "what it has moved goes back by a copy, as a new version"
        if capability.can_copy
        else "what it has moved Moraine cannot take back, as no copy is safe there"
    )
    return (
        f"{place} is archived by tags and the bucket's own rule, within days (objects: {objects:,}); "
        f"until then undo takes the tags off, and {then}"
    )


def _place_named(bucket: str, around: Surroundings) -> str:
    found = (place for place in sorted(around.bucket_bytes) if place.endswith(f"://{bucket}"))
    return next(found, f"s3://{bucket}")


def _money_left_out(tally: Tally, around: Surroundings, policy: Policy) -> Iterator[str]:
    tail = sum((each.tail_usd_month for each in tally.sums.values()), Decimal(0))
    if tail:
        yield (
            f"versions that stay behind go on costing {tail:,.2f} USD a month until a rule of the "
            "bucket expires noncurrent versions"
        )
    if policy.archive and tally.sums["archive"].objects:
        to = policy.archive.to
        found = [prices.prices[to] for prices in around.prices.values() if to in prices.prices]
        if not all(price.takes_confirmed for price in found) or not found:
            yield f"no confirmed price says what putting objects into {to} costs: that is left out"


def _document(plan: Plan) -> dict[str, Any]:
    document: dict[str, Any] = _PLAN.dump_python(plan)
    return document


def _fingerprint(document: Mapping[str, Any]) -> str:
    content = {name: value for name, value in document.items() if name not in ("id", "fingerprint")}
    plain = simplejson.loads(to_json(content), use_decimal=True)
    text = simplejson.dumps(plain, use_decimal=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
