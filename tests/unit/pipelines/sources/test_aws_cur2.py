"""CUR 2.0: any columns in any order, Parquet or CSV, and nothing lost on the way."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.domain.raw_tables import AWS_CUR2
from pipelines.errors import Damaged
from pipelines.sources import aws_cur2
from pipelines.sources.places import Place

Deliver = Callable[..., Path]
Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

LINE: dict[str, object] = {
    "line_item_unblended_cost": 0.25,
    "line_item_usage_type": "TimedStorage-ByteHrs",
    "line_item_product_code": "AmazonS3",
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": datetime(2026, 11, 1, tzinfo=UTC),
}
SCHEMA = pa.schema(
    [
        ("line_item_unblended_cost", pa.float64()),
        ("line_item_usage_type", pa.string()),
        ("line_item_product_code", pa.string()),
        ("line_item_line_item_type", pa.string()),
        ("line_item_usage_start_date", pa.timestamp("ms", "UTC")),
        ("resource_tags", pa.map_(pa.string(), pa.string())),
        ("product", pa.map_(pa.string(), pa.string())),
    ]
)


def test_a_subset_of_columns_in_any_order_gives_every_column_of_the_raw_table(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    opened = place("aws-cur2", deliver_export(parquet([LINE]), ending="snappy.parquet"))
    [row] = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert tuple(row) == tuple(name for name, _ in AWS_CUR2)
    assert row["line_item_usage_start_date"] == datetime.fromisoformat("2026-11-01T00:00:00")
    assert (row["line_item_unblended_cost"], row["line_item_resource_id"]) == (0.25, None)


def test_a_map_of_tags_becomes_a_json_object(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    tags = {'user_"team"': "nlp, vision", "user_stage": "prod"}
    lines = [LINE | {"resource_tags": list(tags.items())}, LINE]
    opened = place("aws-cur2", deliver_export(parquet(lines, SCHEMA), ending="parquet"))
    tagged, untagged = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert json.loads(tagged["resource_tags"]) == tags
    assert untagged["resource_tags"] is None


@pytest.mark.parametrize(
    "written, read",
    [
        ('"{""user_team"": ""nlp""}"', {"user_team": "nlp"}),
        ("{user_team=nlp}", {"unparsed": "{user_team=nlp}"}),
        ('""', None),
        ("{}", None),
    ],
    ids=["JSON", "a form of its own", "nothing", "an empty map"],
)
def test_tags_in_csv_are_json_or_kept_as_they_are(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, written: str, read: object
) -> None:
    header = ",".join([*LINE, "resource_tags"])
    text = f"{header}\n0.25,T,S3,Usage,2026-11-01 00:00:00,{written}\n"
    opened = place("aws-cur2", deliver_export(gzip.compress(text.encode())))
    [row] = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert (json.loads(row["resource_tags"]) if row["resource_tags"] else None) == read


def test_surplus_chunks_without_rows_are_fine(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    header = (",".join(LINE) + "\n").encode()
    line = b"0.25,T,S3,Usage,2026-11-01T00:00:00Z\n"
    bodies = [gzip.compress(body) for body in (header + line, header, b"")]
    opened = place("aws-cur2", deliver_export(*bodies))
    assert len(rows_of(opened, aws_cur2.find(opened).deliveries[0])) == 1


def test_a_report_of_nothing_but_a_header_is_a_delivery_without_rows(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    opened = place("aws-cur2", deliver_export(parquet([], SCHEMA), ending="parquet"))
    assert rows_of(opened, aws_cur2.find(opened).deliveries[0]) == []


def test_a_missing_column_is_named_with_what_to_do(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    line = {name: value for name, value in LINE.items() if name != "line_item_usage_type"}
    opened = place("aws-cur2", deliver_export(parquet([line]), ending="parquet"))
    with pytest.raises(Damaged, match=r"(?s)missing: line_item_usage_type\n.*SELECT") as caught:
        rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert "cur2-00001.parquet" in caught.value.where


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_a_damaged_chunk_is_one_clear_message(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, ending: str
) -> None:
    text = (",".join(LINE) + "\n" + "0.25,T,S3,Usage,2026-11-01T00:00:00Z\n" * 5000).encode()
    opened = place("aws-cur2", deliver_export(gzip.compress(text)[:200], ending=ending))
    with pytest.raises(Damaged, match="cannot be read"):
        rows_of(opened, aws_cur2.find(opened).deliveries[0])


def test_a_number_that_is_none_is_refused(deliver_export: Deliver, place: Opened, rows_of: RowsOf) -> None:
    text = ",".join(LINE) + "\ncheap,T,S3,Usage,2026-11-01T00:00:00Z\n"
    opened = place("aws-cur2", deliver_export(gzip.compress(text.encode())))
    with pytest.raises(Damaged, match="cheap"):
        rows_of(opened, aws_cur2.find(opened).deliveries[0])


@pytest.mark.parametrize(
    "double, amount",
    [
        (576461.421875, "576461.421875"),
        (0.30000000000000004, "0.3"),
        (1.2e-7, "0.00000012"),
        (-4223322.1234567891, "-4223322.123456789"),
        (1e20, "100000000000000000000"),
    ],
)
def test_a_double_lands_as_its_shortest_text_and_digits_are_not_made_up(
    deliver_export: Deliver,
    place: Opened,
    rows_of: RowsOf,
    parquet: Callable[..., bytes],
    double: float,
    amount: str,
) -> None:
    body = parquet([LINE | {"line_item_unblended_cost": double}])
    opened = place("aws-cur2", deliver_export(body, ending="parquet"))
    [row] = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert row["line_item_unblended_cost"] == Decimal(amount)


def test_costs_in_text_keep_their_digits_and_blank_net_costs_are_null(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    header = ",".join([*LINE, "line_item_net_unblended_cost", "line_item_currency_code"])
    text = f"""{header}
9007199254740993.1234567891,T,S3,Usage,2026-11-01T00:00:00Z,"",USD
1.2E-4,T,S3,Usage,2026-11-01T00:00:00Z,,JPY
"""
    opened = place("aws-cur2", deliver_export(gzip.compress(text.encode())))
    rows = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert [row["line_item_unblended_cost"] for row in rows] == [
        Decimal("9007199254740993.1234567891"),
        Decimal("0.00012"),
    ]
    assert [row["line_item_net_unblended_cost"] for row in rows] == [None, None]
    assert [row["line_item_currency_code"] for row in rows] == ["USD", "JPY"]


def test_a_surplus_chunk_of_no_bytes_is_fine_in_parquet_too(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    opened = place("aws-cur2", deliver_export(parquet([LINE]), b"", ending="parquet"))
    assert len(rows_of(opened, aws_cur2.find(opened).deliveries[0])) == 1


def test_a_text_column_of_costs_in_parquet_is_read_and_its_blanks_are_null(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    lines = [LINE | {"reservation_effective_cost": text} for text in ("", "0.125")]
    opened = place("aws-cur2", deliver_export(parquet(lines), ending="parquet"))
    rows = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert [row["reservation_effective_cost"] for row in rows] == [None, Decimal("0.125")]


def test_members_of_maps_that_an_export_selects_as_columns_count_too(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf, parquet: Callable[..., bytes]
) -> None:
    chosen = {"product_region": "eu-west-1", "resource_tags_user_team": "nlp"}
    opened = place("aws-cur2", deliver_export(parquet([LINE | chosen]), ending="parquet"))
    [row] = rows_of(opened, aws_cur2.find(opened).deliveries[0])
    assert (row["product_region_code"], row["resource_tags"]) == ("eu-west-1", '{"user_team":"nlp"}')
