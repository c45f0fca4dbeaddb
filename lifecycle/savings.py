"""What clearing a checkpoint saves a month, and what it costs once. Pure.

A saving is net: minimum storage times that are not over, requests, and versions that stay are taken off.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from lifecycle.decide import movable
from lifecycle.model import Artifact, ClassShare, Facts, Line, PriceList

_GIB = Decimal(1024**3)
_MICRO_DOLLAR = Decimal("0.000001")
_DAYS_PER_MONTH = 30


def archived(line: Line, artifact: Artifact, to: str, facts: Facts) -> Line:
    """Return the line of a checkpoint whose hotter objects move to a class."""
    shares = movable(artifact, to)
    count, size = _sum(shares)
    requests = count * facts.prices.prices[to].usd_per_request
    return replace(
        line,
        decision="archive",
        action_count=count,
        action_bytes=size,
        target_class=to,
        from_classes=tuple(sorted(share.storage_class for share in shares)),
        saving_usd_month=rounded(artifact.cost_usd_month * _saved_share(artifact, shares, to, facts.prices)),
        one_off_usd=rounded(
            requests + _retrieval(shares, facts.prices) + _early_charges(artifact, shares, facts)
        ),
    )


def deleted(line: Line, artifact: Artifact, facts: Facts) -> Line:
    """Return the line of a checkpoint that goes."""
    shares = tuple(share for share in artifact.classes if share.object_count)
    size = sum(share.size_bytes for share in shares)
    stays = line.path == "delete-marker"
    return replace(
        line,
        action_count=sum(share.object_count for share in shares),
        action_bytes=size,
        saving_usd_month=Decimal(0) if stays else artifact.cost_usd_month,
        tail_usd_month=artifact.cost_usd_month if stays else Decimal(0),
        one_off_usd=Decimal(0) if stays else rounded(_early_charges(artifact, shares, facts)),
    )


def _saved_share(artifact: Artifact, moved: Iterable[ClassShare], to: str, prices: PriceList) -> Decimal:
    """Return which share of the checkpoint's cost a move saves.

    What it costs now comes from the snapshot, discounts included; how much less a class costs, from the list.
    """
    now = sum(
        (share.size_bytes * _rate(share.storage_class, prices) for share in artifact.classes), Decimal(0)
    )
    target = _rate(to, prices)
    saved = sum(
        (share.movable_bytes * (_rate(share.storage_class, prices) - target) for share in moved), Decimal(0)
    )
    return saved / now if now else Decimal(0)


def _retrieval(shares: Iterable[ClassShare], prices: PriceList) -> Decimal:
    """Return what reading the bytes out of their class costs."""
    charge = Decimal(0)
    for share in shares:
        price = prices.prices.get(share.storage_class)
        charge += share.movable_bytes / _GIB * price.usd_gib_retrieved if price else 0
    return charge


def _early_charges(artifact: Artifact, shares: Iterable[ClassShare], facts: Facts) -> Decimal:
    """Return what leaving a class before its minimum time costs."""
    age_days = (facts.as_of - artifact.last_modified_at.date()).days
    charge = Decimal(0)
    for share in shares:
        price = facts.prices.prices.get(share.storage_class)
        if price and price.minimum_days > age_days:
            left = Decimal(price.minimum_days - age_days) / _DAYS_PER_MONTH
            charge += share.size_bytes / _GIB * price.usd_gib_month * left
    return charge


def _rate(storage_class: str, prices: PriceList) -> Decimal:
    price = prices.prices.get(storage_class)
    return price.usd_gib_month if price else Decimal(0)


def _sum(shares: Iterable[ClassShare]) -> tuple[int, int]:
    known = tuple(shares)
    return sum(share.movable_count for share in known), sum(share.movable_bytes for share in known)


def rounded(amount: Decimal) -> Decimal:
    """Return an amount in whole millionths of a dollar."""
    return amount.quantize(_MICRO_DOLLAR, rounding=ROUND_HALF_EVEN)
