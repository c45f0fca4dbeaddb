"""Lines of a bill, and the habits that make them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pipelines.demo.chance import fraction

_TEN_DECIMALS = Decimal("0.0000000001")
_WEEKEND = 0.55


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured, how the bill calls it, and what one unit costs."""

    product: str
    usage_type: str
    operation: str
    unit: str
    usd: str
    description: str

    @property
    def rate(self) -> Decimal:
        """USD per unit."""
        return Decimal(self.usd)


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a bill: a meter, a resource, a day."""

    day: date
    account: str
    meter: Meter
    quantity: Decimal
    resource: str = ""
    team: str = ""
    """The tag `user_team`, on the lines that carry it."""
    kind: Literal["Usage", "Tax", "Credit"] = "Usage"

    @property
    def cost(self) -> Decimal:
        """USD, to ten decimals as the provider gives it."""
        return (self.quantity * self.meter.rate).quantize(_TEN_DECIMALS)


@dataclass(frozen=True, slots=True)
class Habit:
    """Usage that repeats: so much on a working day, less at weekends, never twice the same."""

    account: str
    meter: Meter
    daily: float
    resource: str = ""
    team: str = ""
    is_steady: bool = False
    """The same every day: a gateway's hours, a disk."""

    def on(self, day: date, factor: int = 1) -> Charge:
        """Return the day's charge."""
        quantity = self.daily * factor
        if not self.is_steady:
            rhythm = _WEEKEND if day.weekday() >= 5 else 1.0
            noise = fraction(
                "habit", self.account, self.meter.usage_type, self.meter.operation, self.team, day
            )
            quantity *= rhythm * (0.96 + 0.08 * noise)
        return Charge(day, self.account, self.meter, Decimal(f"{quantity:.6f}"), self.resource, self.team)
