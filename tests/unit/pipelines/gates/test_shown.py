"""Results for people: lines on a terminal, and a page that needs nothing but itself."""

import re
from datetime import date
from html.parser import HTMLParser

from pipelines.domain.snapshots import CheckResult
from pipelines.gates import render_page, result_lines

HOSTILE = "runs/<script>alert(1)</script>\x1b[31m\u202e\"'&"
FINE = CheckResult("costs_equal_the_bill", "marts.costs_daily", "block", True, "0 USD", "0 USD", "Decimals.")
SKIPPED = CheckResult("registry_is_fresh", "raw.deliveries", "block", True, "skipped: none", "2d", "Served.")
OLD = CheckResult(
    "inventory_is_fresh",
    "raw.deliveries",
    "warn",
    False,
    f"72 h ({HOSTILE})",
    "at most 2d",
    "It names what is gone.",
    scope="train\x07",
    excludes=True,
    offenders=({"object_key": HOSTILE, "step": "", "size_bytes": "5"},),
)
TWICE = CheckResult("keys", "marts.checkpoints", "block", False, "1", "0", "Counted twice.")


class Names(HTMLParser):
    """The elements of a page and what they point at."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_below_a_check_that_failed_stand_why_what_it_leaves_out_and_the_rows() -> None:
    assert list(result_lines([FINE, OLD])) == [
        "ok    costs_equal_the_bill: 0 USD (expected 0 USD)",
        (
            "warn  inventory_is_fresh (train\\x07): "
            "72 h (runs/<script>alert(1)</script>\\x1b[31m\\u202e\"'&) (expected at most 2d)"
        ),
        "      why: It names what is gone.",
        "      train\\x07 is left out of the clean-up.",
        "      - object_key: runs/<script>alert(1)</script>\\x1b[31m\\u202e\"'&, size_bytes: 5",
    ]


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = render_page([FINE, OLD, TWICE, SKIPPED], date(2026, 11, 19))
    names = Names()
    names.feed(page)
    assert not {"script", "link", "img", "iframe", "a", "form"} & set(names.tags)
    assert not {"src", "href", "onclick", "style"} & names.attributes
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src 'none'" in page


def test_hostile_names_are_text_on_the_page() -> None:
    page = render_page([OLD], date(2026, 11, 19))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e&#34;&#39;&amp;" in page
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", page)


def test_what_blocks_comes_first_and_the_page_says_whether_it_is_published() -> None:
    page = render_page([FINE, SKIPPED, OLD, TWICE], date(2026, 11, 19))
    order = [page.index(f">{one.check_id}") for one in (TWICE, OLD, FINE, SKIPPED)]
    assert order == sorted(order)
    assert "1 failed and block, 1 failed and warn, 1 passed, 1 were skipped. It is not published." in page
    assert "It may be published." in render_page([FINE, OLD], date(2026, 11, 19))
    assert page.count("<details") == 1
    assert page.endswith("</html>\n")
    assert "@media print" in page
    assert "prefers-color-scheme: dark" in page
