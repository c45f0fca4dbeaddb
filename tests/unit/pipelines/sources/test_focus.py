"""FOCUS: every digit, every null, and one delivery per billing period."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.domain.deliveries import Delivery
from pipelines.domain.raw_tables import FOCUS
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources import focus
from pipelines.sources.places import Place

Deliver = Callable[..., Path]
Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]

CHARGE = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-11-01T00:00:00Z",
    "ChargePeriodStart": "2026-11-03T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "GPU Cloud",
}


def bill(*charges: dict[str, str], newline: str = "\n") -> bytes:
    """Return a FOCUS file; all charges have the columns of the first."""
    columns = list((CHARGE | charges[0]) if charges else CHARGE)
    lines = [",".join(columns)]
    lines += [",".join((CHARGE | charge)[column] for column in columns) for charge in charges]
    return "".join(line + newline for line in lines).encode()


@pytest.fixture
def read_bill(tmp_path: Path, place: Opened, rows_of: RowsOf) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads one file as the only one of a source."""

    def read(body: bytes, name: str = "november.csv") -> list[dict[str, Any]]:
        (tmp_path / "bills").mkdir(exist_ok=True)
        (tmp_path / "bills" / name).write_bytes(body)
        opened = place("focus", tmp_path / "bills")
        return [row for delivery in focus.find(opened).deliveries for row in rows_of(opened, delivery)]

    return read


@pytest.mark.parametrize(
    "written, value",
    [
        ("9007199254740993.123456789012", Decimal("9007199254740993.123456789012")),
        ("35.2E-7", Decimal("0.00000352")),
        ("1e3", Decimal(1000)),
        ("-0.000000000001", Decimal("-0.000000000001")),
        ('"0.1"', Decimal("0.1")),
        ("NULL", None),
        ('"NULL"', None),
        ("", None),
        ('""', None),
    ],
)
def test_a_number_keeps_every_digit_it_was_written_with(
    read_bill: Callable[..., list[dict[str, Any]]], written: str, value: Decimal | None
) -> None:
    [row] = read_bill(bill({"ListCost": written}))
    assert row["ListCost"] == value


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-03 05:00:00",
        "2026-11-03T05:00:00Z",
        "2026-11-03T05:00:00.000Z",
        "2026-11-03 05:00:00 UTC",
        "2026-11-03T07:00:00+02:00",
    ],
)
def test_every_spelling_of_a_time_is_utc(
    read_bill: Callable[..., list[dict[str, Any]]], written: str
) -> None:
    [row] = read_bill(bill({"ChargePeriodStart": written}))
    assert row["ChargePeriodStart"] == datetime.fromisoformat("2026-11-03T05:00:00")


def test_every_column_of_the_raw_table_is_there_and_others_are_not(
    read_bill: Callable[..., list[dict[str, Any]]],
) -> None:
    [row] = read_bill(bill({"Id": "7", "x_Operation": "PutObject"}))
    assert tuple(row) == tuple(name for name, _ in FOCUS)
    assert (row["x_Operation"], row["SkuMeter"]) == ("PutObject", None)


