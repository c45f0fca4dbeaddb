"""How much one plan may change: above a limit of its policy it is refused, or needs two people. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from lifecycle.errors import LimitPassed
from lifecycle.model import Totals
from lifecycle.plan.savings import rounded
from lifecycle.policy import Policy, TwoPeopleAbove

Figure = tuple[str, Decimal, Decimal]
"""Name, what the plan would change, the limit."""


def refuse_above_limits(
    totals: Totals, changed_bytes: Mapping[str, int], bucket_bytes: Mapping[str, int], policy: Policy
) -> None:
    """Compare a plan with the limits of its policy; bytes are by the URI of their bucket.

    Raises:
        LimitPassed: naming the limit, the figure and the fix.
    """
    for name, figure, limit in figures(totals, changed_bytes, bucket_bytes, policy):
        if figure > limit:
            raise LimitPassed(
                f"the plan would change {name} {figure:,}; the limit is {limit:,}",
                where=f"policy {policy.name}, limits.{name.split(' ')[0]}",
                fix="Narrow 'match' or lengthen 'after' and plan again; raise the limit if so much is meant.",
            )


def figures(
    totals: Totals, changed_bytes: Mapping[str, int], bucket_bytes: Mapping[str, int], policy: Policy
) -> Iterator[Figure]:
    """Yield what a plan would change, beside each limit of its policy."""
    yield from _amounts(totals, policy)
    yield from _shares(changed_bytes, bucket_bytes, policy.ceiling.share_of_bucket)


def two_people_because(totals: Totals, policy: Policy) -> str:
    """Return why two people have to approve what adds up to this; empty where one is enough."""
    return " and ".join(_reached(totals, policy.approval.two_people_above)) if policy.approval else ""


def _reached(totals: Totals, above: TwoPeopleAbove) -> Iterator[str]:
    changes = (totals.archive, totals.delete)
    objects = sum(total.objects for total in changes)
    size = sum(total.size_bytes for total in changes)
    cost = sum((total.cost_usd_month for total in changes), Decimal(0))
    if above.objects and objects >= above.objects:
        yield f"{objects:,} objects (two people from {above.objects:,} on)"
    if above.bytes and size >= above.bytes:
        yield f"{size:,} bytes (two people from {above.bytes:,} on)"
    if above.usd_month and cost >= above.usd_month:
        yield f"what costs {cost:,.2f} USD a month (two people from {above.usd_month:,} on)"
    if above.irreversible and totals.objects_for_good:
        yield f"{totals.objects_for_good:,} objects for good"


def _amounts(totals: Totals, policy: Policy) -> Iterator[Figure]:
    limits, archive, delete = policy.ceiling, totals.archive, totals.delete
    yield "objects", Decimal(archive.objects + delete.objects), Decimal(limits.objects)
    yield "bytes", Decimal(archive.size_bytes + delete.size_bytes), Decimal(limits.bytes)
    yield "usd_month", archive.cost_usd_month + delete.cost_usd_month, limits.usd_month
    yield "runs", Decimal(totals.runs), Decimal(limits.runs)


def _shares(
    changed_bytes: Mapping[str, int], bucket_bytes: Mapping[str, int], limit: Decimal
) -> Iterator[Figure]:
    for place, size in sorted(changed_bytes.items()):
        whole = max(bucket_bytes.get(place, 0), size)
        share = rounded(Decimal(size) / whole) if whole else Decimal(0)
        yield f"share_of_bucket of {place}", share, limit
