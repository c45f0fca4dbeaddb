"""Google Cloud's billing export: files that add up, one row per line, every spelling of the same value."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.deliveries import Delivery
from pipelines.errors import Damaged, NotFound
from pipelines.sources import gcp_billing
from pipelines.sources.places import Place

Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

LINE: dict[str, Any] = {
    "service": {"id": "95FF", "description": "Cloud Storage"},
    "sku": {"id": "5F7A", "description": "Standard Storage Iowa"},
    "usage_start_time": "2026-11-03 05:00:00 UTC",
    "cost": 1.5,
    "currency": "USD",
}


def lines(*changes: dict[str, Any]) -> bytes:
    """Return JSON lines."""
    return "".join(json.dumps(LINE | change) + "\n" for change in changes).encode()


def loaded(path: Path, body: bytes, moment: int = 1_000) -> Path:
    """Write a file that was modified at a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def read_lines(tmp_path: Path, place: Opened, rows_of: RowsOf) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads one file as the only one of a source."""

    def read(body: bytes, name: str = "export.jsonl") -> list[dict[str, Any]]:
        loaded(tmp_path / "export" / name, body)
        opened = place("gcp-billing", tmp_path / "export")
        [delivery] = gcp_billing.find(opened).deliveries
        return rows_of(opened, delivery)

    return read


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-03 05:00:00 UTC",
        "2026-11-03 05:00:00+00:00",
        "2026-11-03T05:00:00Z",
        "2026-11-03T05:00:00.000Z",
        "2026-11-03 05:00:00",
        "2026-11-03T07:00:00+02:00",
        "1.793682E9",
        "1793682000",
        "1793682000.0",
        "1793682000000",
        "1793682000000000",
        1793682000,
        1793682000000,
    ],
)
def test_every_spelling_of_a_time_is_utc(
    read_lines: Callable[..., list[dict[str, Any]]], written: object
) -> None:
    [row] = read_lines(lines({"usage_start_time": written}))
    assert row["usage_start_at"] == datetime.fromisoformat("2026-11-03T05:00:00")


@pytest.mark.parametrize(
    "written, value",
    [
        ("5.28E-4", "0.000528"),
        (5.28e-4, "0.000528"),
        ("4503599.627370497", "4503599.627370497"),
        (4503599.627370497, "4503599.627370497"),
        ("-1", "-1"),
    ],
)
def test_a_cost_keeps_every_digit(
    read_lines: Callable[..., list[dict[str, Any]]], written: object, value: str
) -> None:
    [row] = read_lines(lines({"cost": written}))
    assert row["cost"] == Decimal(value)


def test_credits_are_summed_beside_a_row_and_never_multiply_it(
    read_lines: Callable[..., list[dict[str, Any]]],
) -> None:
    many = [{"name": "promotion", "amount": "-5E-1"}, {"name": "sustained use", "amount": -0.25}]
    rows = read_lines(lines({"credits": many}, {"credits": []}, {"credits": None}, {}))
    assert [row["credits_amount"] for row in rows] == [Decimal("-0.75"), 0, 0, 0]
    assert [row["credits"] is None for row in rows] == [False, True, True, True]
    assert json.loads(rows[0]["credits"])[1]["name"] == "sustained use"


def test_promotions_are_told_from_discounts_where_the_export_tells_them(
    read_lines: Callable[..., list[dict[str, Any]]],
) -> None:
    both = [{"amount": "-0.5", "type": "PROMOTION"}, {"amount": "-0.25", "type": "COMMITTED_USAGE_DISCOUNT"}]
    rows = read_lines(lines({"credits": both}, {"credits": [{"amount": "-1"}]}, {}))
    assert [row["credits_amount"] for row in rows] == [Decimal("-0.75"), -1, 0]
    assert [row["promotions_amount"] for row in rows] == [Decimal("-0.5"), 0, 0]
    [untold] = read_lines(lines({"credits": [{"amount": "-1"}]}))
    assert (untold["credits_amount"], untold["promotions_amount"]) == (-1, 0)


def test_a_label_may_be_called_anything(read_lines: Callable[..., list[dict[str, Any]]]) -> None:
    labels = [{"key": 'a"b\\', "value": "ü\n"}, {"key": "none", "value": None}, {"key": "a.b", "value": "1"}]
    [row] = read_lines(lines({"labels": labels}))
    assert json.loads(row["labels"]) == {'a"b\\': "ü\n", "none": None, "a.b": "1"}


def test_the_same_file_under_two_names_counts_once_and_is_said(tmp_path: Path, place: Opened) -> None:
    loaded(tmp_path / "b.jsonl", lines({}), 1_000)
    loaded(tmp_path / "a.jsonl", lines({}), 2_000)
    loaded(tmp_path / "c.jsonl", lines({"cost": 2.5}), 2_000)
    found = gcp_billing.find(place("gcp-billing", tmp_path))
    assert [delivery.scope for delivery in found.deliveries] == ["b.jsonl", "c.jsonl"]
    [warning] = found.warnings
    assert "a.jsonl is the same file as" in warning


def test_a_bucket_s_copies_are_found_where_their_sizes_are_the_same(
    tmp_path: Path, s3_place: Opened, upload: Callable[[Path, str], None], bucket: str, rows_of: RowsOf
) -> None:
    loaded(tmp_path / "up" / "export" / "a.jsonl", lines({}))
    loaded(tmp_path / "up" / "export" / "b.jsonl", lines({}))
    loaded(tmp_path / "up" / "export" / "c.jsonl", lines({}, {}))
    upload(tmp_path / "up", bucket)
    opened = s3_place("gcp-billing", f"s3://{bucket}/export")
    found = gcp_billing.find(opened)
    assert sorted(len(rows_of(opened, delivery)) for delivery in found.deliveries) == [1, 2]
    assert len(found.warnings) == 1


def test_a_file_that_changes_replaces_itself(tmp_path: Path, place: Opened) -> None:
    seen = list[Delivery]()
    for cost, moment in ((1, 1_000), (2, 2_000), (1, 3_000)):
        path = loaded(tmp_path / "export.jsonl", lines({"cost": cost}), moment)
        opened = place("gcp-billing", path.parent)
        assert gcp_billing.find(opened) == gcp_billing.find(opened)
        seen += gcp_billing.find(opened).deliveries
    assert {delivery.scope for delivery in seen} == {"export.jsonl"}
    assert len({delivery.delivery_id for delivery in seen}) == 3
    assert [delivery.checksum == seen[0].checksum for delivery in seen] == [True, False, True]


@pytest.mark.parametrize(
    "name, day",
    [
        ("2022-08-01_5.csv", "2022-08-01"),
        ("day=2026-11-19/000000000000.parquet", "2026-11-19"),
        ("2026/11/19/export.jsonl", "2026-11-19"),
        ("export_20261119_1.json.gz", "2026-11-19"),
        ("2026-11-01/2026-11-19.csv", "2026-11-19"),
        ("2026-02-31.csv", None),
        ("export-000000000012.csv", None),
        ("2026-11.csv", None),
    ],
)
def test_the_day_of_a_load_is_read_from_its_path(
    tmp_path: Path, place: Opened, name: str, day: str | None
) -> None:
    loaded(tmp_path / name, b"", 1_800_000_000)
    [delivery] = gcp_billing.find(place("gcp-billing", tmp_path)).deliveries
    assert delivery.snapshot_at == (datetime.fromisoformat(day) if day else None)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl.gz", "a.csv"])
def test_a_file_without_a_row_is_a_delivery_without_rows(
    read_lines: Callable[..., list[dict[str, Any]]], name: str
) -> None:
    assert read_lines(gzip.compress(b"") if name.endswith("gz") else b"", name) == []


@pytest.mark.parametrize(
    "body, name, said",
    [
        (lines({})[:-9], "a.jsonl", "cannot be read"),
        (gzip.compress(lines({}) * 500, mtime=0)[:90], "a.jsonl.gz", "cannot be read"),
        (b"PAR1", "a.parquet", "cannot be read"),
        (b'{"reportFiles": []}\n', "a.json", "a row has no"),
        (lines({"cost": None}), "a.json", "a row has no cost"),
        (lines({"currency": None}), "a.json", "a row has no currency"),
        (lines({"cost": "a lot"}), "a.json", "a lot"),
        (lines({"usage_start_time": "soon"}), "a.json", "soon"),
        (b"cost,currency\n1,USD\n", "a.csv", "usage_start_time, service.description, sku.description"),
        (
            (
                b"cost,currency,usage_start_time,service.description,sku.description,credits\n"
                b"1,USD,2026-11-03,a,b,oops\n"
            ),
            "a.csv",
            "cannot be read",
        ),
    ],
)
def test_a_damaged_file_says_what_is_wrong(
    read_lines: Callable[..., list[dict[str, Any]]], body: bytes, name: str, said: str
) -> None:
    with pytest.raises(Damaged, match=said) as caught:
        read_lines(body, name)
    assert caught.value.where.endswith(name)


def test_a_place_without_an_export_says_what_was_looked_for(tmp_path: Path, place: Opened) -> None:
    (tmp_path / "notes.txt").write_text("no bill")
    with pytest.raises(NotFound, match=r"no billing export was found.*\.parquet"):
        gcp_billing.find(place("gcp-billing", tmp_path))
