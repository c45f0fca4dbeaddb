"""What going back costs: requests, reading out of a class, and the rest of its minimum time. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from lifecycle.model import PriceList, Scheme

_GIB = Decimal(1024**3)
_MICRO_DOLLAR = Decimal("0.000001")
_DAYS_PER_MONTH = 30


@dataclass(frozen=True, slots=True)
class Leg:
    """The way of objects that went back alike."""

    scheme: Scheme
    left: str
    """The class they were in; empty where they were deleted."""
    entered: str
    days_there: int
    """Whole days since they came into the class that they left."""


@dataclass(slots=True)
class Tally:
    """Objects and bytes by the way they went: as few rows as there are classes and days."""

    objects: dict[Leg, int] = field(default_factory=dict)
    size_bytes: dict[Leg, int] = field(default_factory=dict)

    def add(self, leg: Leg, size_bytes: int) -> None:
        """One more object."""
        self.objects[leg] = self.objects.get(leg, 0) + 1
        self.size_bytes[leg] = self.size_bytes.get(leg, 0) + size_bytes


@dataclass(frozen=True, slots=True)
class UndoCost:
    """What going back costs, as listed."""

    one_off_usd: Decimal = Decimal(0)
    """Requests, reading out, and days of a minimum storage time that were left."""
    usd_month: Decimal = Decimal(0)
    """What the bytes cost more a month from now on."""
    unpriced_bytes: int = 0
    """Bytes of classes without a price: what they cost is not in here."""


def cost_of(tally: Tally, prices: Mapping[Scheme, PriceList]) -> UndoCost:
    """Return the list cost of a way back; deletes that are taken back cost nothing at once."""
    one_off, monthly, unpriced = Decimal(0), Decimal(0), 0
    for leg, count in tally.objects.items():
        known = prices.get(leg.scheme)
        size = tally.size_bytes[leg]
        if known is None or any(name not in known.prices for name in _classes(leg)):
            unpriced += size
            continue
        one_off += _one_off(leg, count, size, known)
        monthly += size / _GIB * (_rate(leg.entered, known) - _rate(leg.left, known))
    return UndoCost(_rounded(one_off), _rounded(monthly), unpriced)


def _classes(leg: Leg) -> Iterator[str]:
    yield leg.entered
    if leg.left:
        yield leg.left


def _one_off(leg: Leg, count: int, size_bytes: int, known: PriceList) -> Decimal:
    if not leg.left:
        return Decimal(0)
    left, entered = known.prices[leg.left], known.prices[leg.entered]
    days_early = max(0, left.minimum_days - leg.days_there)
    early = left.usd_gib_month * days_early / _DAYS_PER_MONTH
    return count * entered.usd_per_request + size_bytes / _GIB * (left.usd_gib_retrieved + early)


def _rate(storage_class: str, known: PriceList) -> Decimal:
    return known.prices[storage_class].usd_gib_month if storage_class else Decimal(0)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_MICRO_DOLLAR, rounding=ROUND_HALF_EVEN)
