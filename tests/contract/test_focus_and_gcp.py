"""FOCUS and Google's billing export in every form they come in, from the file to the published figures."""

import gzip
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from pipelines import steps
from pipelines.domain.configuration import Source, SourceKind
from pipelines.sources import convert, find, open_place

AS_OF = date(2026, 11, 19)
NOW = datetime(2026, 11, 20, 6, 30)
NEVER_ASKED = datetime(2026, 1, 1)

Rows = list[dict[str, Any]]

GOOGLE: Rows = [
    {
        "billing_account_id": "018984-D0AAA4-940B88",
        "service": {"id": "95FF-2EF5-5EA1", "description": "Cloud Storage"},
        "sku": {"id": "5F7A-5173-CF5B", "description": "Standard Storage Iowa"},
        "usage_start_time": "2026-11-17T03:00:00+00:00",
        "usage_end_time": "2026-11-17T04:00:00+00:00",
        "project": {"id": "train", "name": "Train", "labels": [{"key": "team", "value": "vision"}]},
        "labels": [{"key": "team", "value": "nlp"}, {"key": "run", "value": "a,b"}],
        "system_labels": [],
        "location": {"location": "us-central1", "region": "us-central1", "zone": None},
        "resource": {"name": "train", "global_name": "//storage.googleapis.com/projects/_/buckets/train"},
        "export_time": "2026-11-18T01:11:12.066000+00:00",
        "cost": 0.000528,
        "currency": "USD",
        "usage": {
            "amount": 3.8654705664e15,
            "unit": "byte-seconds",
            "amount_in_pricing_units": 0.00138889,
            "pricing_unit": "gibibyte month",
        },
        "credits": [{"name": "promotion", "amount": -0.0001}, {"name": "sustained use", "amount": -0.00002}],
        "invoice": {"month": "202611"},
        "cost_type": "regular",
        "cost_at_list": 0.0006,
    },
    {
        "billing_account_id": "018984-D0AAA4-940B88",
        "service": {"id": "95FF-2EF5-5EA1", "description": "Cloud Storage"},
        "sku": {"id": "22EB-AAE8-FBCD", "description": "Download Worldwide Destinations"},
        "usage_start_time": "2026-11-18T23:00:00+00:00",
        "usage_end_time": "2026-11-19T00:00:00+00:00",
        "project": {"id": "train", "name": "Train", "labels": []},
        "labels": [],
        "system_labels": [],
        "location": {"location": "us", "region": None, "zone": None},
        "resource": {"name": "train", "global_name": None},
        "export_time": "2026-11-19T01:11:12.066000+00:00",
        "cost": 12.34,
        "currency": "USD",
        "usage": {
            "amount": 110407778304.0,
            "unit": "bytes",
            "amount_in_pricing_units": 102.825,
            "pricing_unit": "gibibyte",
        },
        "credits": [],
        "invoice": {"month": "202611"},
        "cost_type": "regular",
        "cost_at_list": 12.34,
    },
]
TIMES = ("usage_start_time", "usage_end_time", "export_time")
ARRAYS = ("labels", "system_labels", "credits")


def written(path: Path, body: bytes, moment: datetime = datetime(2026, 11, 19, 5)) -> Path:
    """Write a file that was modified at a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    stamp = moment.replace(tzinfo=UTC).timestamp()
    os.utime(path, (stamp, stamp))
    return path


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a Parquet file; arrays have a type even where they are empty."""
    entry = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
    table = pa.Table.from_pylist(list(rows))
    if "system_labels" in table.column_names and table["system_labels"].type == pa.list_(pa.null()):
        index = table.column_names.index("system_labels")
        table = table.set_column(index, "system_labels", table["system_labels"].cast(entry))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a CSV file with every value quoted."""
    names = list(rows[0])
    texts = {name: [None if row[name] is None else str(row[name]) for row in rows] for name in names}
    buffer = io.BytesIO()
    pa_csv.write_csv(pa.table(texts), buffer)
    return buffer.getvalue()


def flat(row: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Return a row with the columns of a flattened export; arrays are JSON text."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            made |= {f"{name}{separator}{inner}": part for inner, part in flat(value, separator).items()}
        else:
            made[name] = json.dumps(value) if isinstance(value, list) else value
    return made


def wrapped(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose arrays are written as `.list.element`."""
    entries = {name: {"list": [{"element": one} for one in row[name]]} for name in ("labels", "credits")}
    return {**row, **entries}


