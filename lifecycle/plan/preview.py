"""What a policy would do with published facts, in numbers. No plan is made; no bucket, no lake is written to.

No canary goes to a bucket, so it is assumed that conditions are enforced: the most that a plan could do.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from heapq import nlargest
from itertools import groupby

from lifecycle.model import BucketCapability, KeptBy, Line, Scheme, Surroundings, Totals, Versioning
from lifecycle.plan.document import Tally, plan_warnings
from lifecycle.plan.limits import figures
from lifecycle.policy import Kind, Policy
from lifecycle.providers import BucketSettings

MOST_RUNS = 10


@dataclass(frozen=True, slots=True)
class RunChange:
    """What would change in one run."""

    place: str
    """Its bucket's URI."""
    run: str
    checkpoints: int
    objects: int
    size_bytes: int
    saving_usd_month: Decimal


@dataclass(frozen=True, slots=True)
class LimitReached:
    """How near a plan would come to one limit of the policy."""

    name: str
    figure: Decimal
    limit: Decimal
    is_passed: bool
    """A plan would be refused."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a plan would say, had it been made."""

    snapshot_id: str
    as_of: date
    totals: Totals
    kept: tuple[KeptBy, ...]
    runs: tuple[RunChange, ...]
    """Those in which most bytes change."""
    limits: tuple[LimitReached, ...]
    notes: tuple[str, ...]
    """What was assumed, and what a plan would warn of."""
    kind: Kind = "checkpoint"
    """What the policy is about."""


def assume(
    scheme: Scheme, bucket: str, settings: BucketSettings | None, unasked: Versioning = "off"
) -> tuple[BucketCapability, Sequence[str]]:
    """Return the most that a bucket of these settings could enforce, and what is assumed.

    Without settings nobody answered; `unasked` is what its list then says of versions.
    """
    known = settings or BucketSettings(unasked)
    capability = BucketCapability(
        bucket=bucket,
        versioning=known.versioning,
        copy_source=True,
        copy_destination=True,
        copy_in_parts=True,
        delete=True,
        delete_batch=True,
        scheme=scheme,
        object_lock=known.object_lock,
        soft_delete_days=known.soft_delete_days,
        autoclass=known.autoclass,
        takes_tags=scheme == "s3",
        is_aws=known.is_aws,
    )
    said = [f"assuming that {capability.place} enforces conditions: a plan measures it"]
    if settings is None:
        kept = "no versions" if unasked == "off" else "versions, as its list shows some"
        said.append(f"assuming that {capability.place} keeps {kept}: it could not be asked")
    return capability, said


def preview(
    lines: Iterable[Line], tally: Tally, around: Surroundings, policy: Policy, notes: Sequence[str]
) -> Preview:
    """Return what lines add up to; `tally` counts them while they go by here."""
    runs = nlargest(MOST_RUNS, _by_run(lines), key=lambda found: (found.size_bytes, found.run))
    reached = figures(tally.totals, tally.changed_bytes, around.bucket_bytes, policy)
    return Preview(
        snapshot_id=around.snapshot_id,
        as_of=around.as_of,
        totals=tally.totals,
        kept=tuple(kept for _, kept in sorted(tally.kept.items())),
        runs=tuple(runs),
        limits=tuple(
            LimitReached(name, figure, limit, is_passed=figure > limit) for name, figure, limit in reached
        ),
        notes=(*notes, *plan_warnings(tally, around, policy)),
        kind=policy.match.kind,
    )


def _by_run(lines: Iterable[Line]) -> Iterator[RunChange]:
    """Yield the runs in which something changes; lines come run after run."""
    for (place, run), members in groupby(lines, key=lambda line: (line.place, line.run)):
        changing = [line for line in members if line.is_change]
        if changing:
            yield RunChange(
                place=place,
                run=run,
                checkpoints=len(changing),
                objects=sum(line.action_count for line in changing),
                size_bytes=sum(line.action_bytes for line in changing),
                saving_usd_month=sum((line.saving_usd_month for line in changing), Decimal(0)),
            )
