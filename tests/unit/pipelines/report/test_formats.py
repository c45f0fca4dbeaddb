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


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@sum"])
def test_a_name_that_begins_like_a_formula_is_text_in_a_spreadsheet(
    writer: duckdb.DuckDBPyConnection, name: str
) -> None:
    writer.execute("update marts.hidden_bytes set bucket = ?", [name])

    lines = list(csv.DictReader(io.StringIO(render(writer, "csv"))))

    assert [line["value"] for line in lines if (line["section"], line["field"]) == ("hidden", "bucket")] == [
        f"'{name}"
    ]


def test_a_form_that_is_not_there_is_refused(snapshot: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Terminal, match="text, json or csv"):
        render(snapshot, "html")
