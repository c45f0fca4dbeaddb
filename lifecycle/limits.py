"""How much one plan may change: above a limit of its policy it is refused. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from lifecycle.errors import LimitPassed
from lifecycle.model import Line, Totals
from lifecycle.policy import Policy
from lifecycle.savings import rounded

Figure = tuple[str, Decimal, Decimal]
"""Name, what the plan would change, the limit."""


def refuse_above_limits(
    lines: Sequence[Line], totals: Totals, bucket_bytes: Mapping[str, int], policy: Policy
) -> None:
    """Compare a plan with the limits of its policy.

    Raises:
        LimitPassed: naming the limit, the figure and the fix.
    """
    figures = [*_amounts(totals, policy), *_shares(lines, bucket_bytes, policy.ceiling.share_of_bucket)]
    for name, figure, limit in figures:
        if figure > limit:
            raise LimitPassed(
                f"the plan would change {name} {figure:,}; the limit is {limit:,}",
                where=f"policy {policy.name}, limits.{name.split(' ')[0]}",
                fix="Narrow 'match' or lengthen 'after' and plan again; raise the limit if so much is meant.",
            )


def _amounts(totals: Totals, policy: Policy) -> Iterator[Figure]:
    limits, archive, delete = policy.ceiling, totals.archive, totals.delete
    yield "objects", Decimal(archive.objects + delete.objects), Decimal(limits.objects)
    yield "bytes", Decimal(archive.size_bytes + delete.size_bytes), Decimal(limits.bytes)
    yield "usd_month", archive.cost_usd_month + delete.cost_usd_month, limits.usd_month
    yield "runs", Decimal(totals.runs), Decimal(limits.runs)


def _shares(lines: Iterable[Line], bucket_bytes: Mapping[str, int], limit: Decimal) -> Iterator[Figure]:
    changed: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        changed[line.bucket] += line.action_bytes
    for bucket, size in sorted(changed.items()):
        whole = max(bucket_bytes.get(bucket, 0), size)
        share = rounded(Decimal(size) / whole) if whole else Decimal(0)
        yield f"share_of_bucket of s3://{bucket}", share, limit
