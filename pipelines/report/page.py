"""The report as one page that works offline: what the screen says, laid out by browsers and printers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from pipelines.report.figures import BARS
from pipelines.report.layout import Title
from pipelines.report.tables import Report
from pipelines.report.terminal import report_lines

UNBOUNDED = 100_000
"""A page is as wide as it likes: nothing is cut for it."""

Words = list[tuple[str, str]]
"""Text in pieces, each with the classes that say how it looks."""


@dataclass(frozen=True, slots=True)
class _Cell:
    words: Words
    classes: str


@dataclass(frozen=True, slots=True)
class _Block:
    """`kind` is `title`, `line`, `table` or `grid`; only the fields of its kind are filled."""

    kind: str
    words: Words | None = None
    header: list[_Cell] | None = None
    rows: list[list[_Cell]] | None = None
    tables: "list[_Block] | None" = None


def report_as_page(report: Report) -> str:
    """Return one HTML page. It loads nothing and runs no script."""
    head, *blocks = _blocks(report)
    return _template().render(day=report.snapshot.as_of.isoformat(), head=head, blocks=blocks) + "\n"


def _blocks(report: Report) -> Iterator[_Block]:
    for line in report_lines(report, UNBOUNDED):
        match line:
            case Title():
                yield _Block("title", words=_words(line))
            case Text():
                yield _Block("line", words=_words(line))
            case Table():
                yield _table(line)


def _table(table: Table) -> _Block:
    columns = [list(column.cells) for column in table.columns]
    if columns and all(isinstance(cell, Table) for column in columns for cell in column):
        # Tables side by side are the cells of a grid.
        tables = [_table(cell) for column in columns for cell in column if isinstance(cell, Table)]
        return _Block("grid", tables=tables)
    sides = ["number" if column.justify == "right" else "" for column in table.columns]
    header = [_Cell(_words(column.header), side) for column, side in zip(table.columns, sides, strict=True)]
    styles = [str(row.style or "") for row in table.rows]
    rows = [
        [_cell(cell, f"{side} {style}") for cell, side in zip(line, sides, strict=True)]
        for line, style in zip(zip(*columns, strict=True), styles, strict=True)
    ]
    return _Block("table", header=header if table.show_header else None, rows=rows)


def _cell(content: object, classes: str) -> _Cell:
    words = _words(content)
    text = "".join(text for text, _ in words).strip()
    is_bars = bool(text) and set(text) <= {*BARS, " "}
    return _Cell(words, " ".join([*classes.split(), *(["bars"] if is_bars else [])]))


def _words(content: object) -> Words:
    if not isinstance(content, Text):
        return [(str(content), "")]
    # The air above a line is the page's affair.
    text = content[1:] if content.plain.startswith("\n") else content
    if not text.spans:
        return [(text.plain, _classes(_console().get_style(content.style)))]
    return [(piece.text, _classes(piece.style)) for piece in text.render(_console()) if piece.text]


def _classes(style: Style | None) -> str:
    if style is None:
        return ""
    color = style.color.name if style.color else ""
    return " ".join(filter(None, ("bold" if style.bold else "", "dim" if style.dim else "", color)))


@cache
def _console() -> Console:
    return Console(width=UNBOUNDED, color_system=None)


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(files("pipelines.report").joinpath("report.html").read_text("utf-8"))
