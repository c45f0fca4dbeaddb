"""The report as a workbook for finance: a sheet per section, numbers as numbers, names never as formulas.

A spreadsheet keeps 15 digits of a number; JSON and CSV have them all.
"""

import dataclasses
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, get_args, get_type_hints

from pipelines.domain.text import visible
from pipelines.errors import Terminal
from pipelines.report.formats import is_like_a_formula, plain_list, values
from pipelines.report.tables import Report

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_576
"""Rows of a sheet, its header among them."""
MOST_UNITS = 32_767
"""UTF-16 units of a cell."""
CUT = " … (cut)"
WIDEST = 60
"""Characters that a column is wide; longer texts run on."""

_WHOLE, _MONEY = "#,##0", "#,##0.00"
_BY_NAME = {"share": "0.0%", "usd_gb_month": "#,##0.000000", "transferred_gb": "#,##0.000"}
_DAY, _MOMENT = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
_TEXT = "@"

Cell = str | int | float | Decimal | date | None


def report_as_workbook(report: Report) -> bytes:
    """Return an `.xlsx` file; the same snapshot gives the same bytes.

    Raises:
        Terminal: a section has more rows than a sheet holds.
    """
    sections = list(_sections(report))
    for name, _, rows in sections:
        _refuse_too_many(name, len(rows))
    # Most commands write no workbook.
    from xlsxwriter import Workbook  # noqa: PLC0415

    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        snapshot = report.snapshot
        # Without it the file would hold the moment it was written at.
        book.set_properties({"title": f"Moraine, {snapshot.as_of}", "created": snapshot.published_at})
        formats = _Formats(book)
        for name, columns, rows in sections:
            _fill(book.add_worksheet(name), formats, columns, rows)
    return file.getvalue()


class _Formats:
    """The formats of a workbook, each made once."""

    def __init__(self, book: "Workbook") -> None:
        self._book = book
        self._made: dict[tuple[str, bool], Format] = {}
        self.header = book.add_format({"bold": True, "bottom": 1, "num_format": _TEXT})

    def get(self, number_format: str, *, is_quoted: bool = False) -> "Format":
        """Return a format; a quoted text stays text even for somebody who edits the cell."""
        key = number_format, is_quoted
        if key not in self._made:
            self._made[key] = self._book.add_format({"num_format": number_format, "quote_prefix": is_quoted})
        return self._made[key]


def _sections(report: Report) -> Iterator[tuple[str, list[str], Sequence[object]]]:
    """Yield the name, columns and rows of each section; an empty one has its columns all the same."""
    for name, hint in get_type_hints(Report).items():
        part = getattr(report, name)
        kind = get_args(hint)[0] if isinstance(part, tuple) else hint
        is_plain = not dataclasses.is_dataclass(kind)
        columns = ["name"] if is_plain else [column.name for column in dataclasses.fields(kind)]
        yield name, columns, part if isinstance(part, tuple) else (part,)


def _refuse_too_many(section: str, count: int) -> None:
    if count >= MOST_ROWS:
        raise Terminal(
            f"{section} has {count:,} rows, and a sheet holds {MOST_ROWS - 1:,}",
            where="--format xlsx",
            fix="Use --format csv, or read the table with 'moraine sql'.",
        )


def _fill(sheet: "Worksheet", formats: _Formats, columns: Sequence[str], rows: Sequence[object]) -> None:
    widths = [len(name) for name in columns]
    for number, name in enumerate(columns):
        sheet.write_string(0, number, name, formats.header)
    sheet.freeze_panes(1, 0)
    for line, row in enumerate(rows, start=1):
        for number, (name, value) in enumerate(values(row)):
            shown = _write(sheet, formats, (line, number), name, _plain(value))
            widths[number] = max(widths[number], shown)
    for number, width in enumerate(widths):
        sheet.set_column(number, number, min(width, WIDEST) + 2)


def _plain(value: object) -> Cell:
    match value:
        case None | int() | float() | Decimal() | date():
            return value
        case list():
            return plain_list(value)
    return _cut(visible(value))


def _write(sheet: "Worksheet", formats: _Formats, at: tuple[int, int], name: str, value: Cell) -> int:
    """Write one cell, and return how many characters wide it is."""
    match value:
        case None:
            return 0
        case str():
            quoted = formats.get(_TEXT, is_quoted=is_like_a_formula(value))
            sheet.write_string(*at, value, quoted)
            return min(len(value), WIDEST)
        case datetime():
            sheet.write_datetime(*at, value, formats.get(_MOMENT))
            return len(_MOMENT)
        case date():
            sheet.write_datetime(*at, datetime(value.year, value.month, value.day), formats.get(_DAY))  # noqa: DTZ001
            return len(_DAY)
    number_format = _BY_NAME.get(name) or (_WHOLE if isinstance(value, int) else _MONEY)
    sheet.write_number(*at, float(value), formats.get(number_format))
    return len(f"{value:,.2f}")


def _cut(text: str) -> str:
    """Return a text that fits a cell; what is cut says so."""
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * MOST_UNITS:
        return text
    return units[: 2 * (MOST_UNITS - len(CUT))].decode("utf-16-le", "ignore") + CUT
