"""The report for machines keeps every digit and every row."""

import csv
import io
import json
from decimal import Decimal

import duckdb
import pytest

from pipelines.errors import Terminal
from pipelines.report import render


def test_json_is_one_document_with_all_digits(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("update marts.hidden_bytes set cost_usd_month = 123456789012.345678")

    document = json.loads(render(writer, "json"), parse_float=Decimal)

    assert document["snapshot"]["as_of"] == "2026-11-19"
    assert document["snapshot"]["published_at"] == "2026-11-20T06:30:00Z"
    assert document["hidden"][0]["cost_usd_month"] == Decimal("123456789012.345678")
    assert document["closing"]["prefixes"] + document["closing"]["residual_storage"] + document["closing"][
        "residual_other"
    ] == Decimal(document["closing"]["bill"])
    assert len(document["costs_by_day"]) == 60
    assert document["changes"][0]["meter"] == "Out-Bytes"


def test_csv_is_one_value_per_line(snapshot: duckdb.DuckDBPyConnection) -> None:
    lines = list(csv.DictReader(io.StringIO(render(snapshot, "csv"))))
    values = {(line["section"], line["row"], line["field"]): line["value"] for line in lines}

    assert values["snapshot", "1", "snapshot_id"] == "2026-11-19-abcdef012345"
    assert values["costs_by_layer", "1", "name"] == "compute"
    assert values["costs_by_layer", "1", "cost"] == "3000.000000000000"
    assert values["runs", "1", "run"] == "runs/nlp/chat"
    assert values["currencies", "1", "name"] == "USD"


@pytest.mark.parametrize(
    "name, shown",
    [
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\t=cmd()", r"\t=cmd()"),
        ("\r=cmd()", r"\r=cmd()"),
        ("\n=cmd()", r"\n=cmd()"),
        (' "=cmd()', "' \"=cmd()"),
        ("\uff1dcmd()", "'\uff1dcmd()"),
        ("a;=cmd()", "a;'=cmd()"),
        ("a;b=-1,=c", "a;b=-1,=c"),
        ("runs/a-b=c", "runs/a-b=c"),
    ],
)
def test_a_name_that_begins_like_a_formula_is_text_in_a_spreadsheet(
    writer: duckdb.DuckDBPyConnection, name: str, shown: str
) -> None:
    writer.execute("update marts.hidden_bytes set bucket = ?", [name])

    lines = list(csv.DictReader(io.StringIO(render(writer, "csv"))))

    assert [line["value"] for line in lines if (line["section"], line["field"]) == ("hidden", "bucket")] == [
        shown
    ]


def test_amounts_below_zero_stay_numbers_and_nothing_is_written_with_an_exponent(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    writer.execute("update marts.hidden_bytes set cost_usd_month = -12.5")
    writer.execute("update marts.egress_daily set transferred_gb = 0, effective_cost = 0.000000000001")

    lines = list(csv.DictReader(io.StringIO(render(writer, "csv"))))
    values = {(line["section"], line["field"]): line["value"] for line in lines if line["row"] == "1"}

    assert values["hidden", "cost_usd_month"] == "-12.500000"
    assert values["egress", "transferred_gb"] == "0.000000000000"
    assert values["egress", "cost"] == "0.000000000001"
    assert values["changes", "costs_of_four_weeks"].startswith("[10.000000000000, 10.0")


def test_the_lines_of_a_csv_come_in_one_order(writer: duckdb.DuckDBPyConnection) -> None:
    lines = list(csv.reader(io.StringIO(render(writer, "csv"))))

    assert lines[0] == ["section", "row", "field", "value"]
    assert list(dict.fromkeys(line[0] for line in lines[1:])) == [
        *("snapshot", "checks", "currencies", "costs_by_layer", "costs_by_team", "costs_by_day", "month"),
        *("changes", "effects", "anomalies"),
        *("storage", "prefixes", "closing", "egress", "hidden", "runs", "waste"),
    ]
    assert [line[2] for line in lines if line[0] == "runs"] == [
        *("bucket", "run", "framework", "team", "checkpoint_count", "complete_count"),
        *("size_bytes", "stale_bytes", "waste_usd_month", "reason"),
    ]


def test_a_form_that_is_not_there_is_refused(snapshot: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Terminal, match="text, html, json or csv"):
        render(snapshot, "pdf")
