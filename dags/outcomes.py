"""What became of a stage, as names and numbers; what is not as it should be fails its task."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.errors import Terminal, Transient

if TYPE_CHECKING:
    from lifecycle.steps import ApplyReport
    from lifecycle.verify.comparison import Verification
    from pipelines.domain.deliveries import Rejected
    from pipelines.steps import Chunk, IngestReport

MOST_TOLD = 10
"""Damaged deliveries that a message names; the marts name them all."""

_log = logging.getLogger(__name__)


def of_source(report: "IngestReport") -> dict[str, str | int]:
    """Return what a source brought; what is to be said about it goes to the task's log."""
    for warning in report.warnings:
        _log.warning("%s: %s", report.source, warning)
    _log_rejected(report.quarantined)
    return {
        "source": report.source,
        "landed": report.landed,
        "known": report.known,
        "rows": report.rows,
        "quarantined": len(report.quarantined),
    }


def of_search(chunks: Sequence["Chunk"]) -> list[dict[str, Any]]:
    """Return chunks in the form in which tasks hand them on: names and numbers."""
    return [asdict(chunk) for chunk in chunks]


def of_landing(results: Sequence["Rejected | None"]) -> dict[str, int]:
    """Return how many chunks were landed, and how many of them turned out to be damaged."""
    rejected = [result for result in results if result]
    _log_rejected(rejected)
    return {"chunks": len(results), "quarantined": len(rejected)}


def of_quarantine(quarantined: Sequence["Rejected"]) -> int:
    """Return how many deliveries are damaged: none.

    Raises:
        Terminal: some are. The night is published without them, and somebody has to look.
    """
    if not quarantined:
        return 0
    count = len(quarantined)
    what = "1 delivery is" if count == 1 else f"{count} deliveries are"
    told = [f"{one.source} {one.delivery_id}: {one.reason} ({one.where})" for one in quarantined[:MOST_TOLD]]
    if more := count - len(told):
        told.append(f"… and {more} more")
    raise Terminal(
        f"{what} damaged and in quarantine; the night is published all the same",
        where="\n         ".join(told),
        fix="\n         ".join(dict.fromkeys(one.fix for one in quarantined[:MOST_TOLD])),
    )


def of_chunk(report: "ApplyReport") -> dict[str, int]:
    """Return how many actions ended in which way.

    Raises:
        Transient: some have no final outcome. The next try goes on with them and repeats nothing.
    """
    if left := sum(chunk.left for chunk in report.chunks):
        raise Transient(
            f"{left:,} actions have no final outcome",
            where=f"plan {report.plan_id}, its receipts/",
            fix=f"Read the newest receipts; 'moraine-lifecycle apply {report.plan_id}' goes on.",
        )
    ended: Counter[str] = Counter()
    for chunk in report.chunks:
        ended.update(chunk.results)
    return dict(ended)


def of_verification(found: "Verification") -> dict[str, int]:
    """Return how many objects were looked for, by what was expected of them.

    Raises:
        Terminal: some are not as the plan left them.
    """
    if not found.is_clean:
        raise Terminal(
            f"{found.difference_count:,} objects are not as the plan says",
            where=f"plan {found.plan_id}, its verification.json",
            fix=f"Read them there, or with: moraine-lifecycle verify {found.plan_id}",
        )
    return dict(found.checked)


def _log_rejected(quarantined: Sequence["Rejected"]) -> None:
    for rejected in quarantined:
        told = (rejected.source, rejected.delivery_id, rejected.reason, rejected.where, rejected.fix)
        _log.warning("quarantined %s %s: %s\n  where: %s\n  fix:   %s", *told)
