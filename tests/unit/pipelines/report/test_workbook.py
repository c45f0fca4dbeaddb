"""The workbook, read back from its own XML: numbers are numbers, names are texts, nothing can run."""

import io
import re
import zipfile
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

import duckdb
import pytest

from pipelines.errors import Terminal
from pipelines.report import render_workbook
from pipelines.report.tables import Hidden, read_report
from pipelines.report.workbook import report_as_workbook

NAMES = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
SECTIONS = [
    *("snapshot", "checks", "quarantined", "restated", "currencies", "costs_by_layer", "costs_by_team"),
    *(
        "costs_by_day",
        "month",
        "changes",
        "effects",
        "anomalies",
        "storage",
        "prefixes",
        "closing",
        "egress",
        "hidden",
        "runs",
        "waste",
        "saved",
    ),
]


@dataclass(frozen=True)
class Cell:
    kind: str
    text: str
    number_format: str
    is_quoted: bool


class Book:
    """What a spreadsheet sees of a file."""

    def __init__(self, data: bytes) -> None:
        self.file = zipfile.ZipFile(io.BytesIO(data))
        self.shared = [
            "".join(part.text or "" for part in item.iterfind(".//m:t", NAMES))
            for item in self.xml("xl/sharedStrings.xml")
        ]
        styles = self.xml("xl/styles.xml")
        codes = {
            each.get("numFmtId"): each.get("formatCode") for each in styles.iterfind("m:numFmts/*", NAMES)
        }
        codes |= {"0": "General", "3": "#,##0", "4": "#,##0.00", "49": "@"}
        self.styles = [
            (str(codes[each.get("numFmtId")]), each.get("quotePrefix") == "1")
            for each in styles.iterfind("m:cellXfs/m:xf", NAMES)
        ]

    def xml(self, path: str) -> ET.Element:
        return ET.fromstring(self.file.read(path))  # noqa: S314  (our own file)

    @property
    def names(self) -> list[str]:
        return [str(each.get("name")) for each in self.xml("xl/workbook.xml").iterfind("m:sheets/*", NAMES)]

    def sheet(self, name: str) -> ET.Element:
        return self.xml(f"xl/worksheets/sheet{self.names.index(name) + 1}.xml")

    def rows(self, name: str) -> list[dict[str, Cell]]:
        """Return the rows below the header, by column."""
        header, *rows = self.sheet(name).iterfind(".//m:row", NAMES)
        columns = {self._column(cell): self._cell(cell).text for cell in header}
        return [{columns[self._column(cell)]: self._cell(cell) for cell in row} for row in rows]

    def header(self, name: str) -> list[str]:
        return [self._cell(cell).text for cell in next(self.sheet(name).iterfind(".//m:row", NAMES))]

    def _cell(self, cell: ET.Element) -> Cell:
        value = cell.findtext("m:v", "", NAMES)
        kind = cell.get("t", "n")
        text = self.shared[int(value)] if kind == "s" else value
        return Cell(kind, text, *self.styles[int(cell.get("s", "0"))])

    @staticmethod
    def _column(cell: ET.Element) -> str:
        return re.sub(r"\d", "", str(cell.get("r")))


