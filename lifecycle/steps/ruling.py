"""The steps that see to the rules of buckets: those that a plan needs for what it tags, beside all others."""

from collections.abc import Collection, Sequence

from lifecycle import approve as approving
from lifecycle.errors import PlanRefused
from lifecycle.handover.bucket_rules import OwnRules, move_rule, rules_json, rules_of
from lifecycle.handover.desk import read_hand_over
from lifecycle.handover.rule_book import RuleBook, RulesReport, Wish
from lifecycle.model import Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import KeepsRules
from lifecycle.steps.run import Run, audit_of, directory_of, parts_of
from pipelines.domain.text import to_json


def rules(run: Run, plan: str, wish: Wish = "look") -> RulesReport:
    """Look at the rules of the buckets in which a plan tags objects, put its own, or remove them.

    What others have there is written down when looking. It is never changed.

    Raises:
        PlanRefused: the plan tags nothing and was not handed over; to put, it is not approved, or others'
            rules changed.
    """
    directory = directory_of(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        book = book_of(run, directory, whole)
        if book is None:
            read_hand_over(directory, whole)
            return RulesReport(whole.id, wish, ())
        match wish:
            case "put":
                approving.refuse_over(directory, whole, run.now)
                approving.require_approval(directory, whole, run.now)
                return book.put()
            case "remove":
                return book.remove()
        report, path = book.look(run.clock())
        audit_of(directory).append("ruled", whole.id, path, run.clock())
        return report


def book_of(run: Run, directory: PlanDirectory, plan: Plan) -> RuleBook | None:
    """Return the rules that a plan needs, handed over or not; None where it tags nothing."""
    cloud = run.clouds.get("s3")
    return _book(cloud, directory, plan) if isinstance(cloud, KeepsRules) else None


def _book(cloud: KeepsRules, directory: PlanDirectory, plan: Plan) -> RuleBook | None:
    if directory.is_handed_over:
        handed = read_hand_over(directory, plan)
        needed = {bucket: handed.own_rules(bucket) for bucket in handed.tagged_buckets}
        return RuleBook(directory, OwnRules(plan.id, needed), cloud) if needed else None
    own = OwnRules(
        plan.id,
        {
            tagged.bucket: [move_rule(plan.id, tagged.to, tagged.first_key, tagged.last_key)]
            for tagged in directory.tagged(plan.chunks)
        },
    )
    seen = {parts_of(place)[1]: rules_of(rules) for place, rules in plan.rules_seen.items()}
    return RuleBook(directory, own, cloud, "rules", seen) if own.by_bucket else None


def put_rules(run: Run, directory: PlanDirectory, plan: Plan, chunks: Sequence[str]) -> None:
    """See that the rules are in force which move what these chunks tag; what was put is written down.

    Raises:
        PlanRefused, LimitPassed: see `RuleBook.put`; nothing is tagged.
    """
    buckets = {tagged.bucket for tagged in directory.tagged(chunks)}
    book = book_of(run, directory, plan) if buckets else None
    if book is None:
        return
    were_there = book.in_force()
    report = book.put(buckets)
    if not all(were_there[bucket] for bucket in buckets):
        path = directory.add("rules", to_json(report), "put-")
        audit_of(directory).append("ruled", plan.id, path, run.clock())


def remove_rules(run: Run, directory: PlanDirectory, plan: Plan) -> None:
    """Take a plan's rules out of its buckets, and write that down; nothing where there are none.

    Raises:
        ActionRefused, Transient: they cannot be read or written.
    """
    book = book_of(run, directory, plan)
    if book is None or not book.has_own():
        return
    path = directory.add("rules", to_json(book.remove()), "put-")
    audit_of(directory).append("ruled", plan.id, path, run.clock())


def rules_now(run: Run, places: Collection[str]) -> dict[str, dict[str, object]]:
    """Return the rules of these buckets, by their URI, for a plan that is about to tag there.

    Raises:
        PlanRefused: this cloud knows none.
    """
    found: dict[str, dict[str, object]] = {}
    for place in sorted(places):
        scheme, bucket = parts_of(place)
        cloud = run.clouds[scheme]
        if not isinstance(cloud, KeepsRules):
            raise PlanRefused("buckets there have no rules", where=place, fix="Plan again.")
        found[place] = dict(rules_json(cloud.rules(bucket)))
    return found
