"""AWS' bills in every form they are delivered in: the same rows reach the lake, and a restated month replaces
itself without erasing what it said before."""

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import raw, sources
from pipelines.domain.configuration import Source, SourceKind
from pipelines.domain.deliveries import Landed, in_force
from pipelines.domain.tag_keys import in_snake_case
from pipelines.stores import LocalStore

NOW = datetime(2026, 11, 20)
Line = Mapping[str, object]


def line(cost: str, *, net: str = "", team: str = "", currency: str = "USD") -> Line:
    """Return a line item in the words of a legacy report."""
    return {
        "identity/LineItemId": "x1",
        "bill/PayerAccountId": "000123",
        "bill/BillingPeriodStartDate": datetime(2026, 11, 1, tzinfo=UTC),
        "lineItem/LineItemType": "Usage",
        "lineItem/UsageStartDate": datetime(2026, 11, 3, 1, tzinfo=UTC),
        "lineItem/ProductCode": "AmazonS3",
        "lineItem/UsageType": 'EUW1-"quoted", \n odd',
        "lineItem/UnblendedCost": cost,
        "lineItem/NetUnblendedCost": net,
        "lineItem/CurrencyCode": currency,
        "product/region": "eu-west-1",
        "resourceTags/user:Team": team,
        "savingsPlan/SavingsPlanARN": "arn:aws:savingsplans:s",
    }


def landed_row(cost: str, net: str | None = None, team: str | None = None, currency: str = "USD") -> Line:
    """Return what the lake says of such a line."""
    return {
        "identity_line_item_id": "x1",
        "bill_payer_account_id": "000123",
        "bill_billing_period_start_date": datetime(2026, 11, 1),
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": datetime(2026, 11, 3, 1),
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": 'EUW1-"quoted", \n odd',
        "line_item_unblended_cost": Decimal(cost),
        "line_item_net_unblended_cost": Decimal(net) if net else None,
        "line_item_currency_code": currency,
        "product_region_code": "eu-west-1",
        "resource_tags": f'{{"user_team":"{team}"}}' if team else None,
        "savings_plan_savings_plan_a_r_n": "arn:aws:savingsplans:s",
    }


FIRST = [[line("0.25", team="nlp"), line("1.5")], [line("1000000.123456789", currency="JPY")]]
FIRST_ROWS = [
    landed_row("0.25", team="nlp"),
    landed_row("1.5"),
    landed_row("1000000.123456789", currency="JPY"),
]
RESTATED = [[line("1.2E-4", net="1E-4"), line("-0.0000000001", team="vision")]]
RESTATED_ROWS = [landed_row("0.00012", net="0.0001"), landed_row("-0.0000000001", team="vision")]


@dataclass(frozen=True)
class Variant:
    """One form in which a bill is delivered."""

    kind: SourceKind
    ending: str
    keeps_versions: bool
    is_snake_case: bool = True

    def __str__(self) -> str:
        mode = "versions" if self.keeps_versions else "overwrite"
        return f"{self.kind} {self.ending} {mode} {'snake' if self.is_snake_case else 'slash'}"

    def body(self, lines: Sequence[Line]) -> bytes:
        """Return a data file of some lines."""
        tables = [{self._name(name): value for name, value in each.items()} for each in lines]
        columns = [self._name(name) for name in line("0")]
        if self.kind == "aws-cur2":
            tables, columns = _with_maps(tables), [*columns[:-2], columns[-1], "resource_tags"]
        if self.ending.endswith("parquet"):
            return _parquet(tables, columns)
        text = _csv(tables, columns)
        return _zipped(text) if self.ending.endswith("zip") else gzip.compress(text)

    def _name(self, name: str) -> str:
        return in_snake_case(name) if self.is_snake_case else name


VARIANTS = [
    *(
        Variant("aws-cur", ending, keeps_versions, is_snake_case)
        for ending in ("csv.gz", "csv.zip", "snappy.parquet")
        for keeps_versions in (False, True)
        for is_snake_case in (False, True)
    ),
    *(
        Variant("aws-cur2", ending, keeps_versions)
        for ending in ("csv.gz", "snappy.parquet")
        for keeps_versions in (False, True)
    ),
]


