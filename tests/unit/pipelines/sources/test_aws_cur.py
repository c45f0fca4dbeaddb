"""Legacy Cost and Usage Reports: which manifests are deliveries, and every spelling of their columns."""

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.domain.raw_tables import AWS_CUR2
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources import aws_cur
from pipelines.sources.places import Place

Opened = Callable[..., Place]
Rows = list[dict[str, Any]]
RowsOf = Callable[..., Rows]
Deliver = Callable[..., Path]

LINE = {
    "identity/LineItemId": "a1",
    "bill/PayerAccountId": "000123",
    "bill/BillingPeriodStartDate": "2026-11-01T00:00:00Z",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2026-11-03 01:00:00",
    "lineItem/ProductCode": "AmazonS3",
    "lineItem/UsageType": "TimedStorage-ByteHrs",
    "lineItem/UnblendedCost": "0.25",
}
MONTH = "20261101-20261201"


def report(*lines: dict[str, str]) -> bytes:
    """Return a CSV report; all lines have the columns of the first."""
    columns = list(LINE | (lines[0] if lines else {}))
    text = [",".join(columns), *(",".join((LINE | line)[name] for name in columns) for line in lines)]
    return ("\n".join(text) + "\n").encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    """Return a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def written(path: Path, body: bytes) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """Return a function that writes one delivery and returns the report's folder."""

    def delivered(
        *bodies: bytes,
        assembly: str = "a-1",
        month: str = MONTH,
        keep: bool = False,
        ending: str = "csv.gz",
        **changes: object,
    ) -> Path:
        bucket = tmp_path / "bucket"
        folder = f"bills/daily/{month}/"
        data = f"{folder}{assembly}/" if keep else folder
        keys = [f"{data}daily-{number}.{ending}" for number in range(1, len(bodies) + 1)]
        for key, body in zip(keys, bodies, strict=True):
            written(bucket / key, body)
        start, end = (f"{day}T000000.000Z" for day in month.split("-"))
        manifest = {
            "assemblyId": assembly,
            "account": "000123",
            "columns": [{"category": "identity", "name": "LineItemId"}],
            "charset": "UTF-8",
            "compression": "GZIP",
            "contentType": "text/csv",
            "reportName": "daily",
            "billingPeriod": {"start": start, "end": end},
            "bucket": "billing",
            "reportKeys": keys,
        } | changes
        text = json.dumps({name: value for name, value in manifest.items() if value is not None}).encode()
        for place in {folder, data}:
            written(bucket / place / "daily-Manifest.json", text)
        return bucket / "bills" / "daily"

    return delivered


@pytest.fixture
def read_report(tmp_path: Path, place: Opened, rows_of: RowsOf) -> Callable[..., Rows]:
    """Return a function that reads one file without a manifest."""

    def read(body: bytes, name: str = "november.csv") -> Rows:
        written(tmp_path / "bills" / name, body)
        opened = place("aws-cur", tmp_path / "bills")
        found = aws_cur.find(opened)
        assert found.rejected == (), found.rejected[0].reason
        return [row for delivery in found.deliveries for row in rows_of(opened, delivery)]

    return read


def costs(rows: Rows) -> list[Decimal]:
    """Return what the lines cost."""
    return [row["line_item_unblended_cost"] for row in rows]


