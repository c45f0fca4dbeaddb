"""The steps that look at what became of things, and change nothing but canaries."""

from pathlib import Path

from lifecycle import settings as settings_
from lifecycle.model import (
    BucketCapability,
)
from lifecycle.records import audit as auditing
from lifecycle.records.audit import AuditReport
from lifecycle.records.clean_up import record
from lifecycle.records.moves import note_moves
from lifecycle.records.rule_moves import note_rule_moves
from lifecycle.steps.run import Run, audit_of, directory_of, measured, scratch_directory
from lifecycle.verify import comparison as verifying
from lifecycle.verify.comparison import Verification
from pipelines.domain.text import to_json
from pipelines.domain.uris import BucketUri, parse_uri
from pipelines.errors import Terminal


def verify(run: Run, plan: str) -> Verification:
    """List the buckets again and compare with the plan; the answer is kept beside it.

    After an undo they are compared with how things were before.
    """
    directory = directory_of(run, plan)
    whole = directory.read_plan()
    with scratch_directory(run) as scratch:
        memory_limit = run.settings.configuration.engine.memory_limit
        found = verifying.verify(run.clouds, directory, whole, run.now, scratch, memory_limit)
        if found.is_handed_over and (moves := note_moves(directory, scratch / verifying.SEEN, run.now)):
            audit_of(directory).append("verified", whole.id, moves, run.clock())
        by_rule = scratch / verifying.MOVED
        if by_rule.exists() and (moves := note_rule_moves(directory, by_rule, run.now)):
            audit_of(directory).append("verified", whole.id, moves, run.clock())
    text = to_json(found)
    audit_of(directory).append("verified", whole.id, directory.add("verifications", text), run.clock())
    directory.write("verification.json", text)
    record(lambda: run.settings.lake, directory, whole)
    return found


def audit(config: Path, plans: Path | None = None, expected: str = "") -> AuditReport:
    """Check the log of all plans in a directory, by default where the settings keep plans.

    Raises:
        Terminal: there is no such directory.
    """
    return auditing.check(plans or settings_.load(config).plans(), expected)


def canary(run: Run, uri: str) -> BucketCapability:
    """Measure what an endpoint enforces on a bucket, with objects of our own that are removed again.

    Raises:
        Terminal: this is no bucket, or it may not be written to.
    """
    match parse_uri(uri):
        case BucketUri() as found if found.scheme in run.clouds:
            return measured(run, str(found.root).rstrip("/"))
        case _:
            raise Terminal("a canary needs a bucket", where=uri, fix="Write s3://bucket.")