@dataclass(frozen=True)
class World:
    """A bucket with one bill, and the lake it lands in."""

    root: Path
    variant: Variant

    @property
    def lake(self) -> LocalStore:
        return LocalStore(self.root / "lake")

    def deliver(self, chunks: Sequence[bytes], *, run: str, day: int) -> None:
        """Write one delivery as AWS does, on a day of November."""
        write = self._legacy if self.variant.kind == "aws-cur" else self._data_export
        moment = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
        for key, body in write(chunks, run):
            path = self.root / "bucket" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            os.utime(path, (moment, moment))

    def land(self) -> list[Landed]:
        """Land what is there; return the whole ledger, oldest first."""
        source = Source(name="bill", kind=self.variant.kind, uri=str(self.root / "bucket" / "bills"))
        place = sources.open_place(source, self.root, (), self.root / "scratch")
        found = sources.find(place, NOW)
        assert found.rejected == ()
        for delivery in found.deliveries:
            raw.land(self.lake, delivery, partial(sources.convert, place, delivery), place.scratch)
        return sorted(raw.ledger(self.lake), key=lambda entry: entry.delivered_at)

    def rows(self, entry: Landed) -> list[Line]:
        """Return the rows of a delivery, without the columns that are null in all of these bills."""
        tables = [pq.read_table(self.root / "lake" / file) for file in entry.files]
        names = landed_row("0")
        rows = [row for table in tables for row in table.to_pylist()]
        assert all(value is None for row in rows for name, value in row.items() if name not in names)
        return [{name: row[name] for name in names} for row in rows]

    def _legacy(self, chunks: Sequence[bytes], run: str) -> Iterable[tuple[str, bytes]]:
        ending, is_kept = self.variant.ending, self.variant.keeps_versions
        is_parquet = ending.endswith("parquet")
        folder = "bills/daily/daily/year=2026/month=11/" if is_parquet else "bills/daily/20261101-20261201/"
        data = f"{folder}{run}/" if is_kept else folder
        keys = [f"{data}daily-{number}.{ending}" for number in range(1, len(chunks) + 1)]
        manifest = {
            "assemblyId": run,
            "account": "000123",
            "columns": [],
            "charset": "UTF-8",
            "compression": "Parquet" if is_parquet else "ZIP" if ending.endswith("zip") else "GZIP",
            "reportId": "r",
            "reportName": "daily",
            "billingPeriod": {"start": "20261101T000000.000Z", "end": "20261201T000000.000Z"},
            "bucket": "billing",
            "reportKeys": keys,
        }
        text = json.dumps(manifest).encode()
        manifests = {f"{place}daily-Manifest.json": text for place in (data, folder)}
        return [*zip(keys, chunks, strict=True), *manifests.items()]

    def _data_export(self, chunks: Sequence[bytes], run: str) -> Iterable[tuple[str, bytes]]:
        period = "BILLING_PERIOD=2026-11/"
        folder = f"{period}{run}/" if self.variant.keeps_versions else period
        keys = [
            f"bills/cur2/data/{folder}cur2-{number:05d}.{self.variant.ending}"
            for number in range(1, len(chunks) + 1)
        ]
        manifest = {"executionId": run, "columns": [], "dataFiles": [f"s3://billing/{key}" for key in keys]}
        text = json.dumps(manifest).encode()
        manifests = {f"bills/cur2/metadata/{place}cur2-Manifest.json": text for place in (folder, period)}
        return [*zip(keys, chunks, strict=True), *manifests.items()]


@pytest.fixture(params=VARIANTS, ids=str)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A bucket that holds nothing yet."""
    return World(tmp_path, request.param)


def test_a_restated_month_is_in_force_and_what_it_said_before_is_kept(world: World) -> None:
    body = world.variant.body
    world.deliver([body(lines) for lines in FIRST], run="run-1", day=18)
    [first] = world.land()
    assert (first.kind, first.table, first.scope) == (world.variant.kind, "aws_cur2", "2026-11")
    assert (first.row_count, world.rows(first)) == (3, FIRST_ROWS)

    chunks = [body(lines) for lines in RESTATED]
    if world.variant.kind == "aws-cur2" and not world.variant.keeps_versions:
        # The run before had a file more, which is overwritten with nothing.
        chunks.append(b"")
    world.deliver(chunks, run="run-2", day=19)
    before, restated = world.land()
    assert before == first
    assert world.rows(before) == FIRST_ROWS
    assert (restated.row_count, world.rows(restated)) == (2, RESTATED_ROWS)
    assert in_force([before, restated], date(2026, 11, 19)) == [restated]
    assert world.land() == [before, restated]


def test_a_month_without_a_line_replaces_one_with_lines(world: World) -> None:
    world.deliver([world.variant.body(FIRST[0])], run="run-1", day=18)
    world.land()
    world.deliver([world.variant.body([])], run="run-2", day=19)
    before, emptied = world.land()
    assert (before.row_count, emptied.row_count) == (2, 0)
    assert in_force([before, emptied], date(2026, 11, 19)) == [emptied]


def test_a_delivery_that_lists_no_files_is_one_without_rows(world: World) -> None:
    world.deliver([], run="run-1", day=18)
    [landed] = world.land()
    assert (landed.row_count, landed.files) == (0, ())


def _with_maps(tables: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Put the tags of lines into a map, and call the region as CUR 2.0 does."""
    mapped = []
    for table in tables:
        fields = dict(table)
        team = fields.pop("resource_tags_user_team")
        mapped.append({**fields, "resource_tags": {"user_team": team} if team else {}})
    return mapped


def _csv(tables: Iterable[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: _spelled(value) for name, value in table.items()} for table in tables)
    return text.getvalue().encode()


def _spelled(value: object) -> object:
    match value:
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case dict():
            return json.dumps(value, separators=(",", ":"))
    return value


def _parquet(tables: Iterable[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    rows = [{name: _in_parquet(name, table[name]) for name in columns} for table in tables]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(name, _type(name)) for name in columns])), buffer)
    return buffer.getvalue()


def _in_parquet(name: str, value: object) -> object:
    if isinstance(value, dict):
        return list(value.items())
    if name.lower().endswith("cost"):
        return float(str(value)) if value else None
    return value


def _type(name: str) -> pa.DataType:
    if name == "resource_tags":
        return pa.map_(pa.string(), pa.string())
    if name.lower().endswith("date"):
        return pa.timestamp("ms", "UTC")
    return pa.float64() if name.lower().endswith("cost") else pa.string()


def _zipped(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("daily-1.csv", text)
    return buffer.getvalue()
