"""The report for machines and spreadsheets, from the same rows as the screen."""

import csv
import dataclasses
import io
from collections.abc import Iterator

from pipelines.domain.text import to_json, visible
from pipelines.report.tables import Report

HEADER = ("section", "row", "field", "value")


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
            writer.writerows((field.name, number, name, value) for name, value in _values(row))
    return text.getvalue()


def _values(row: object) -> Iterator[tuple[str, str]]:
    if not dataclasses.is_dataclass(row):
        yield "name", _cell(row)
        return
    for field in dataclasses.fields(row):
        yield field.name, _cell(getattr(row, field.name))


def _cell(value: object) -> str:
    text = visible(value)
    # A spreadsheet would run a name that begins like a formula.
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@")) else text