def timed(row: Mapping[str, Any], spell: Callable[[datetime], object]) -> dict[str, Any]:
    """Return a row with its times spelled in another way."""
    return {**row, **{name: spell(datetime.fromisoformat(row[name])) for name in TIMES}}


def as_texts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the REST interface spells it: numbers as text in E notation, times in seconds."""
    usage = {**row["usage"], "amount": f"{row['usage']['amount']:.16E}"}
    spelled = timed(row, lambda moment: f"{moment.timestamp() / 1e9!r}E9")
    return {**spelled, "cost": f"{row['cost']:.16E}", "usage": usage}


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return JSON lines; null fields are left out."""
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in kept).encode()


GOOGLE_FORMS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "Parquet": lambda: ("a.parquet", parquet(GOOGLE)),
    "Parquet with times": lambda: ("a.parquet", parquet([timed(row, lambda at: at) for row in GOOGLE])),
    "Parquet with list.element": lambda: ("a.parquet", parquet([wrapped(row) for row in GOOGLE])),
    "Parquet, flat": lambda: ("a.parquet", parquet([flat(row, ".") for row in GOOGLE])),
    "JSON lines": lambda: ("a.jsonl", lines(GOOGLE)),
    "JSON lines, .json": lambda: ("a.json", lines(GOOGLE)),
    "JSON lines, .ndjson.gz": lambda: ("a.ndjson.gz", gzip.compress(lines(GOOGLE))),
    "JSON array": lambda: ("a.json", json.dumps(GOOGLE).encode()),
    "JSON lines, UTC": lambda: (
        "a.jsonl",
        lines([timed(row, lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f} UTC") for row in GOOGLE]),
    ),
    "JSON lines, all text": lambda: ("a.jsonl", lines([as_texts(row) for row in GOOGLE])),
    "CSV with dots": lambda: ("a.csv", csv([flat(row, ".") for row in GOOGLE])),
    "CSV with underscores": lambda: ("a.csv", csv([flat(row, "_") for row in GOOGLE])),
    "CSV, gzip": lambda: ("a.csv.gz", gzip.compress(csv([flat(row, ".") for row in GOOGLE]))),
}


@pytest.fixture
def samples() -> Path:
    """Real files of providers."""
    repository = Path(__file__).parents[2]
    folder = Path(os.environ.get("MORAINE_SAMPLES", repository.parent / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}; MORAINE_SAMPLES names another place")
    return folder


@pytest.fixture
def rows_in(tmp_path: Path) -> Callable[[SourceKind, Path], Rows]:
    """Return a function that reads all deliveries of a place."""

    def rows(kind: SourceKind, uri: Path) -> Rows:
        source = Source(name="bill", kind=kind, uri=str(uri))
        place = open_place(source, tmp_path, (), tmp_path / "scratch")
        read: Rows = []
        for number, delivery in enumerate(find(place, NEVER_ASKED).deliveries):
            for index in range(len(delivery.parts)):
                into = tmp_path / f"converted-{number}-{index}"
                into.mkdir()
                for file in convert(place, delivery, index, into).files:
                    read += pq.read_table(file).to_pylist()
        return read

    return rows


@pytest.mark.parametrize("form", GOOGLE_FORMS)
def test_google_s_export_says_the_same_in_every_form(
    tmp_path: Path, rows_in: Callable[..., Rows], form: str
) -> None:
    name, body = GOOGLE_FORMS[form]()
    written(tmp_path / "export" / name, body)
    first, second = rows_in("gcp-billing", tmp_path / "export")
    assert (first["cost"], first["credits_amount"]) == (Decimal("0.000528"), Decimal("-0.00012"))
    assert (second["cost"], second["credits_amount"]) == (Decimal("12.34"), 0)
    assert (first["usage_amount"], first["usage_unit"]) == (Decimal(3865470566400000), "byte-seconds")
    assert first["usage_start_at"] == datetime(2026, 11, 17, 3)
    assert abs((first["exported_at"] - datetime(2026, 11, 18, 1, 11, 12, 66000)).total_seconds()) < 1e-3
    assert json.loads(first["labels"]) == {"team": "nlp", "run": "a,b"}
    assert json.loads(first["project_labels"]) == {"team": "vision"}
    assert [credit["amount"] for credit in json.loads(first["credits"])] == [-0.0001, -0.00002]
    assert (second["labels"], second["credits"], second["region"]) == (None, None, None)
    assert (first["resource_name"], first["invoice_month"]) == ("train", "202611")


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_the_standard_export_knows_no_resources(
    tmp_path: Path, rows_in: Callable[..., Rows], ending: str
) -> None:
    rows = [{name: value for name, value in row.items() if name != "resource"} for row in GOOGLE]
    flattened = csv([flat(row, ".") for row in rows])
    bodies = {"jsonl": lines(rows), "parquet": parquet(rows), "csv": flattened}
    written(tmp_path / "export" / f"a.{ending}", bodies[ending])
    read = rows_in("gcp-billing", tmp_path / "export")
    assert [row["resource_name"] for row in read] == [None, None]
    assert sum(row["cost"] for row in read) == Decimal("12.340528")


def test_the_real_export_of_google_sums_up_to_what_it_says(
    samples: Path, rows_in: Callable[..., Rows]
) -> None:
    rows = rows_in("gcp-billing", samples / "gcp-billing-csv")
    assert len(rows) == 9
    assert sum(row["cost"] + row["credits_amount"] for row in rows) == Decimal("0.000012")
    assert sum(row["usage_amount"] for row in rows) == Decimal(325144)
    assert {row["usage_start_at"].date() for row in rows} == {date(2022, 8, 1)}
    assert {row["resource_name"] for row in rows} == {"instance-1"}


SPECIFICATION = {
    "simple_saas_agreements_a1": (1, "10000"),
    "simple_saas_agreements_a2": (1, "50000"),
    "simple_saas_agreements_a3": (1, "1000"),
    "simple_saas_agreements_b": (1, "50000"),
    "simple_saas_agreements_c": (3, "35800"),
    "virtual_currency_pricing_model_a1": (1, "200000"),
    "virtual_currency_pricing_model_a2": (3, "0"),
    "virtual_currency_pricing_model_b1": (1, "100000"),
    "virtual_currency_pricing_model_b3": (3, "0"),
    "virtual_currency_pricing_model_c": (2, "53000"),
}


@pytest.mark.parametrize("name", SPECIFICATION)
def test_the_specification_s_own_examples_are_read(
    samples: Path, rows_in: Callable[..., Rows], name: str
) -> None:
    rows = rows_in("focus", samples / "focus-1.2-spec-examples" / f"{name}.csv")
    count, billed = SPECIFICATION[name]
    assert (len(rows), sum(row["BilledCost"] for row in rows)) == (count, Decimal(billed))
    assert all(row["BillingPeriodStart"].day == 1 for row in rows)


def test_examples_without_a_currency_and_a_service_are_rejected(samples: Path, tmp_path: Path) -> None:
    others = sorted((samples / "focus-1.2-spec-examples").glob("*.csv"))
    others = [path for path in others if path.stem not in SPECIFICATION]
    assert len(others) == 9
    for path in others:
        source = Source(name="bill", kind="focus", uri=str(path))
        found = find(open_place(source, tmp_path, (), tmp_path / "scratch"), NEVER_ASKED)
        assert [one.reason for one in found.rejected] == [
            "required columns are missing: BillingCurrency, ServiceName"
        ]


def test_the_real_sample_of_focus_sums_up_by_provider(samples: Path, rows_in: Callable[..., Rows]) -> None:
    rows = rows_in("focus", samples / "focus-1.0")
    totals: dict[str, list[Decimal]] = {}
    for row in rows:
        sums = totals.setdefault(row["ProviderName"], [Decimal(0)] * 4)
        for index, name in enumerate(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")):
            sums[index] += row[name] or 0
    expected = {
        "AWS": ("18.0066386184", "13", "18.1493176406", "13"),
        "Microsoft": ("1.97651418586", "1.97651418586", "1.97651418586", "1.97626039326"),
        "Oracle": ("0.53707392473", "0", "0.26507392473", "0"),
    }
    tolerance = Decimal("0.00000000001")
    assert totals.keys() == expected.keys()
    for provider, amounts in expected.items():
        assert all(
            abs(is_ - Decimal(said)) <= tolerance for is_, said in zip(totals[provider], amounts, strict=True)
        )


VERSIONS: dict[str, dict[str, str]] = {
    "1.0": {},
    "1.1": {"ServiceSubcategory": "Object Storage", "SkuMeter": "Storage", "CapacityReservationId": ""},
    "1.2": {"InvoiceId": "INV-1", "PricingCurrency": "USD", "SubAccountType": "project"},
    "1.3": {"HostProviderName": "AWS", "ServiceProviderName": "AWS", "AllocatedMethodId": "", "x_Any": "1"},
}
CHARGE = {
    "BilledCost": "35.2E-7",
    "EffectiveCost": "1.25",
    "ListCost": "1.5",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-11-01T00:00:00Z",
    "BillingPeriodEnd": "2026-12-01T00:00:00Z",
    "ChargePeriodStart": "2026-11-17T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "Object Storage",
    "ProviderName": "Oracle",
    "RegionId": "us-ashburn-1",
    "SkuMeter": "",
    "Tags": '{"team": "nlp"}',
}


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_focus_is_read_in_every_form(
    tmp_path: Path, rows_in: Callable[..., Rows], version: str, form: str
) -> None:
    charge = CHARGE | VERSIONS[version]
    body = parquet([charge]) if form == "parquet" else csv([charge])
    written(tmp_path / "bills" / f"a.{form}", gzip.compress(body) if form.endswith("gz") else body)
    [row] = rows_in("focus", tmp_path / "bills")
    assert (row["BilledCost"], row["ProviderName"]) == (Decimal("0.00000352"), "Oracle")
    assert json.loads(row["Tags"]) == {"team": "nlp"}


class World:
    """A lake with one source, and the nights over it."""

    def __init__(self, root: Path, kind: SourceKind) -> None:
        self.bills = root / "bills"
        self.config = root / "moraine.yaml"
        self.bills.mkdir()
        self.config.write_text(
            "lake: lake\nengine: {memory_limit: 1GB, threads: 1}\n"
            f"sources:\n  - {{name: bill, kind: {kind}, uri: bills}}\n"
        )

    def ingest(self) -> steps.IngestReport:
        """Land what is there."""
        return steps.ingest(steps.open_run(self.config, AS_OF, NOW), "bill")

    def ask(self, question: str, as_of: date = AS_OF) -> list[tuple[Any, ...]]:
        """Build a night and ask its warehouse."""
        run = steps.open_run(self.config, as_of, NOW)
        steps.build(run)
        path = self.config.parent / "lake" / "build" / str(as_of) / "warehouse.duckdb"
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            return connection.execute(question).fetchall()


@pytest.fixture
def focus_world(tmp_path: Path) -> World:
    """A source of FOCUS files."""
    return World(tmp_path, "focus")


@pytest.fixture
def google_world(tmp_path: Path) -> World:
    """A source of Google's export."""
    return World(tmp_path, "gcp-billing")


COSTS = """
select currency, sum(billed_cost), sum(effective_cost), sum(list_cost)
from marts.costs_daily group by all order by currency
"""
RESTATED = """
select usage_date::varchar, currency, previous_billed_cost, billed_cost, change, was_closed, delivered_at
from marts.bill_restatements order by delivered_at, usage_date, currency
"""


def test_currencies_of_one_bill_are_kept_apart(focus_world: World) -> None:
    euros = {"BillingCurrency": "EUR", "BilledCost": "7", "EffectiveCost": "7", "ListCost": "7"}
    written(focus_world.bills / "a.csv", csv([CHARGE, CHARGE | euros, CHARGE]))
    focus_world.ingest()
    assert focus_world.ask(COSTS) == [
        ("EUR", 7, 7, 7),
        ("USD", Decimal("0.00000704"), Decimal("2.5"), Decimal(3)),
    ]


def test_what_a_newer_delivery_changed_about_a_day_can_be_asked(focus_world: World) -> None:
    days = {"2026-11-10": "10", "2026-11-18": "4"}
    for moment, changed in ((18, {}), (19, {"2026-11-10": "22.30", "2026-11-18": "9"}), (20, {})):
        costs = days | changed
        rows = [CHARGE | {"ChargePeriodStart": day, "BilledCost": cost} for day, cost in costs.items()]
        written(focus_world.bills / "a.csv", csv(rows), datetime(2026, 11, moment, 5))
        focus_world.ingest()
    assert focus_world.ask(RESTATED) == [
        ("2026-11-10", "USD", 10, Decimal("22.3"), Decimal("12.3"), True, datetime(2026, 11, 19, 5)),
        ("2026-11-18", "USD", 4, 9, 5, False, datetime(2026, 11, 19, 5)),
        ("2026-11-10", "USD", Decimal("22.3"), 10, Decimal("-12.3"), True, datetime(2026, 11, 20, 5)),
        ("2026-11-18", "USD", 9, 4, -5, False, datetime(2026, 11, 20, 5)),
    ]


def test_a_night_that_is_run_again_knows_the_restatements_of_its_time_only(focus_world: World) -> None:
    for moment, cost in ((15, "10"), (16, "11"), (20, "12")):
        charge = CHARGE | {"ChargePeriodStart": "2026-11-10", "BilledCost": cost}
        written(focus_world.bills / "a.csv", csv([charge]), datetime(2026, 11, moment, 5))
        focus_world.ingest()
    assert len(focus_world.ask(RESTATED)) == 2
    assert len(focus_world.ask(RESTATED, date(2026, 11, 15))) == 1


def test_google_s_files_add_up_net_of_credits_to_the_last_digit(google_world: World) -> None:
    written(google_world.bills / "2026-11-18.jsonl", lines(GOOGLE))
    written(google_world.bills / "2026-11-19.parquet", parquet(GOOGLE))
    written(google_world.bills / "copy-of-2026-11-18.jsonl", lines(GOOGLE))
    report = google_world.ingest()
    assert (report.landed, report.rows, len(report.warnings)) == (2, 4, 1)
    net, listed = 2 * Decimal("12.340408"), 2 * Decimal("12.3406")
    assert google_world.ask(COSTS) == [("USD", net, net, listed)]
    storage = (
        "select distinct provider, team, usage_unit from marts.costs_daily where meter ilike 'standard%'"
    )
    assert google_world.ask(storage) == [("gcp", "", "byte-seconds")]


def test_google_s_correction_restates_the_day_it_is_about(google_world: World) -> None:
    written(google_world.bills / "2026-11-17.jsonl", lines(GOOGLE[:1]), datetime(2026, 11, 17, 23))
    google_world.ingest()
    written(google_world.bills / "2026-11-19.jsonl", lines(GOOGLE[1:]), datetime(2026, 11, 19, 23))
    correction = GOOGLE[0] | {"cost": -0.000408, "credits": [], "cost_type": "adjustment"}
    written(google_world.bills / "2026-11-20.jsonl", lines([correction]), datetime(2026, 11, 20, 5))
    google_world.ingest()
    assert google_world.ask(RESTATED) == [
        (
            "2026-11-17",
            "USD",
            Decimal("0.000408"),
            0,
            Decimal("-0.000408"),
            True,
            datetime(2026, 11, 20, 5),
        )
    ]


def test_a_google_file_that_was_moved_is_not_counted_again(google_world: World) -> None:
    path = written(google_world.bills / "new" / "a.jsonl", lines(GOOGLE))
    google_world.ingest()
    path.unlink()
    written(google_world.bills / "archive" / "a.jsonl", lines(GOOGLE), datetime(2026, 11, 20, 5))
    google_world.ingest()
    assert google_world.ask("select sum(billed_cost) from marts.costs_daily") == [(Decimal("12.340408"),)]
    assert google_world.ask(RESTATED) == []