def test_columns_land_under_the_names_of_cur_2(read_report: Callable[..., Rows]) -> None:
    line = {
        "lineItem/UsageEndDate": "2026-11-03T02:00:00.000Z",
        "product/region": "eu-west-1",
        "pricing/publicOnDemandCost": "1.2E-4",
        "reservation/ReservationARN": "arn:aws:ec2:r",
        "savingsPlan/SavingsPlanArn": "arn:aws:savingsplans:s",
        "savingsPlan/SavingsPlanEffectiveCost": "0.1",
        "lineItem/NetUnblendedCost": "",
        "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod": "3",
        "costCategory/Team": "ignored",
    }
    [row] = read_report(report(line))
    assert tuple(row) == tuple(name for name, _ in AWS_CUR2)
    assert {name: value for name, value in row.items() if value is not None} == {
        "identity_line_item_id": "a1",
        "bill_payer_account_id": "000123",
        "bill_billing_period_start_date": datetime.fromisoformat("2026-11-01T00:00:00"),
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": datetime.fromisoformat("2026-11-03T01:00:00"),
        "line_item_usage_end_date": datetime.fromisoformat("2026-11-03T02:00:00"),
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "TimedStorage-ByteHrs",
        "line_item_unblended_cost": Decimal("0.25"),
        "pricing_public_on_demand_cost": Decimal("0.00012"),
        "product_region_code": "eu-west-1",
        "reservation_reservation_a_r_n": "arn:aws:ec2:r",
        "reservation_net_unused_amortized_upfront_fee_for_billing_period": Decimal(3),
        "savings_plan_savings_plan_a_r_n": "arn:aws:savingsplans:s",
        "savings_plan_savings_plan_effective_cost": Decimal("0.1"),
    }


@pytest.mark.parametrize(
    "name, code", [("product/regionCode", "eu-west-1"), ("product_region_code", "eu-west-1")]
)
def test_the_code_of_a_region_counts_before_its_older_column(
    read_report: Callable[..., Rows], name: str, code: str
) -> None:
    [row] = read_report(report({"product/region": "older", name: code}))
    assert row["product_region_code"] == code


def test_two_spellings_of_one_column_complete_each_other(read_report: Callable[..., Rows]) -> None:
    first = {"savings_plan_savings_plan_arn": "", "savings_plan_savings_plan_a_r_n": "arn:a"}
    second = {"savings_plan_savings_plan_arn": "arn:b", "savings_plan_savings_plan_a_r_n": ""}
    rows = read_report(report(first, second))
    assert [row["savings_plan_savings_plan_a_r_n"] for row in rows] == ["arn:a", "arn:b"]


@pytest.mark.parametrize(
    "tags, read",
    [
        ({"resourceTags/user:Team": "nlp"}, {"user_team": "nlp"}),
        ({"resource_tags_user_team": "nlp"}, {"user_team": "nlp"}),
        ({"resourceTags/user:eks:nodegroup-name": "n"}, {"user_eks_nodegroup_name": "n"}),
        ({"resourceTags/aws:createdBy": "Root:1"}, {"aws_created_by": "Root:1"}),
        ({"resourceTags/user:équipe": "nlp"}, {"user_équipe": "nlp"}),
        ({"resourceTags/user:team": '"say ""hi"" \\ now"'}, {"user_team": 'say "hi" \\ now'}),
        ({"resourceTags/user:team": "", "resourceTags/user:stage": "prod"}, {"user_stage": "prod"}),
        ({"resourceTags/user:team": ""}, None),
        ({"noTags/user:team": "nlp"}, None),
        (
            {"resource_tags": '"{""user_team"": ""nlp""}"', "resource_tags_user_stage": "prod"},
            {"user_team": "nlp", "user_stage": "prod"},
        ),
    ],
)
def test_tags_become_one_json_object_with_the_keys_of_cur_2(
    read_report: Callable[..., Rows], tags: dict[str, str], read: object
) -> None:
    [row] = read_report(report(tags))
    assert (json.loads(row["resource_tags"]) if row["resource_tags"] else None) == read


