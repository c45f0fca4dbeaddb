"""Numbers as people read them: money, sizes, shares, and sixty days in one line."""

from collections.abc import Sequence
from decimal import Decimal

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
BARS = "▁▂▃▄▅▆▇█"
LEAST_DAYS = 3
"""Days of a month before anything is said of its end."""
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def money(amount: Decimal, currency: str = "USD", *, signed: bool = False) -> str:
    """Return an amount to the cent, rounded half to even, the sign before the currency.

    >>> money(Decimal("-1234.567"))
    '-$1,234.57'
    """
    symbol = SYMBOLS.get(currency, f"{currency} ")
    rounded = round(amount, 2)
    sign = "-" if amount < 0 else "+" if signed else ""
    if amount and not rounded:
        return f"{sign}<{symbol}0.01"
    return f"{sign}{symbol}{abs(rounded):,.2f}"


def size(count: int) -> str:
    """Return bytes with three digits.

    >>> size(1536)
    '1.50 KiB'
    """
    amount, unit = float(count), 0
    while abs(amount) >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    digits = 0 if unit == 0 or abs(amount) >= 99.95 else 1 if abs(amount) >= 9.995 else 2
    return f"{amount:.{digits}f} {UNITS[unit]}"


def share(part: float | None) -> str:
    """Return a share of one as percent; nothing of nothing has none.

    >>> share(0.004)
    '<1%'
    """
    if part is None:
        return ""
    return "<1%" if 0 < part < 0.005 else f"{part:.0%}"


def change(before: Decimal, after: Decimal) -> str:
    """Return how much more `after` is than `before`; from nothing there is no percentage.

    >>> change(Decimal(50), Decimal(75))
    '+50%'
    """
    return "new" if not before else f"{(after - before) / abs(before):+.0%}"


def forecast(spent: Decimal, days_billed: int, days: int) -> Decimal | None:
    """Return what a month of so many days comes to at the pace so far; two days or fewer are no pace.

    >>> forecast(Decimal(300), 10, 30)
    Decimal('900')
    """
    return None if days_billed < LEAST_DAYS else spent * days / days_billed


def sparkline(amounts: Sequence[Decimal | None]) -> str:
    """Return one bar per amount between the lowest and the highest; a gap where there is none.

    >>> sparkline([Decimal(1), None, Decimal(3)])
    '▁ █'
    """
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or Decimal(1)
    top = len(BARS) - 1
    return "".join(" " if one is None else BARS[int((one - low) / span * top)] for one in amounts)


def tail(text: str, width: int) -> str:
    """Return the end of a path, where paths differ, in at most `width` characters.

    >>> tail("s3://bucket/run/step", 9)
    '…run/step'
    """
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"


def counted(count: int, thing: str, things: str = "") -> str:
    """Return a count with its noun.

    >>> counted(2, "run")
    '2 runs'
    """
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {things or thing + 's'}"
