"""What became of a plan, as numbers; what is not as it should be fails its task."""

from collections import Counter
from typing import TYPE_CHECKING

from pipelines.errors import Terminal, Transient

if TYPE_CHECKING:
    from lifecycle.steps import ApplyReport
    from lifecycle.verify import Verification


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
