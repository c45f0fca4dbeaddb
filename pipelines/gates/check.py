"""What a check is: a number, the bounds it must keep, and why."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pipelines.domain.quoting import quote

Level = Literal["block", "warn"]
Need = Literal["bill", "inventory", "objects", "uploads", "states", "registry", "teams", "previous"]

WIDEST = {"%": Decimal(1), "h": Decimal(24 * 90), "days": Decimal(90), "times": Decimal(100)}
"""The widest bound by unit that data can still break: beyond it a check would pass whatever happens."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that pass, both ends included.

    Raises:
        ValueError: nothing can fall outside, so that the check could never fail.
    """

    at_least: Decimal | None = None
    at_most: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that cannot fail or cannot pass."""
        ends = [end for end in (self.at_least, self.at_most) if end is not None]
        if not ends:
            raise ValueError("a check without a bound cannot fail: give at_least or at_most")
        if not all(math.isfinite(end) for end in ends):
            raise ValueError("a bound is a finite number: nothing is beyond infinity, and nothing equals NaN")
        if len(ends) == 2 and ends[0] > ends[1]:
            raise ValueError("no number lies between these bounds: the check could never pass")


ZERO = Bounds(Decimal(0), Decimal(0))
SOME = Bounds(at_least=Decimal(1))


@dataclass(frozen=True, slots=True)
class Shared:
    """A query that several checks read, run once: its rows are the temporary table `name`."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true of a table before people may read it.

    Raises:
        ValueError: the bounds are so wide that the check could never fail.
    """

    check_id: str
    table: str
    level: Level
    metric: str
    """A query with a row per scope: `scope` (a bucket, a provider, '' for all), `measured` (the number) and
    `example` (the worst offender, or null). `getvariable('as_of')` is the run's date."""
    bounds: Bounds
    expected: str
    """The bounds in words."""
    reason: str
    """Why it matters, and the observation behind the number."""
    offenders: str
    """A query with the rows that are wrong, the worst first: `scope`, then whatever shows what is wrong."""
    needs: Need | None = None
    """What has to be configured; without it the check is skipped and says so."""
    unit: str = ""
    """What one of the number is; `%` for a share of one, `times` for how much of what it was."""
    warns_beyond: Bounds | None = None
    """Narrower bounds: between them and `bounds` a blocking check only warns."""
    excludes: bool = False
    """Its scopes are buckets, and one that fails is kept out of the clean-up while all else goes on. A
    blocking check of this kind blocks only when every bucket fails it."""
    reads: Shared | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that are wider than what can be measured."""
        widest = WIDEST.get(self.unit)
        ends = (self.bounds.at_least, self.bounds.at_most)
        if widest is not None and any(end is not None and abs(end) >= widest for end in ends):
            raise ValueError(
                f"{self.check_id} could never fail: a bound in {self.unit!r} lies below {widest}"
            )


def listed(names: Collection[str]) -> str:
    """Return names as SQL has them between the brackets of an `in`."""
    return ", ".join(quote(name) for name in sorted(names))


def count_of(offenders: str, example: Sequence[str] = ()) -> str:
    """Return the metric 'how many rows are wrong', for all scopes together.

    `example` names the columns that tell one of them from the others.
    """
    shown = f"max(concat_ws(' | ', {', '.join(example)}))" if example else "null"
    return f"select '' as scope, count(*) as measured, {shown} as example from ({offenders})"
