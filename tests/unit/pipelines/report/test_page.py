"""The page says what the screen says, loads nothing, and lets no name be more than a text."""

import re
from html.parser import HTMLParser

import duckdb
import pytest

from pipelines.report import render

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page, and insists that every element is closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag != "style")

    def within(self, tag: str) -> list[str]:
        return [text for element, text in self.texts if element == tag]


def words(text: str) -> list[str]:
    return re.sub("[ \n]+", " ", text).split()


def test_it_says_what_the_screen_says(snapshot: duckdb.DuckDBPyConnection) -> None:
    page = Page(render(snapshot, "html"))

    assert page.text.count("▁" * 57 + "███") == 1
    assert "Prefix costs $57.00 + residual $33.00 = bill $90.00 (30 days, exact)" in page.text
    for word in set(words(render(snapshot, "text", width=1000))):
        assert word in page.text
    assert "2026-11-19" in page.within("title")[0]


def test_it_is_made_of_headings_and_tables(snapshot: duckdb.DuckDBPyConnection) -> None:
    page = Page(render(snapshot, "html"))
    tags = [tag for tag, _ in page.elements]

    assert tags.count("h1") == 1
    assert tags.count("h2") == 5
    assert tags.count("table") == 7
    assert {"layer", "team", "prefix", "run", "30 days"} <= set(page.within("th"))
    assert ("td", {"class": "number"}) in page.elements
    assert [each for tag, each in page.elements if tag == "html"] == [{"lang": "en"}]


def test_what_went_wrong_is_marked(writer: duckdb.DuckDBPyConnection) -> None:
    html = render(writer, "html")

    assert '<span class="yellow">  warned: costs_have_owners: 30% (Amazon EC2)</span>' in html
    assert '<span class="bold red">+35% (+$40.00)</span>' in html


def test_it_loads_nothing_and_runs_nothing(snapshot: duckdb.DuckDBPyConnection) -> None:
    html = render(snapshot, "html")
    page = Page(html)

    assert not {"script", "link", "img", "iframe", "object", "form", "a"} & {tag for tag, _ in page.elements}
    assert not {"src", "href", "style", "onload"} & {name for _, each in page.elements for name in each}
    assert "url(" not in html
    assert "@import" not in html
    policies = [each["content"] for _, each in page.elements if "http-equiv" in each]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_it_suits_the_dark_and_paper(snapshot: duckdb.DuckDBPyConnection) -> None:
    html = render(snapshot, "html")
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=1>', "{{ 7 * 7 }}", "&lt;"]
)
def test_names_are_texts(writer: duckdb.DuckDBPyConnection, name: str, hostile: str) -> None:
    for table, column in (
        *(("prefix_costs", "prefix"), ("hidden_bytes", "bucket"), ("hidden_bytes", "how_to_fix")),
        *(("checkpoint_waste", "run"), ("storage_daily", "bucket"), ("quality_results", "observed")),
    ):
        writer.execute(f"update marts.{table} set {column} = ?", [name + hostile])
    page = Page(render(writer, "html"))

    assert name in page.text
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert "\x1b" not in page.text


def test_long_names_are_whole(writer: duckdb.DuckDBPyConnection) -> None:
    long = "deep/" * 200
    writer.execute("update marts.prefix_costs set prefix = ? where not is_residual", [long])
    assert f"s3://train/{long}" in Page(render(writer, "html")).text