@pytest.mark.parametrize(
    "names, read",
    [
        (("user:Team", "user:team"), {"user:Team": "a", "user:team": "b", "user_team": "a"}),
        (("user:team", "user:Team"), {"user:team": "a", "user:Team": "b", "user_team": "a"}),
        (("user:Team", "user_team"), {"user:Team": "a", "user_team": "b"}),
        (("user:team", "user:team"), {"user_team": "a"}),
    ],
    ids=["capital first", "capital last", "one has the key for a name", "twice the same"],
)
def test_tags_that_clash_all_survive_and_their_common_key_has_the_first(
    read_report: Callable[..., Rows], names: tuple[str, str], read: dict[str, str]
) -> None:
    columns = [*LINE, *(f"resourceTags/{name}" for name in names)]
    lines = [",".join([*LINE.values(), *values]) for values in (("a", "b"), ("", "b"))]
    both, second = read_report("\n".join([",".join(columns), *lines]).encode())
    assert json.loads(both["resource_tags"]) == read
    assert json.loads(second["resource_tags"])["user_team"] == "b"


def test_tags_that_clash_in_parquet_survive_too(read_report: Callable[..., Rows]) -> None:
    table = pa.Table.from_pylist([{name.replace("/", "_"): value for name, value in LINE.items()}])
    for name, value in (("user_team", None), ("user_team", "nlp"), ("user_Team", "vision")):
        table = table.append_column(f"resource_tags_{name}", pa.array([value], pa.string()))
    [row] = read_report(parquet(table), "november.parquet")
    assert json.loads(row["resource_tags"]) == {"user_team": "nlp", "user_Team": "vision"}


