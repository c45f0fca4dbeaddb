"""Published facts for people: screen, page, workbook, JSON and CSV, and everything known about one object."""

import io

import duckdb
from rich.console import Console

from pipelines.errors import Terminal
from pipelines.report.explained import Explanation
from pipelines.report.explanation import print_explanation
from pipelines.report.formats import report_as_csv, report_as_json
from pipelines.report.listing import Listing
from pipelines.report.page import report_as_page
from pipelines.report.tables import read_report
from pipelines.report.terminal import render_report
from pipelines.report.why import explain
from pipelines.report.workbook import report_as_workbook

__all__ = [
    "Explanation",
    "Listing",
    "explain",
    "print_explanation",
    "render",
    "render_report",
    "render_workbook",
]


def render(connection: duckdb.DuckDBPyConnection, form: str, *, width: int = 110, color: bool = False) -> str:
    """Return what a snapshot says, as `text`, `html`, `json` or `csv`.

    Raises:
        Terminal: there is no such form.
    """
    match form:
        case "text":
            screen = io.StringIO()
            console = Console(
                file=screen, width=width, force_terminal=color, color_system="standard" if color else None
            )
            render_report(connection, console)
            return screen.getvalue()
        case "html":
            return report_as_page(read_report(connection))
        case "json":
            return report_as_json(read_report(connection))
        case "csv":
            return report_as_csv(read_report(connection))
    raise Terminal(
        f"a report cannot be written as {form!r}", where="--format", fix="Use text, html, json or csv."
    )


def render_workbook(connection: duckdb.DuckDBPyConnection) -> bytes:
    """Return what a snapshot says as an `.xlsx` file.

    Raises:
        Terminal: a section has more rows than a sheet holds.
    """
    return report_as_workbook(read_report(connection))
