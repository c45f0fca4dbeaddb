"""Answers on standard output: tables for people, JSON for machines."""

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipelines.domain.text import to_json, visible

_UNBOUNDED = 100_000


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(to_json(value) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for a terminal."""
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(visible(value), justify=_side(value)) for value in row))
    console = Console()
    # A value is shown whole: a line may be longer than the screen, as in other query tools, but never cut.
    widest = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), table).maximum
    # A console prints nothing wider than itself.
    Console(width=max(widest, console.width)).print(table, crop=False, soft_wrap=True)


def _side(value: object) -> Literal["left", "right"]:
    return "right" if isinstance(value, int | float | Decimal) else "left"
