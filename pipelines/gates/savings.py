"""Does clean-up save what its plans promised? A check of what became of them."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.gates.check import ZERO, Check, count_of

FOLLOWED_DAYS = 7
LEAST_SHARE = Decimal("0.5")

_FALLEN_SHORT = f"""
select
    '' as scope, plan_id, bucket, predicted_usd, realised_usd, days_followed, reading
from marts.savings
where
    days_followed >= {FOLLOWED_DAYS}
    and object_count > 0
    and predicted_usd > 0
    and realised_usd < predicted_usd * {LEAST_SHARE}
order by predicted_usd - realised_usd desc, plan_id, bucket
"""


def savings() -> Sequence[Check]:
    """Return the checks of what clean-ups saved."""
    return (
        Check(
            "savings_come_true",
            "marts.savings",
            "warn",
            count_of(_FALLEN_SHORT, ("plan_id", "bucket")),
            ZERO,
            f"no plan below {LEAST_SHARE:.0%} of its prediction after {FOLLOWED_DAYS} days",
            "A plan is approved for its dollars. Where the following bills have less than half of them, "
            "versions stayed behind, minimum storage times were charged, or the prediction is wrong.",
            _FALLEN_SHORT,
        ),
    )
