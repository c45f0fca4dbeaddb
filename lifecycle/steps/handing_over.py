"""The step that lets the engines of the clouds do a plan."""

from lifecycle.apply.admission import admit
from lifecycle.facts.snapshot import keep_within
from lifecycle.handover.desk import HANDOVER, Desk, Examined, HandOver, refuse_begun
from lifecycle.handover.jobs import Errand
from lifecycle.steps.applying import Counter, campaign_of, present
from lifecycle.steps.ruling import book_of
from lifecycle.steps.run import Run, audit_of, directory_of, scratch_directory
from pipelines.engine import connect


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
        with scratch_directory(run) as scratch, connect() as connection:
            keep_within(connection, run.settings.configuration.engine, scratch)
            desk = Desk(directory, whole, run.clouds, connection)
            found = desk.hand_over(examined, errand, run.clock())
        audit.append("handed_over", whole.id, directory.handover / HANDOVER, run.clock())
        if book := book_of(run, directory, whole):
            audit.append("handed_over", whole.id, book.look(run.clock())[1], run.clock())
        return found
