"""A list of pins says what is kept, until when and why; a mistake in it names its line."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.domain.claims import Claim
from pipelines.domain.pins import Pin, Pins, parse_pins, tag_in_force
from pipelines.errors import Terminal
from pipelines.reference.pin_file import read_pins

LISTED = """pins:
  - {match: "s3://train/runs/a/", because: "paper"}
  - {match: "gs://train/x", until: 2027-01-31, because: "audit"}
"""


def test_a_list_of_pins_is_read(tmp_path: Path) -> None:
    (tmp_path / "pins.yaml").write_text(LISTED)
    pins = read_pins(tmp_path, "pins.yaml")
    assert [pin.claim for pin in pins.pins] == [
        Claim("paper", "s3://train/runs/a"),
        Claim("audit (until 2027-01-31)", "gs://train/x"),
    ]
    assert pins.pins[1].holds(date(2027, 1, 31))
    assert not pins.pins[1].holds(date(2027, 2, 1))


def test_without_a_name_nothing_is_pinned(tmp_path: Path) -> None:
    assert read_pins(tmp_path, None) == Pins()


@pytest.mark.parametrize(
    "line, words",
    [
        ('{match: "train/runs", because: x}', "match"),
        ('{match: "s3://train", because: x}', "match"),
        ('{match: "s3://train/", because: " "}', "say in a few words"),
        ('{match: "s3://train/"}', "because"),
        ('{match: "s3://train/", because: x, until: soon}', "until"),
        ('{match: "s3://train/", because: x, till: 2027-02-01}', "till"),
    ],
)
def test_a_mistake_names_its_line(line: str, words: str) -> None:
    with pytest.raises(Terminal, match=words) as error:
        parse_pins(f"pins:\n  - {line}\n", origin="pins.yaml")
    assert "line 2" in str(error.value)


def test_a_day_that_is_none_is_one_clear_message() -> None:
    with pytest.raises(Terminal, match="out of range"):
        parse_pins('pins: [{match: "s3://b/", because: x, until: 2027-02-31}]', origin="pins.yaml")


def test_a_file_that_is_missing_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="cannot be read"):
        read_pins(tmp_path, "pins.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"pins: [\xff]")
    with pytest.raises(Terminal, match="UTF-8"):
        read_pins(tmp_path, "latin.yaml")


def test_a_whole_bucket_may_be_pinned() -> None:
    assert Pin(match="s3://train/", because="freeze").claim.place == "s3://train"


@pytest.mark.parametrize(
    "tags, kept_by",
    [
        ({"team": "nlp", "moraine:keep": "true"}, "moraine:keep=true"),
        ({"Moraine-Keep": ""}, "Moraine-Keep="),
        ({"moraine:keep": "false"}, None),
        ({"moraine:keep": "NO "}, None),
        ({"moraine:keep_until": "2027-01-31"}, "moraine:keep_until=2027-01-31"),
        ({"moraine-keep-until": "2027-01-30"}, None),
        ({"moraine:keep_until": "end of the year"}, "moraine:keep_until=end of the year"),
        ({"moraine:keep_until": "2027-02-31"}, "moraine:keep_until=2027-02-31"),
        ({"keep": "true", "xmoraine:keep": "true", "moraine:keeper": "true"}, None),
        ({}, None),
    ],
)
def test_a_tag_keeps_through_its_day_and_where_it_cannot_be_understood(
    tags: dict[str, str], kept_by: str | None
) -> None:
    assert tag_in_force(tags, date(2027, 1, 31)) == kept_by
