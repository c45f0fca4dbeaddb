"""The age at which archiving a checkpoint is worth it, when nobody knows how long it will stay. Pure.

Ski rental: wait in the class now until waiting has cost as much more as the move would. The minimum storage
time of the colder class is part of the price of the move: it is billed even when the checkpoint goes the day
after. Whatever comes, the sum is at most twice what somebody who knew the future would have paid, or three
times where there is a minimum time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from lifecycle.model import ClassShare, Price, PriceList

_GIB = Decimal(1024**3)
_DAYS_PER_MONTH = 30
_LONGEST = 36_500


@dataclass(frozen=True, slots=True)
class BreakEven:
    """When a move begins to pay: an age, or the reason why there is none."""

    after: timedelta | None
    """Whole days since the last change, rounded up."""
    obstacle: str = ""
    """Why it never pays, or why that is not known."""


def break_even(shares: Iterable[ClassShare], to: str, prices: PriceList) -> BreakEven:
    """Return the age from which moving what lies in hotter classes pays."""
    moved = tuple(shares)
    unknown = _unknown([share.storage_class for share in moved], to, prices)
    if unknown:
        return BreakEven(
            None, f"no confirmed price says what {unknown} costs, so the break-even is not known"
        )
    target = prices.prices[to]
    less_a_day = sum((_less_a_day(share, target, prices) for share in moved), Decimal(0))
    if less_a_day <= 0:
        return BreakEven(None, f"keeping it in {to} costs no less: there is no break-even")
    minimum = sum((_usd_a_day(share, target) for share in moved), Decimal(0)) * target.minimum_days
    move = _entry_usd(moved, target, prices) + minimum
    days = (move / less_a_day).to_integral_value(ROUND_CEILING)
    if days > _LONGEST:
        return BreakEven(None, f"moving it to {to} is not repaid within a century")
    owed = max(prices.prices[share.storage_class].minimum_days for share in moved)
    return BreakEven(timedelta(days=max(int(days), owed)))


def outlived(
    shares: Iterable[ClassShare], to: str, prices: PriceList, left: timedelta, kept: timedelta
) -> bool:
    """Say whether leaving it until it is deleted costs no more than moving it, which starts its age anew."""
    moved = tuple(shares)
    target = prices.prices[to]
    now = sum((_usd_a_day(share, prices.prices[share.storage_class]) for share in moved), Decimal(0))
    later = sum((_usd_a_day(share, target) for share in moved), Decimal(0))
    return now * _days(left) <= _entry_usd(moved, target, prices) + later * max(
        _days(kept), Decimal(target.minimum_days)
    )


def _entry_usd(shares: Iterable[ClassShare], target: Price, prices: PriceList) -> Decimal:
    """Return what a move costs at once: requests, and reading out of the class now."""
    return sum(
        (
            share.movable_count * target.usd_per_request
            + share.movable_bytes / _GIB * prices.prices[share.storage_class].usd_gib_retrieved
            for share in shares
        ),
        Decimal(0),
    )


def _unknown(classes: Iterable[str], to: str, prices: PriceList) -> str:
    target = prices.prices.get(to)
    if target is None or not target.takes_confirmed:
        return to
    known = {name for name, price in prices.prices.items() if price.is_confirmed}
    return next((name for name in (to, *classes) if name not in known), "")


def _less_a_day(share: ClassShare, target: Price, prices: PriceList) -> Decimal:
    return _usd_a_day(share, prices.prices[share.storage_class]) - _usd_a_day(share, target)


def _usd_a_day(share: ClassShare, price: Price) -> Decimal:
    a_month = share.movable_bytes / _GIB * price.usd_gib_month
    return (a_month + share.movable_count * price.usd_per_object_month) / _DAYS_PER_MONTH


def _days(span: timedelta) -> Decimal:
    return Decimal(span / timedelta(days=1))
