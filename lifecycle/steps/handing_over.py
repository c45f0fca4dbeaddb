"""The steps that let the engines of the clouds do a plan, and that see to the rules of buckets."""

import duckdb

from lifecycle import approve as approving
from lifecycle.apply.admission import admit
from lifecycle.facts import (
    keep_within,
)
from lifecycle.handover.desk import HANDOVER, Desk, Examined, HandOver, read_hand_over, refuse_begun
from lifecycle.handover.jobs import Errand
from lifecycle.handover.rule_book import RuleBook, RulesReport, Wish
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import KeepsRules
from lifecycle.steps.applying import Counter, campaign_of, present
from lifecycle.steps.run import Run, audit_of, directory_of, scratch_directory


def hand_over(run: Run, plan: str, errand: Errand) -> HandOver:
    """Write down what the engines of the clouds are to do of an approved plan; nothing is changed.

    Raises:
        Refused: it must not be applied, was begun by hand, or holds nothing that an engine can do.
        Transient: the store does not answer; run it again.
    """
    directory = directory_of(run, plan)
    with directory.locked(None):
        whole = admit(directory, present(run))
        refuse_begun(directory, whole)
        audit = audit_of(directory)
        audit.refuse_damaged()
        campaign = campaign_of(run, directory, whole, Counter(0, run.on_progress))
        examined = Examined(*campaign.examine(whole.chunks))
        with scratch_directory(run) as scratch, duckdb.connect() as connection:
            keep_within(connection, run.settings.configuration.engine, scratch)
            desk = Desk(directory, whole, run.clouds, connection)
            found = desk.hand_over(examined, errand, run.clock())
        audit.append("handed_over", whole.id, directory.handover / HANDOVER, run.clock())
        if book := _rule_book(run, directory, found):
            audit.append("handed_over", whole.id, book.look(run.clock())[1], run.clock())
        return found


def _rule_book(run: Run, directory: PlanDirectory, handed: HandOver) -> RuleBook | None:
    """Return the rules of the buckets in which objects are tagged, if there are any."""
    cloud = run.clouds.get("s3")
    return (
        RuleBook(directory, handed, cloud)
        if handed.tagged_buckets and isinstance(cloud, KeepsRules)
        else None
    )


def rules(run: Run, plan: str, wish: Wish = "look") -> RulesReport:
    """Look at the rules of the buckets in which a handed-over plan tags objects, put its own, or remove them.

    What others have there is written down when looking. It is never changed.

    Raises:
        PlanRefused: the plan was not handed over; to put, it is not approved, or others' rules changed.
    """
    directory = directory_of(run, plan)
    with directory.locked(None):
        whole = directory.read_plan()
        book = _rule_book(run, directory, read_hand_over(directory, whole))
        if book is None:
            return RulesReport(whole.id, wish, ())
        match wish:
            case "put":
                approving.refuse_over(directory, whole, run.now)
                approving.require_approval(directory, whole, run.now)
                return book.put()
            case "remove":
                return book.remove()
        report, path = book.look(run.clock())
        audit_of(directory).append("handed_over", whole.id, path, run.clock())
        return report
