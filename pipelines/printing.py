"""Answers on standard output: tables for people, JSON for machines."""

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.domain.text import to_json, visible


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(to_json(value) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for a terminal."""
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(value), justify=_side(value)) for value in row))
    Console().print(table)


def _side(value: object) -> Literal["left", "right"]:
    return "right" if isinstance(value, int | float | Decimal) else "left"
