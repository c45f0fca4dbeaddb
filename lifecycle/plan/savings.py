"""What clearing a checkpoint saves a month, and what it costs once. Pure.

A saving is net: minimum storage times that are not over, requests, what a class bills beside the bytes, and
what stays behind (versions for good, soft-deleted bytes for some days) are taken off.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from lifecycle.decide.checkpoints import movable
from lifecycle.model import Artifact, BucketCapability, ClassShare, Line, PriceList, Surroundings

_GIB = Decimal(1024**3)
_MICRO_DOLLAR = Decimal("0.000001")
_DAYS_PER_MONTH = 30


def archived(line: Line, artifact: Artifact, to: str, around: Surroundings) -> Line:
    """Return the line of a checkpoint whose hotter objects move to a class."""
    shares = movable(artifact, to)
    count, size = _sum(shares)
    prices = around.prices_of(artifact.scheme)
    # A rule reads nothing out and leaves nothing behind; setting a tag is billed like putting an object.
    by_copy = _retrieval(shares, prices) + _left_behind(
        shares, prices, around.capabilities.get(artifact.place)
    )
    once = (
        count * (prices.prices[to].usd_per_request if to in prices.prices else 0)
        + (count * _tagging(prices) if line.path == "tag-and-rule" else by_copy)
        + _early_charges(artifact, shares, around)
    )
    return replace(
        line,
        decision="archive",
        action_count=count,
        action_bytes=size,
        target_class=to,
        from_classes=tuple(sorted(share.storage_class for share in shares)),
        saving_usd_month=rounded(artifact.cost_usd_month * _saved_share(artifact, shares, to, prices)),
        one_off_usd=rounded(once),
    )


def deleted(line: Line, artifact: Artifact, around: Surroundings) -> Line:
    """Return the line of a checkpoint that goes."""
    shares = tuple(share for share in artifact.classes if share.object_count)
    capability = around.capabilities.get(artifact.place)
    keeps_versions = capability is not None and capability.versioning == "on"
    stays = line.path == "delete-marker" or (line.path == "soft-delete" and keeps_versions)
    once = _early_charges(artifact, shares, around) + artifact.cost_usd_month * _months_behind(capability)
    return replace(
        line,
        action_count=sum(share.object_count for share in shares),
        action_bytes=sum(share.size_bytes for share in shares),
        saving_usd_month=Decimal(0) if stays else artifact.cost_usd_month,
        tail_usd_month=artifact.cost_usd_month if stays else Decimal(0),
        one_off_usd=Decimal(0) if stays else rounded(once),
    )


def _tagging(prices: PriceList) -> Decimal:
    return prices.prices["STANDARD"].usd_per_request if "STANDARD" in prices.prices else Decimal(0)


def _left_behind(
    shares: Iterable[ClassShare], prices: PriceList, capability: BucketCapability | None
) -> Decimal:
    """Return what the bytes that a copy replaces still cost, where the store keeps them for some days."""
    usd = sum(
        (share.movable_bytes / _GIB * _rate(share.storage_class, prices) for share in shares), Decimal(0)
    )
    return usd * _months_behind(capability)


def _months_behind(capability: BucketCapability | None) -> Decimal:
    return Decimal(capability.soft_delete_days) / _DAYS_PER_MONTH if capability else Decimal(0)


def _saved_share(artifact: Artifact, moved: Iterable[ClassShare], to: str, prices: PriceList) -> Decimal:
    """Return which share of the checkpoint's cost a move saves.

    What it costs now comes from the snapshot, discounts included; how much less a class costs, from the list.
    """
    now = sum(
        (share.size_bytes * _rate(share.storage_class, prices) for share in artifact.classes), Decimal(0)
    )
    target = prices.prices.get(to)
    if target is None or not now:
        return Decimal(0)
    saved = sum(
        (
            share.movable_bytes * (_rate(share.storage_class, prices) - target.usd_gib_month)
            - share.movable_count * target.usd_per_object_month * _GIB
            for share in moved
        ),
        Decimal(0),
    )
    return saved / now


def _retrieval(shares: Iterable[ClassShare], prices: PriceList) -> Decimal:
    """Return what reading the bytes out of their class costs."""
    charge = Decimal(0)
    for share in shares:
        price = prices.prices.get(share.storage_class)
        charge += share.movable_bytes / _GIB * price.usd_gib_retrieved if price else 0
    return charge


def _early_charges(artifact: Artifact, shares: Iterable[ClassShare], around: Surroundings) -> Decimal:
    """Return what leaving a class before its minimum time costs."""
    age_days = (around.as_of - artifact.last_modified_at.date()).days
    prices, charge = around.prices_of(artifact.scheme).prices, Decimal(0)
    for share in shares:
        price = prices.get(share.storage_class)
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