def test_each_section_is_a_sheet_with_its_columns_even_without_rows(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    book = Book(render_workbook(snapshot))

    assert book.names == SECTIONS
    assert book.header("quarantined") == [
        *("source", "delivery_id", "scope", "delivered_at", "reason", "how_to_fix")
    ]
    assert book.rows("quarantined") == []
    assert book.header("hidden") == [
        *("bucket", "kind", "object_count", "size_bytes", "cost_usd_month", "how_to_fix")
    ]
    assert [row["name"].text for row in book.rows("currencies")] == ["USD"]
    assert len(book.rows("costs_by_day")) == 60


def test_the_header_of_each_sheet_stays_in_sight_and_columns_are_wide_enough(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    book = Book(render_workbook(snapshot))

    for name in SECTIONS:
        pane = book.sheet(name).find(".//m:pane", NAMES)
        assert pane is not None
        assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
    widths = [float(str(each.get("width"))) for each in book.sheet("hidden").iterfind("m:cols/*", NAMES)]
    assert widths[4] > len("cost_usd_month")
    assert max(widths) < 70


def test_numbers_are_numbers_in_the_form_of_what_they_count(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("update marts.hidden_bytes set cost_usd_month = -12.5")
    book = Book(render_workbook(writer))

    (hidden,) = book.rows("hidden")
    assert hidden["cost_usd_month"] == Cell("n", "-12.5", "#,##0.00", False)
    assert hidden["size_bytes"] == Cell("n", "1073741824", "#,##0", False)
    assert book.rows("costs_by_layer")[0]["share"].number_format == "0.0%"
    (facts,) = book.rows("snapshot")
    # Days since 1899-12-30, as spreadsheets count them.
    assert facts["as_of"] == Cell("n", "46345", "yyyy-mm-dd", False)
    assert facts["published_at"].number_format == "yyyy-mm-dd hh:mm:ss"
    assert float(facts["published_at"].text) == pytest.approx(46346 + 6.5 / 24)


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@sum", "=HYPERLINK(1)", "a;=cmd()"])
def test_a_name_like_a_formula_is_a_text_even_for_who_edits_it(
    writer: duckdb.DuckDBPyConnection, name: str
) -> None:
    writer.execute("update marts.hidden_bytes set bucket = ?", [name])

    data = render_workbook(writer)

    assert Book(data).rows("hidden")[0]["bucket"] == Cell("s", name, "@", True)
    assert not any(b"<f>" in Book(data).file.read(path) for path in Book(data).file.namelist())


def test_no_name_is_a_link(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(
        "update marts.hidden_bytes set bucket = 'https://example.org/', how_to_fix = 'mailto:a@b.c'"
    )
    book = Book(render_workbook(writer))

    assert book.rows("hidden")[0]["bucket"] == Cell("s", "https://example.org/", "@", False)
    assert not [path for path in book.file.namelist() if "worksheets/_rels" in path]


def test_control_characters_are_shown_and_every_part_is_xml(
    writer: duckdb.DuckDBPyConnection, hostile: str
) -> None:
    nasty = f"\x00\x0b\t\r\n\u202e\uffff_x0041_{hostile}</t>&"
    writer.execute("update marts.hidden_bytes set bucket = ?", [nasty])
    book = Book(render_workbook(writer))

    for path in book.file.namelist():
        book.xml(path)
    shown = book.rows("hidden")[0]["bucket"].text
    assert shown.startswith(r"\x00\x0b\t\r\n\u202e")
    assert r"\x1b[2J" in shown


def test_what_is_too_long_for_a_cell_is_cut_and_says_so(writer: duckdb.DuckDBPyConnection) -> None:
    for character, length in (("a", 32_767), ("\U0001f600", 16_383)):
        text = character * length
        writer.execute("update marts.hidden_bytes set bucket = ?, how_to_fix = ?", [text, text + character])
        (row,) = Book(render_workbook(writer)).rows("hidden")
        assert row["bucket"].text == text
        assert row["how_to_fix"].text.endswith("… (cut)")
        assert len(row["how_to_fix"].text.encode("utf-16-le")) <= 2 * 32_767


def test_more_rows_than_a_sheet_holds_are_refused(snapshot: duckdb.DuckDBPyConnection) -> None:
    report = read_report(snapshot)
    row = Hidden("b", "multipart", 1, 1, report.closing.bill, "Abort them.")

    with pytest.raises(Terminal, match="hidden has 1,048,576 rows, and a sheet holds 1,048,575") as caught:
        report_as_workbook(replace(report, hidden=(row,) * 1_048_576))
    assert "csv" in caught.value.fix


def test_the_same_snapshot_gives_the_same_bytes(snapshot: duckdb.DuckDBPyConnection) -> None:
    data = render_workbook(snapshot)

    assert render_workbook(snapshot) == data
    assert b"2026-11-20T06:30:00Z" in Book(data).file.read("docProps/core.xml")
