"""Deliveries that look wrong and are not: they land, with exactly the rows they have."""

import csv
import gzip
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract import deliveries as made
from tests.contract.deliveries import Provider
from tests.contract.test_bad_deliveries import ALL, EXPORTS, GCP, INVENTORIES, LEGACY, REPORTS, World

HOSTILE_KEYS = (
    "runs/a b",
    "runs/'; drop table x; --",
    'runs/"quoted"',
    "runs/a,b",
    "runs/line\nbreak",
    "runs/carriage\r\nreturn",
    "runs/100%",
    "runs/a%2Fb",
    "runs/a+b",
    "runs/%_like",
    "../../etc/passwd",
    "runs/../up",
    "./here",
    "/leading",
    "trailing/",
    "double//slash",
    " space around ",
    "\\back\\slash",
    "runs/\x1b[31mred",
    "runs/ünï-cøde/模型/🤖",
    "runs/e\u0301 is not \u00e9",
    "NULL",
    "null",
    "k" * 1024,
    "ü" * 512,
)
BY_NAME = {provider.name: provider for provider in ALL}


@pytest.fixture
def world(tmp_path: Path) -> Callable[[Provider], World]:
    return lambda provider: World(tmp_path, provider)


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
def test_a_delivery_without_rows_is_valid_and_in_force(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    here.deliver(1, [])

    report = here.ingest()

    assert (report.landed, report.rows, report.quarantined) == (1, 0, ())
    assert here.served() == []


@pytest.mark.parametrize(
    "provider, field",
    [
        *((provider, "files") for provider in INVENTORIES),
        *((provider, "dataFiles") for provider in EXPORTS),
        (LEGACY, "reportKeys"),
    ],
    ids=lambda part: getattr(part, "name", part),
)
def test_a_manifest_without_files_is_a_delivery_of_nothing(
    world: Callable[[Provider], World], provider: Provider, field: str
) -> None:
    here = world(provider)
    here.deliver(1)
    here.ingest()
    empty = here.deliver(2)
    empty.change_manifest(lambda document: document.update({field: []}))
    empty.settle()

    report = here.ingest()

    assert (report.landed, report.rows, report.quarantined) == (1, 0, ())
    assert here.served() == []
    assert [row[:1] for row in here.recorded()] == [("in_force",)]


@pytest.mark.parametrize("provider", [*INVENTORIES, *REPORTS], ids=lambda provider: provider.name)
def test_keys_are_exact_bytes(world: Callable[[Provider], World], provider: Provider) -> None:
    here = world(provider)
    rows = made.objects if provider in INVENTORIES else made.generations
    here.deliver(1, rows(*HOSTILE_KEYS))

    report = here.ingest()

    assert report.quarantined == ()
    assert here.served() == sorted(HOSTILE_KEYS, key=repr)


@pytest.mark.parametrize(
    "name, column, spelled",
    [
        ("aws-cur2-csv", "line_item_unblended_cost", made.line),
        ("focus-csv", "BilledCost", made.charge),
        ("focus-file", "BilledCost", made.charge),
        ("aws-cur", "line_item_unblended_cost", made.line),
    ],
)
def test_numbers_in_e_notation_keep_their_digits(
    world: Callable[[Provider], World], name: str, column: str, spelled: Callable[..., made.Row]
) -> None:
    here = world(BY_NAME[name])
    written = ("1.5E-7", "2.5e3", "-1E2", "4.2E+1", "0E-12", "123456789.000000000001")
    here.deliver(1, [spelled(f"row {number}", cost) for number, cost in enumerate(written)])

    assert here.ingest().quarantined == ()
    assert sorted(Decimal(str(cost)) for cost in here.served(column)) == sorted(map(Decimal, written))


@pytest.mark.parametrize(
    "name, column, spelled",
    [
        *((f"aws-cur2-{form}", "line_item_currency_code", made.line) for form in ("csv", "parquet")),
        *((f"focus-{form}", "BillingCurrency", made.charge) for form in ("csv", "parquet", "file")),
    ],
)
def test_currencies_that_differ_in_one_bill_are_kept_apart(
    world: Callable[[Provider], World], name: str, column: str, spelled: Callable[..., made.Row]
) -> None:
    here = world(BY_NAME[name])
    rows = [spelled("a"), spelled("b", currency="EUR"), spelled("c", currency="INR")]
    here.deliver(1, rows)

    assert here.ingest().rows == 3
    assert here.served(column) == ["EUR", "INR", "USD"]


@pytest.mark.parametrize("provider", EXPORTS, ids=lambda provider: provider.name)
def test_two_manifests_of_one_delivery_are_one_delivery(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    delivered = here.deliver(1)
    assert delivered.manifest is not None
    above = delivered.manifest.parent.parent / delivered.manifest.name
    above.write_bytes(delivered.manifest.read_bytes())

    assert here.ingest().landed == 1
    assert len(here.served()) == 1


@pytest.mark.parametrize("provider", INVENTORIES, ids=lambda provider: provider.name)
def test_two_manifests_of_one_inventory_list_its_objects_once(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    delivered = here.deliver(1)
    assert delivered.manifest is not None
    for name in ("manifest.json", "manifest.checksum"):
        copy = delivered.manifest.with_name(f"copy_{name}")
        copy.write_bytes(delivered.manifest.with_name(name).read_bytes())

    assert here.ingest().landed == 1
    assert len(here.served()) == 1


@pytest.mark.parametrize(
    "provider, field",
    [*((provider, "files") for provider in INVENTORIES), *((provider, "dataFiles") for provider in EXPORTS)],
    ids=lambda part: getattr(part, "name", part),
)
def test_a_file_that_a_manifest_lists_twice_counts_once(
    world: Callable[[Provider], World], provider: Provider, field: str
) -> None:
    here = world(provider)
    delivered = here.deliver(1)
    delivered.change_manifest(lambda document: document.update({field: document[field] * 2}))
    delivered.settle()

    report = here.ingest()

    assert (report.landed, report.rows) == (1, 1)
    assert len(here.served()) == 1


def test_a_file_that_a_manifest_lists_twice_and_otherwise_is_damage(
    world: Callable[[Provider], World],
) -> None:
    here = world(INVENTORIES[0])
    delivered = here.deliver(1)
    delivered.change_manifest(lambda document: document["files"].append({**document["files"][0], "size": 1}))
    delivered.settle()

    (rejected,) = here.ingest().quarantined

    assert "lists a file twice" in rejected.reason


@pytest.mark.parametrize(
    "provider", [*INVENTORIES, *EXPORTS, LEGACY, *REPORTS], ids=lambda provider: provider.name
)
def test_a_delivery_that_is_older_than_the_last_one_lands_and_changes_nothing(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    here.deliver(2)
    here.ingest()
    before = here.served()
    here.deliver(1)

    report = here.ingest()

    assert (report.landed, report.quarantined) == (1, ())
    assert here.served() == before


def test_a_billing_export_that_was_copied_to_a_second_name_counts_once(
    world: Callable[[Provider], World],
) -> None:
    here = world(GCP)
    delivered = here.deliver(1)
    (here.folder / "copy of export.jsonl.gz").write_bytes(delivered.data[0].read_bytes())

    report = here.ingest()

    assert len(here.served()) == 1
    assert report.quarantined == ()


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_long_csv_with_line_breaks_in_quotes_keeps_every_row(
    world: Callable[[Provider], World], ending: str
) -> None:
    """Longer than what DuckDB reads at once, so that it is read in pieces that may begin inside quotes."""
    here = world(made.data_export("aws-cur2", ending))
    count, text = 40_000, 'first line\n"second", with a comma\r\nthird\n' * 24
    columns = [*made.line("x"), "line_item_line_item_description"]
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(columns)
    values = [str(value) for value in made.line("x").values()][1:]
    writer.writerows([f"line {number}", *values, f"{number} {text}"] for number in range(count))
    delivered = here.deliver(1, [])
    plain = body.getvalue().encode()
    delivered.data[0].write_bytes(gzip.compress(plain, 1, mtime=0) if ending.endswith("gz") else plain)
    delivered.settle()

    assert here.ingest().rows == count
    described = here.served("line_item_line_item_description")
    assert set(described) == {f"{number} {text}" for number in range(count)}
