"""Which snapshots to keep, and why. Pure: snapshots, rules and a moment in, reasons out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pipelines.domain.configuration import Retention
from pipelines.domain.snapshots import Snapshot, order, previous

Reasons = dict[str, tuple[str, ...]]
"""Why each snapshot is kept, by its id; one that nothing keeps has no reason."""


def keep(
    snapshots: Sequence[Snapshot],
    current: Snapshot,
    plans: Mapping[str, str],
    rules: Retention,
    now: datetime,
) -> Reasons:
    """Return every snapshot's reasons to stay.

    Args:
        snapshots: the whole ones.
        current: the one in force.
        plans: from the ids of plans that are not over to the snapshots they were made from.
        rules: how many days, and whether month ends stay.
        now: UTC, without a zone.
    """
    before = previous(snapshots, current)
    days = _newest_of(snapshots, "%Y-%m-%d")
    newest_days = set(sorted(days.values(), key=order)[-rules.keep_days :])
    month_ends = set(_newest_of(snapshots, "%Y-%m").values()) if rules.keep_month_ends else set()
    recent_from = now - timedelta(days=rules.keep_days)
    reasons: Reasons = {}
    for one in snapshots:
        is_newest = days[one.as_of.isoformat()] == one
        rules_of_one = {
            "current": one == current,
            "the one before it": one == before,
            f"newest {rules.keep_days} days": one in newest_days,
            "published lately": is_newest and one.published_at >= recent_from,
            "month end": one in month_ends,
        }
        reasons[one.snapshot_id] = (
            *(reason for reason, holds in rules_of_one.items() if holds),
            *(f"plan {plan}" for plan, named in sorted(plans.items()) if named == one.snapshot_id),
        )
    return reasons


def _newest_of(snapshots: Sequence[Snapshot], period: str) -> dict[str, Snapshot]:
    """Return the newest snapshot by day or month."""
    return {one.as_of.strftime(period): one for one in sorted(snapshots, key=order)}