@pytest.mark.parametrize("name", ["bill.csv", "bill.csv.gz", "BILL.CSV"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_text_may_hold_line_breaks_quotes_and_commas(
    read_bill: Callable[..., list[dict[str, Any]]], newline: str, name: str
) -> None:
    body = bill({"ChargeDescription": '"two\nlines, ""quoted"""'}, newline=newline)
    [row] = read_bill(gzip.compress(body) if name.endswith("gz") else body, name)
    assert row["ChargeDescription"] == 'two\nlines, "quoted"'


def test_a_byte_order_mark_is_no_part_of_a_name(read_bill: Callable[..., list[dict[str, Any]]]) -> None:
    [row] = read_bill(b"\xef\xbb\xbf" + bill({}))
    assert row["BilledCost"] == Decimal("1.5")


def test_a_path_with_marks_of_patterns_and_partitions_is_a_plain_path(
    read_bill: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "bills" / "ServiceName=x [1]*").mkdir(parents=True)
    [row] = read_bill(bill({}), "ServiceName=x [1]*/it's.csv")
    assert row["ServiceName"] == "GPU Cloud"


def test_a_name_that_looks_like_a_pattern_names_one_file(
    read_bill: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "bills").mkdir()
    (tmp_path / "bills" / "october.csv").write_bytes(bill({"BillingPeriodStart": "2026-10-01"}))
    assert len(read_bill(bill({}), "*.csv")) == 2


def test_parquet_numbers_and_maps_are_read(
    read_bill: Callable[..., list[dict[str, Any]]], parquet: Callable[..., bytes]
) -> None:
    numbers = {"BilledCost": 0.1, "EffectiveCost": Decimal("0.123456789012")}
    [row] = read_bill(parquet([CHARGE | numbers | {"Tags": {"team": "nlp"}}]), "bill.parquet")
    assert (row["BilledCost"], row["EffectiveCost"]) == (Decimal("0.1"), Decimal("0.123456789012"))
    assert json.loads(row["Tags"]) == {"team": "nlp"}


def test_each_billing_period_of_a_file_is_a_delivery(tmp_path: Path, place: Opened, rows_of: RowsOf) -> None:
    october = {"BillingPeriodStart": "2026-10-01T00:00:00Z", "BilledCost": "7"}
    (tmp_path / "bills.csv").write_bytes(bill({}, october, {}))
    opened = place("focus", tmp_path / "bills.csv")
    deliveries = focus.find(opened).deliveries
    assert [delivery.scope for delivery in deliveries] == ["2026-10", "2026-11"]
    assert [len(rows_of(opened, delivery)) for delivery in deliveries] == [1, 2]


def test_a_changed_file_is_a_new_delivery_of_its_period_and_the_same_file_is_not(
    tmp_path: Path, place: Opened
) -> None:
    file = tmp_path / "november.csv"
    seen = list[Delivery]()
    for cost, moment in (("1", 1_000), ("2", 2_000), ("1", 3_000)):
        file.write_bytes(bill({"BilledCost": cost}))
        os.utime(file, (moment, moment))
        opened = place("focus", file)
        assert focus.find(opened) == focus.find(opened)
        seen += focus.find(opened).deliveries
    assert {delivery.scope for delivery in seen} == {"2026-11"}
    assert len({delivery.delivery_id for delivery in seen}) == 3
    assert seen == sorted(seen, key=lambda delivery: delivery.delivered_at)


def test_one_period_in_two_files_is_refused(tmp_path: Path, place: Opened) -> None:
    (tmp_path / "a.csv").write_bytes(bill({}))
    (tmp_path / "b.csv").write_bytes(bill({}))
    with pytest.raises(Terminal, match=r"two files hold billing period 2026-11") as caught:
        focus.find(place("focus", tmp_path))
    assert "a.csv" in caught.value.where
    assert "b.csv" in caught.value.where


def test_a_file_that_is_only_a_header_is_a_delivery_without_rows(
    tmp_path: Path, place: Opened, rows_of: RowsOf
) -> None:
    (tmp_path / "november.csv").write_bytes(bill())
    opened = place("focus", tmp_path)
    [delivery] = focus.find(opened).deliveries
    assert rows_of(opened, delivery) == []


def test_missing_columns_are_named(tmp_path: Path, place: Opened) -> None:
    (tmp_path / "november.csv").write_text("BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2026-11-01\n")
    [rejected] = focus.find(place("focus", tmp_path)).rejected
    assert "BillingCurrency, ChargePeriodStart, ChargeCategory, ServiceName" in rejected.reason


@pytest.mark.parametrize(
    "body, name, said",
    [
        (gzip.compress(bill({}) * 500)[:80], "cut.csv.gz", "cannot be read"),
        (b"\x1f\x8b", "cut.csv.gz", "cannot be read"),
        (b"PAR1", "cut.parquet", "cannot be read"),
        (bill({"BillingPeriodStart": ""}), "a.csv", "a BillingPeriodStart is missing"),
        (bill({"BillingPeriodStart": "soon"}), "a.csv", "soon"),
        (bill({}) + b"1,2\n", "a.csv", "cannot be read"),
        (bill({}) + bill({}, newline="\r\n"), "a.csv", "cannot be read"),
        ("Zürich,".encode("latin-1") + bill({}), "a.csv", "cannot be read"),
    ],
    ids=[
        "cut gzip",
        "head of gzip",
        "cut Parquet",
        "no period",
        "no time",
        "ragged",
        "mixed line ends",
        "not UTF-8",
    ],
)
def test_a_damaged_file_is_rejected_and_the_others_are_found(
    tmp_path: Path, place: Opened, body: bytes, name: str, said: str
) -> None:
    (tmp_path / "bills").mkdir()
    (tmp_path / "bills" / name).write_bytes(body)
    (tmp_path / "bills" / "october.csv").write_bytes(bill({"BillingPeriodStart": "2026-10-01"}))
    found = focus.find(place("focus", tmp_path / "bills"))
    [rejected] = found.rejected
    assert said in rejected.reason
    assert rejected.where.endswith(name)
    assert [delivery.scope for delivery in found.deliveries] == ["2026-10"]


def test_a_place_without_bills_says_what_was_looked_for(tmp_path: Path, place: Opened) -> None:
    (tmp_path / "notes.txt").write_text("no bill")
    with pytest.raises(NotFound, match=r"no FOCUS bill was found.*\.csv"):
        focus.find(place("focus", tmp_path))


def test_an_export_with_a_manifest_is_one_delivery_per_run(
    deliver_export: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    opened = place("focus", deliver_export(gzip.compress(bill({})), gzip.compress(bill({}, {}))))
    [delivery] = focus.find(opened).deliveries
    assert (delivery.table, delivery.scope) == ("focus", "2026-11")
    assert len(rows_of(opened, delivery)) == 3


def test_data_of_an_export_without_its_manifest_is_not_taken_for_plain_files(
    deliver_export: Deliver, place: Opened
) -> None:
    export = deliver_export(gzip.compress(bill({})))
    next(export.rglob("*Manifest.json")).unlink()
    with pytest.raises(Transient, match="still arriving"):
        focus.find(place("focus", export))


def test_a_plain_file_is_read_from_a_bucket(
    tmp_path: Path, s3_place: Opened, upload: Callable[[Path, str], None], bucket: str, rows_of: RowsOf
) -> None:
    (tmp_path / "up" / "bills").mkdir(parents=True)
    (tmp_path / "up" / "bills" / "2026 [11].csv").write_bytes(bill({}))
    upload(tmp_path / "up", bucket)
    opened = s3_place("focus", f"s3://{bucket}/bills")
    assert [len(rows_of(opened, delivery)) for delivery in focus.find(opened).deliveries] == [1]
    assert list(opened.scratch.iterdir()) == []


@pytest.mark.parametrize(
    "column, name",
    [
        ("Provider", "ProviderName"),
        ("ServiceProviderName", "ProviderName"),
        ("Publisher", "PublisherName"),
        ("InvoiceIssuer", "InvoiceIssuerName"),
        ("Region", "RegionId"),
        ("SKUPRICEID", "SkuPriceId"),
    ],
)
def test_other_names_of_columns_are_known(
    read_bill: Callable[..., list[dict[str, Any]]], column: str, name: str
) -> None:
    [row] = read_bill(bill({column: "it"}))
    assert row[name] == "it"


def test_the_name_of_the_specification_wins(read_bill: Callable[..., list[dict[str, Any]]]) -> None:
    [row] = read_bill(bill({"Provider": "old", "ProviderName": "new"}))
    assert row["ProviderName"] == "new"


@pytest.mark.parametrize(
    "written, tags",
    [
        ('{"team": "nlp"}', {"team": "nlp"}),
        ('[{"key": "team", "value": "nlp"}, {"key": "x"}]', {"team": "nlp", "x": None}),
        ("[]", None),
        ("{}", None),
        ("team=nlp", {"unparsed": "team=nlp"}),
        ("[broken", {"unparsed": "[broken"}),
        ({"team": "nlp"}, {"team": "nlp"}),
        ([("team", "nlp")], {"team": "nlp"}),
        ([{"key": "team", "value": "nlp"}], {"team": "nlp"}),
        ({"list": [{"element": {"key": "team", "value": "nlp"}}]}, {"team": "nlp"}),
        ([{"name": "no tag"}], {"unparsed": [{"name": "no tag"}]}),
    ],
)
def test_tags_become_a_json_object(
    read_bill: Callable[..., list[dict[str, Any]]],
    parquet: Callable[..., bytes],
    written: object,
    tags: object,
) -> None:
    charge, kind = CHARGE | {"Tags": written}, pa.map_(pa.string(), pa.string())
    is_map = isinstance(written, list) and isinstance(written[0], tuple)
    schema = pa.schema([*((name, pa.string()) for name in CHARGE), ("Tags", kind)]) if is_map else None
    [row] = read_bill(parquet([charge], schema), "bill.parquet")
    assert (json.loads(row["Tags"]) if row["Tags"] else None) == tags


def test_what_a_spreadsheet_made_of_a_bill_is_read(read_bill: Callable[..., list[dict[str, Any]]]) -> None:
    spelled = {
        "BilledCost": '"$1,234,567.50 "',
        "ListCost": "-$2.00",
        "BillingPeriodStart": "4/1/25",
        "BillingPeriodEnd": "5/1/2025",
        "ChargePeriodStart": "4/12/25 13:30",
    }
    [row] = read_bill(bill(spelled))
    assert (row["BilledCost"], row["ListCost"]) == (Decimal("1234567.5"), Decimal(-2))
    assert row["BillingPeriodEnd"] == datetime.fromisoformat("2025-05-01")
    assert row["ChargePeriodStart"] == datetime.fromisoformat("2025-04-12T13:30:00")


@pytest.mark.parametrize(
    "changes",
    [
        {"BillingPeriodStart": "01/04/25", "BillingPeriodEnd": "01/05/25"},
        {"BillingPeriodStart": "13/1/25", "BillingPeriodEnd": "1/2/25"},
        {"BillingPeriodStart": "4/1/25"},
        {"BilledCost": '"1.234,50"'},
        {"BilledCost": "12 EUR"},
    ],
)
def test_what_can_be_read_in_two_ways_is_rejected(
    tmp_path: Path, place: Opened, rows_of: RowsOf, changes: dict[str, str]
) -> None:
    (tmp_path / "bill.csv").write_bytes(bill(changes))
    opened = place("focus", tmp_path / "bill.csv")
    found = focus.find(opened)
    if found.deliveries:
        with pytest.raises(Damaged):
            rows_of(opened, found.deliveries[0])
    else:
        assert len(found.rejected) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("focus-000000000000.csv", "focus-000000000001.csv"),
        ("part-00000-6a1f.csv", "part-00001-6a1f.csv"),
        ("part_0_0001.csv", "part_1_0001.csv"),
    ],
)
def test_numbered_parts_are_one_delivery(
    tmp_path: Path, place: Opened, rows_of: RowsOf, names: tuple[str, str]
) -> None:
    (tmp_path / names[0]).write_bytes(bill({}, {"BillingPeriodStart": "2026-10-01"}))
    (tmp_path / names[1]).write_bytes(bill({}, {}))
    opened = place("focus", tmp_path)
    deliveries = {delivery.scope: delivery for delivery in focus.find(opened).deliveries}
    assert {scope: len(rows_of(opened, one)) for scope, one in deliveries.items()} == {
        "2026-10": 1,
        "2026-11": 3,
    }


def test_of_a_whole_that_lacks_a_part_nothing_is_delivered(tmp_path: Path, place: Opened) -> None:
    (tmp_path / "part_0_0001.csv").write_bytes(bill({}))
    (tmp_path / "part_1_0001.csv").write_bytes(b"\x1f\x8bcut")
    found = focus.find(place("focus", tmp_path))
    assert found.deliveries == ()
    assert len(found.rejected) == 1


def test_the_real_sample_of_version_1_0_is_read(samples: Path, place: Opened, rows_of: RowsOf) -> None:
    opened = place("focus", samples / "focus-1.0")
    rows = [row for delivery in focus.find(opened).deliveries for row in rows_of(opened, delivery)]
    assert len(rows) == 1000
    assert sum(row["ContractedCost"] is None for row in rows) == 7
    assert sum(row["BilledCost"] for row in rows) == Decimal("20.520226728990")
    assert min(row["ChargePeriodStart"] for row in rows) == datetime.fromisoformat("2024-09-01T00:00:00")
    assert all(row["Tags"] is None or isinstance(json.loads(row["Tags"]), dict) for row in rows)
    assert any(row["Tags"] for row in rows)


def test_the_real_sample_of_version_1_2_is_read(samples: Path, place: Opened, rows_of: RowsOf) -> None:
    opened = place("focus", samples / "focus-1.2")
    [delivery] = focus.find(opened).deliveries
    rows = rows_of(opened, delivery)
    assert delivery.scope == "2026-05"
    assert [row["BilledCost"] for row in rows][:2] == [Decimal("560.920320"), Decimal(0)]
    assert rows[1]["CommitmentDiscountId"].startswith("arn:aws:ec2")