def test_columns_come_and_go_between_the_files_of_a_delivery(
    deliver: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    bodies = [report({"resourceTags/user:team": "nlp"}), report({"product/regionCode": "eu-west-1"})]
    opened = place("aws-cur", deliver(*map(gzip.compress, bodies)))
    [delivery] = aws_cur.find(opened).deliveries
    first, second = rows_of(opened, delivery)
    assert (first["resource_tags"], first["product_region_code"]) == ('{"user_team":"nlp"}', None)
    assert (second["resource_tags"], second["product_region_code"]) == (None, "eu-west-1")


def test_lines_may_lack_what_a_header_names_at_its_end(read_report: Callable[..., Rows]) -> None:
    header, line = report(LINE).decode().splitlines()
    [row] = read_report(f"{header},costCategory/CostCenter\n{line}\n".encode())
    assert row["line_item_unblended_cost"] == Decimal("0.25")


def test_a_line_that_is_cut_off_is_damaged(deliver: Deliver, place: Opened, rows_of: RowsOf) -> None:
    opened = place("aws-cur", deliver(report(LINE, LINE)[:-40], ending="csv"))
    with pytest.raises(Damaged, match="cannot be read"):
        rows_of(opened, aws_cur.find(opened).deliveries[0])


def test_the_manifest_of_the_month_is_a_copy_of_the_newest_kept_one(
    deliver: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    deliver(gzip.compress(report({"lineItem/UnblendedCost": "1"})), assembly="a-1", keep=True)
    folder = deliver(gzip.compress(report({"lineItem/UnblendedCost": "2"})), assembly="a-2", keep=True)
    opened = place("aws-cur", folder)
    deliveries = aws_cur.find(opened).deliveries
    assert [each.scope for each in deliveries] == ["2026-11", "2026-11"]
    assert [costs(rows_of(opened, each)) for each in deliveries] == [[Decimal(1)], [Decimal(2)]]


def test_a_kept_delivery_stays_the_same_when_its_files_are_touched_or_cleared_away(
    deliver: Deliver, place: Opened
) -> None:
    folder = deliver(gzip.compress(report(LINE)), keep=True)
    [before] = aws_cur.find(place("aws-cur", folder)).deliveries
    data = next(folder.rglob("*.csv.gz"))
    os.utime(data, (1, 1))
    [touched] = aws_cur.find(place("aws-cur", folder)).deliveries
    data.unlink()
    [cleared] = aws_cur.find(place("aws-cur", folder)).deliveries
    assert before.delivery_id == touched.delivery_id == cleared.delivery_id


def test_an_overwritten_delivery_is_new_though_its_manifest_looks_the_same(
    deliver: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    opened = place("aws-cur", deliver(gzip.compress(report({"lineItem/UnblendedCost": "1"}))))
    [first] = aws_cur.find(opened).deliveries
    assert (first,) == aws_cur.find(opened).deliveries
    deliver(gzip.compress(report({"lineItem/UnblendedCost": "22"})))
    [second] = aws_cur.find(opened).deliveries
    assert (first.delivery_id, costs(rows_of(opened, second))) != (second.delivery_id, [Decimal(1)])
    assert first.delivery_id != second.delivery_id


@pytest.mark.parametrize("slash", ["/", ""])
def test_keys_may_have_a_slash_in_front(deliver: Deliver, place: Opened, rows_of: RowsOf, slash: str) -> None:
    keys = [f"{slash}bills/daily/{MONTH}/daily-1.csv.gz"]
    opened = place("aws-cur", deliver(gzip.compress(report(LINE)), reportKeys=keys, bucket=""))
    assert costs(rows_of(opened, aws_cur.find(opened).deliveries[0])) == [Decimal("0.25")]


def test_the_report_for_athena_is_read_where_its_manifest_says(
    tmp_path: Path, deliver: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    key = "bills/daily/daily/year=2026/month=11/daily-00001.snappy.parquet"
    names = {
        "line_item_unblended_cost": 0.1,
        "line_item_usage_start_date": datetime.fromisoformat("2026-11-03T00:00:00"),
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "Requests-Tier1",
        "resource_tags_user_team": "nlp",
        "reservation_reservation_a_r_n": "",
    }
    folder = deliver(reportKeys=[key], compression="Parquet", contentType="Parquet")
    (folder / "daily" / "year=2026" / "month=11").mkdir(parents=True)
    manifest = folder / MONTH / "daily-Manifest.json"
    manifest.rename(folder / "daily" / "year=2026" / "month=11" / "daily-Manifest.json")
    written(tmp_path / "bucket" / key, parquet(pa.Table.from_pylist([names])))
    status = folder / "daily" / "cost_and_usage_data_status" / "cost_and_usage_data_status.parquet"
    written(status, b"not a bill")
    opened = place("aws-cur", folder)
    [delivery] = aws_cur.find(opened).deliveries
    [row] = rows_of(opened, delivery)
    assert (delivery.scope, row["line_item_unblended_cost"]) == ("2026-11", Decimal("0.1"))
    assert row["resource_tags"] == '{"user_team":"nlp"}'


def test_a_report_without_files_is_a_delivery_without_rows(deliver: Deliver, place: Opened) -> None:
    [delivery] = aws_cur.find(place("aws-cur", deliver(reportKeys=[]))).deliveries
    assert (delivery.parts, delivery.scope) == ((), "2026-11")


def test_a_report_of_nothing_but_a_header_has_no_rows(
    deliver: Deliver, place: Opened, rows_of: RowsOf
) -> None:
    opened = place("aws-cur", deliver(gzip.compress(report())))
    assert rows_of(opened, aws_cur.find(opened).deliveries[0]) == []


@pytest.mark.parametrize("body", [b"", gzip.compress(b"")], ids=["no bytes", "none after unpacking"])
def test_a_file_without_even_a_header_is_damaged(
    deliver: Deliver, place: Opened, rows_of: RowsOf, body: bytes
) -> None:
    opened = place("aws-cur", deliver(body))
    with pytest.raises(Damaged, match="not even a header"):
        rows_of(opened, aws_cur.find(opened).deliveries[0])


def test_a_listed_file_that_is_missing_is_damaged(deliver: Deliver, place: Opened, rows_of: RowsOf) -> None:
    folder = deliver(gzip.compress(report(LINE)), gzip.compress(report(LINE)))
    (folder / MONTH / "daily-2.csv.gz").unlink()
    opened = place("aws-cur", folder)
    with pytest.raises(Damaged, match=r"missing\n.*daily-2\.csv\.gz"):
        rows_of(opened, aws_cur.find(opened).deliveries[0])


def test_a_missing_column_is_damaged_and_named(deliver: Deliver, place: Opened, rows_of: RowsOf) -> None:
    body = report(LINE).replace(b"lineItem/UsageType", b"lineItem/Other")
    opened = place("aws-cur", deliver(gzip.compress(body)))
    with pytest.raises(Damaged, match="missing: line_item_usage_type"):
        rows_of(opened, aws_cur.find(opened).deliveries[0])


@pytest.mark.parametrize(
    "change, said",
    [
        ({"reportKeys": None, "dataFiles": []}, "Data Exports"),
        ({"reportKeys": None, "reportFiles": []}, "Storage Lens"),
        ({"reportKeys": None, "sourceBucket": "b", "files": []}, "inventory"),
        ({"reportKeys": None}, "no list of reportKeys"),
        ({"reportKeys": [1]}, "no list of reportKeys"),
        ({"billingPeriod": None}, "no billingPeriod"),
        ({"billingPeriod": {"start": "20261301T000000.000Z"}}, "no billingPeriod"),
    ],
)
def test_a_manifest_of_another_family_is_rejected_and_the_other_months_are_found(
    deliver: Deliver, place: Opened, change: dict[str, object], said: str
) -> None:
    deliver(gzip.compress(report(LINE)), month="20261001-20261101", assembly="a-0")
    found = aws_cur.find(place("aws-cur", deliver(keep=True, **change)))
    assert [each.scope for each in found.deliveries] == ["2026-10"]
    [damaged] = found.rejected
    assert said in damaged.reason
    assert (damaged.scope, damaged.fix.count("aws-cur2")) == ("2026-11", 1)


def test_two_reports_in_one_place_are_refused(deliver: Deliver, place: Opened) -> None:
    deliver(reportKeys=[], month="20261001-20261101")
    folder = deliver(reportKeys=[], reportName="hourly")
    with pytest.raises(Terminal, match="2 reports"):
        aws_cur.find(place("aws-cur", folder))


def test_data_without_a_manifest_is_still_arriving(deliver: Deliver, place: Opened) -> None:
    folder = deliver(gzip.compress(report(LINE)))
    next(folder.rglob("*Manifest.json")).unlink()
    with pytest.raises(Transient, match="still arriving"):
        aws_cur.find(place("aws-cur", folder))


def test_an_empty_place_says_what_was_looked_for(place: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="yyyymmdd-yyyymmdd"):
        aws_cur.find(place("aws-cur", tmp_path))


@pytest.mark.parametrize(
    "name, pack",
    [
        ("n.csv", bytes),
        ("n.csv.gz", gzip.compress),
        ("n.zip", lambda body: zipped(("../../n.csv", body))),
        ("n.csv.zip", lambda body: zipped(("a/", b""), ("a/n.csv", body))),
    ],
)
def test_a_file_without_a_manifest_is_a_delivery_per_billing_period(
    tmp_path: Path, place: Opened, rows_of: RowsOf, name: str, pack: Callable[[bytes], bytes]
) -> None:
    october = {"bill/BillingPeriodStartDate": "2026-10-01T00:00:00Z", "lineItem/UnblendedCost": "7"}
    written(tmp_path / "bills" / name, pack(report(LINE, october, LINE)))
    opened = place("aws-cur", tmp_path / "bills")
    read = {each.scope: costs(rows_of(opened, each)) for each in aws_cur.find(opened).deliveries}
    assert read == {"2026-10": [Decimal(7)], "2026-11": [Decimal("0.25")] * 2}


def test_one_billing_period_in_two_files_is_refused_by_name(tmp_path: Path, place: Opened) -> None:
    for name in ("first.csv", "second.csv"):
        written(tmp_path / "bills" / name, report(LINE))
    with pytest.raises(Terminal, match=r"(?s)period 2026-11.*first\.csv.*second\.csv"):
        aws_cur.find(place("aws-cur", tmp_path / "bills"))


def test_a_plain_file_without_billing_periods_is_rejected(tmp_path: Path, place: Opened) -> None:
    written(tmp_path / "bills" / "n.csv", report({"bill/BillingPeriodStartDate": ""}))
    [damaged] = aws_cur.find(place("aws-cur", tmp_path / "bills")).rejected
    assert "bill_billing_period_start_date is missing" in damaged.reason


def with_wrong_checksum(body: bytes) -> bytes:
    """Return an archive whose one member is not what its checksum says."""
    archive = bytearray(zipped(("n.csv", body)))
    central = archive.index(b"PK\x01\x02")
    archive[14] ^= 1
    archive[central + 16] ^= 1
    return bytes(archive)


@pytest.mark.parametrize(
    "pack, said",
    [
        (with_wrong_checksum, "CRC"),
        (lambda body: zipped(("n.csv", body))[:-30], "not a zip file"),
        (lambda body: zipped(("a.csv", body), ("b.csv", body)), "2 files"),
        (lambda _: zipped(), "0 files"),
    ],
    ids=["wrong checksum", "cut off", "two files", "no file"],
)
def test_an_archive_that_is_not_one_whole_file_is_damaged(
    deliver: Deliver, place: Opened, rows_of: RowsOf, pack: Callable[[bytes], bytes], said: str
) -> None:
    opened = place("aws-cur", deliver(pack(report(LINE)), ending="csv.zip", compression="ZIP"))
    with pytest.raises(Damaged, match=rf"(?s){said}.*daily-1\.csv\.zip"):
        rows_of(opened, aws_cur.find(opened).deliveries[0])
    assert list(opened.scratch.iterdir()) == []


@pytest.mark.parametrize(
    "path, expected",
    [
        ("bucket", ("2018-08", 13_380, "143227.763678")),
        ("bucket/koku-local", ("2018-08", 13_380, "143227.763678")),
        ("2023-06-01.csv", ("2023-06", 3, "30")),
        ("2023-06-01-not-final.csv", ("2023-06", 3, "30")),
        ("test_cur.csv.gz", ("2018-06", 19, "0.08275")),
        ("sample-anonymous-aws-export-dataset.first-854-rows.csv", ("2023-11", 854, "0.642166")),
    ],
)
def test_real_reports_land_whole(
    samples: Path, place: Opened, rows_of: RowsOf, path: str, expected: tuple[str, int, str]
) -> None:
    opened = place("aws-cur", samples / "aws-cur-legacy" / path)
    [delivery] = aws_cur.find(opened).deliveries
    rows = rows_of(opened, delivery)
    scope, row_count, cost = expected
    assert (delivery.scope, len(rows)) == (scope, row_count)
    assert round(sum(costs(rows), Decimal()), 6) == Decimal(cost)


def test_a_real_report_with_names_for_athena_lands_with_its_tags(
    samples: Path, place: Opened, rows_of: RowsOf
) -> None:
    opened = place("aws-cur", samples / "aws-cur-snake-case")
    [delivery] = aws_cur.find(opened).deliveries
    rows = rows_of(opened, delivery)
    tags = [json.loads(row["resource_tags"]) for row in rows if row["resource_tags"]]
    assert (delivery.scope, len(rows)) == ("2024-04", 20)
    assert [each.get("user_team") for each in tags] == ["list", None, "cook"]


def test_a_published_bill_has_its_published_totals(samples: Path, place: Opened, rows_of: RowsOf) -> None:
    examples = samples.parent / "worked-examples"
    if not examples.is_dir():
        pytest.skip(f"no worked examples at {examples}")
    published = json.loads((examples / "cur1-sample-classification-totals.json").read_text())["expected"]
    opened = place("aws-cur", examples / "data" / "cur1-sample-2023-11.csv")
    [delivery] = aws_cur.find(opened).deliveries
    assert sum(costs(rows_of(opened, delivery)), Decimal()) == Decimal(published["all"]["unblended_usd"])
