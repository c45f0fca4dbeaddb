"""Reads price files with their checks: no day and no GB may have two prices, or fall between two.

The files kept here and a company's own ones (`prices` in moraine.yaml) have one form and the same checks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipelines.domain.yaml_text import line_of, parse_yaml
from pipelines.errors import Terminal
from pipelines.reference.price_list import FOREVER, Key, Price, PriceList
from pipelines.reference.written import read_written


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a price file must not say: where in its `prices`, what, and the way out."""

    row: int
    problem: str
    fix: str


def read_price_file(path: Path) -> PriceList:
    """Return a company's own price file as values.

    Raises:
        Terminal: it is missing, has another form, or leaves gaps or overlaps; the message names the line.
    """
    fix = "Name a readable file under 'prices' in moraine.yaml; paths start at that file."
    return parse_prices(read_written(path, "the price file", fix), origin=str(path))


def parse_prices(text: str, *, origin: str) -> PriceList:
    """Return the text of a price file as values.

    Raises:
        Terminal: with the line and the fix.
    """
    listed = parse_yaml(text, PriceList, origin=origin)
    for fault in faults(listed):
        line = line_of(text, ("prices", fault.row))
        raise Terminal(fault.problem, where=f"{origin}, line {line}, prices.{fault.row}", fix=fault.fix)
    return listed


def faults(listed: PriceList) -> Iterator[Fault]:
    """Yield what keeps a list from giving one price for every day and GB between its first and last."""
    groups: dict[Key, list[int]] = {}
    for row, price in enumerate(listed.prices):
        groups.setdefault(listed.key(price), []).append(row)
    for key, rows in groups.items():
        yield from _faults_of(key, rows, listed.prices)


def _faults_of(key: Key, rows: Sequence[int], prices: Sequence[Price]) -> Iterator[Fault]:
    name = " ".join(filter(None, key))
    for row in rows:
        yield from _faults_alone(name, row, prices[row], prices[rows[0]].unit)
    periods: dict[tuple[object, object], list[int]] = {}
    for row in rows:
        periods.setdefault((prices[row].valid_from, prices[row].valid_until), []).append(row)
    yield from _date_faults(name, [min(found) for found in periods.values()], prices)
    for found in periods.values():
        yield from _tier_faults(name, found, prices)


def _faults_alone(name: str, row: int, price: Price, unit: str) -> Iterator[Fault]:
    if price.valid_until <= price.valid_from:
        yield Fault(row, f"{name} ends before it begins", "Write a 'valid_until' after 'valid_from'.")
    if price.to_gb is not None and price.to_gb <= price.from_gb:
        yield Fault(row, f"a tier of {name} ends before it begins", "Write a 'to_gb' above 'from_gb'.")
    if price.unit != unit:
        yield Fault(row, f"{name} has two units, {unit} and {price.unit}", "Give all its rows one unit.")


def _date_faults(name: str, rows: Sequence[int], prices: Sequence[Price]) -> Iterator[Fault]:
    ordered = sorted(rows, key=lambda row: prices[row].valid_from)
    for before, row in pairwise(ordered):
        ends, begins = prices[before].valid_until, prices[row].valid_from
        if ends > begins:
            until = "" if ends == FOREVER else f" until {ends}"
            yield Fault(
                row,
                f"{name} has two prices from {begins} on: the one before it holds{until}",
                f"Give the row before it 'valid_until: {begins}'; tiers of one time have the same dates.",
            )
        if ends < begins:
            yield Fault(
                row,
                f"{name} has no price from {ends} to {begins}",
                f"Write 'valid_from: {ends}', or add the price of the time between.",
            )


def _tier_faults(name: str, rows: Sequence[int], prices: Sequence[Price]) -> Iterator[Fault]:
    reached: int | None = 0
    for row in sorted(rows, key=lambda row: prices[row].from_gb):
        begins = prices[row].from_gb
        if reached is None or begins < reached:
            yield Fault(
                row,
                f"{name} has two prices from {begins} GB on",
                f"Give the tier before it 'to_gb: {begins}', or take one of the two out.",
            )
        elif begins > reached:
            yield Fault(
                row, f"{name} has no price from {reached} to {begins} GB", f"Write 'from_gb: {reached}' here."
            )
        reached = prices[row].to_gb
