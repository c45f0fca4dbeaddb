"""The report for machines and spreadsheets, from the same rows as the screen."""

import csv
import dataclasses
import io
import re
from collections.abc import Iterator
from decimal import Decimal

from pipelines.domain.text import to_json, visible
from pipelines.report.tables import Report

HEADER = ("section", "row", "field", "value")

_FORMULA = re.compile(r"(^|;)(?=[\s\"']*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet would begin a formula: at the start of a cell, and after another separator."""


def report_as_json(report: Report) -> str:
    """Return one JSON document."""
    return to_json(report) + "\n"


def report_as_csv(report: Report) -> str:
    """Return one line per value, which every spreadsheet can pivot: section, row, field, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for field in dataclasses.fields(report):
        part = getattr(report, field.name)
        rows = part if isinstance(part, tuple) else (part,)
        for number, row in enumerate(rows, start=1):
            writer.writerows((field.name, number, name, _cell(value)) for name, value in values(row))
    return text.getvalue()


def values(row: object) -> Iterator[tuple[str, object]]:
    """Yield the fields of a row of the report by name, in their order."""
    if not dataclasses.is_dataclass(row):
        yield "name", row
        return
    for field in dataclasses.fields(row):
        yield field.name, getattr(row, field.name)


def is_like_a_formula(text: str) -> bool:
    """Tell whether a spreadsheet would run a text."""
    return _FORMULA.search(text) is not None


def plain_list(amounts: list[Decimal | None]) -> str:
    """Return amounts as one text with all their digits."""
    return "[" + ", ".join("null" if one is None else f"{one:f}" for one in amounts) + "]"


def _cell(value: object) -> str:
    match value:
        case str():
            return _FORMULA.sub(r"\1'", visible(value))
        case Decimal():
            # Never 0E-12: not every program reads that as a number.
            return f"{value:f}"
        case list():
            return plain_list(value)
    return visible(value)
