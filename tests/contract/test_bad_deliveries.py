"""A bad delivery is named and quarantined; the last good one stays in force, and all others go on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines import raw, steps
from pipelines.domain.configuration import Engine
from pipelines.domain.deliveries import in_force
from pipelines.errors import Damaged, Terminal
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import shipped_models
from tests.contract import deliveries as made
from tests.contract.deliveries import Fault, Provider

AS_OF = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 6)

INVENTORIES = tuple(made.s3_inventory(form) for form in ("CSV", "Parquet", "ORC"))
EXPORTS = tuple(
    made.data_export(kind, ending) for kind in ("aws-cur2", "focus") for ending in ("csv.gz", "parquet")
)
LEGACY = made.legacy_report()
FOCUS_FILE = made.focus_file()
GCP = made.gcp_billing()
REPORTS = tuple(made.gcs_inventory(form) for form in ("CSV", "Parquet"))
ALL = (*INVENTORIES, *EXPORTS, LEGACY, FOCUS_FILE, GCP, *REPORTS)

UNREADABLE = ("a data file cannot be read", "fix:")
MISSING = ("a data file that the manifest lists is missing",)
LENS = ("another family", "Storage Lens")


def cases() -> Iterator[tuple[Provider, Fault]]:
    for provider in ALL:
        for fault in faults_of(provider):
            yield provider, fault


def faults_of(provider: Provider) -> list[Fault]:
    match provider.kind:
        case "s3-inventory":
            return [*of_s3_inventory(provider)]
        case "gcs-inventory":
            return [*of_gcs_inventory(provider)]
        case "aws-cur2" | "focus" | "aws-cur" if provider is not FOCUS_FILE:
            return [*of_bill(provider)]
        case _:
            return [*of_file()]


def of_s3_inventory(provider: Provider) -> Iterator[Fault]:
    yield Fault("cut", made.cut, ("has", "bytes and should have"))
    yield Fault("cut and admitted", made.cut_and_admitted, UNREADABLE)
    yield Fault("one byte differs", made.flipped, ("has MD5", "and should have"))
    yield Fault("missing", made.gone, MISSING)
    yield Fault("empty", made.emptied, ("has 0 bytes and should have",))
    yield Fault("something else", made.noise, ("a data file is not what its manifest says",))
    yield Fault("manifest checksum", made.badly_signed, ("the checksum beside it says",))
    yield Fault("manifest is cut", made.not_json, ("it is not JSON",))
    yield Fault("Storage Lens", made.storage_lens, LENS)
    yield Fault("manifest without files", made.manifest_says(files=None), ("it has no files",))
    yield Fault("format nobody knows", made.manifest_says(fileFormat="Avro"), ("'Avro'", "are read"))
    yield Fault(
        "no key column",
        made.manifest_says(fileSchema="Bucket, Size, LastModifiedDate"),
        ("required columns are missing", "key"),
    )
    yield Fault("no time", made.manifest_says(creationTimestamp="soon"), ("a value in it cannot be read",))
    if provider.name.endswith("parquet"):
        yield Fault(
            "no key in the file", made.without("key", of=provider), ("required columns are missing: key",)
        )


def of_bill(provider: Provider) -> Iterator[Fault]:
    legacy = provider is LEGACY
    yield Fault("cut", made.cut, UNREADABLE)
    yield Fault("missing", made.gone, MISSING)
    yield Fault("something else", made.noise, ())
    yield Fault("manifest is cut", made.not_json, ("it is not JSON",))
    yield Fault("Storage Lens", made.storage_lens, LENS)
    files = "reportKeys" if legacy else "dataFiles"
    yield Fault("files are no list", made.manifest_says(**{files: "all"}), (f"it has no list of {files}",))
    column = "BilledCost" if provider.kind == "focus" else "line_item_unblended_cost"
    written = "lineItem/UnblendedCost" if legacy else column
    yield Fault(
        "no cost column", made.without(written, of=provider), (f"required columns are missing: {column}",)
    )


def of_gcs_inventory(provider: Provider) -> Iterator[Fault]:
    yield Fault("missing", made.gone, MISSING)
    yield Fault("manifest is cut", made.not_json, ("it is not JSON",))
    yield Fault("Storage Lens", made.storage_lens, ("is not the manifest of an inventory report",))
    yield Fault("rows lost", made.manifest_says(records_processed=7), ("1 rows", "says 7"))
    yield Fault("shards lost", made.manifest_says(shard_count=3), ("names 1 shards", "there are 3"))
    if provider.name.endswith("parquet"):
        yield Fault("cut", made.cut, UNREADABLE)
        yield Fault("something else", made.noise, UNREADABLE)
        yield Fault("no name", made.without("name", of=provider), ("required columns are missing: name",))


def of_file() -> Iterator[Fault]:
    yield Fault("cut", made.cut, UNREADABLE)
    yield Fault("something else", made.noise, ())


@dataclass(frozen=True)
class World:
    """A lake, and the folder that one provider delivers to."""

    base: Path
    provider: Provider

    @property
    def folder(self) -> Path:
        return self.base / "bucket"

    @property
    def run(self) -> steps.Run:
        config = self.base / "moraine.yaml"
        config.write_text(f"lake: lake\nsources: [{self.provider.settings(self.folder)}]\n")
        return steps.open_run(config, AS_OF, NOW)

    def deliver(self, number: int, rows: list[made.Row] | None = None) -> made.Delivered:
        rows = list(self.provider.rows(number)) if rows is None else rows
        delivered = self.provider.deliver(self.folder, number, rows)
        delivered.settle()
        return delivered

    def ingest(self) -> steps.IngestReport:
        return steps.ingest(self.run, self.provider.name)

    def served(self, column: str | None = None) -> list[object]:
        """Return a column of the rows in force."""
        files = [file for entry in in_force(raw.ledger(self.run.lake), AS_OF) for file in entry.files]
        names = column or self.provider.columns[0]
        tables = [pq.read_table(self.base / "lake" / file, partitioning=None) for file in files]
        return sorted((row[names] for table in tables for row in table.to_pylist()), key=repr)

    def recorded(self) -> list[tuple[object, ...]]:
        """Return marts.ingested_deliveries: status, reason, how to fix it, rows."""
        path, lake = self.base / "ledger.duckdb", self.run.lake
        inputs = Inputs(ledger=in_force(raw.ledger(lake), AS_OF), quarantined=raw.quarantined(lake))
        chosen = [model for model in shipped_models() if model.table in LEDGER_MODELS]
        engine = Engine(temp_directory=str(self.base / "tmp"))
        build_warehouse(path, inputs=inputs, as_of=AS_OF, engine=engine, models=chosen)
        with duckdb.connect(str(path), read_only=True) as connection:
            query = "select status, reason, how_to_fix, row_count from marts.ingested_deliveries order by all"
            return connection.execute(query).fetchall()


LEDGER_MODELS = frozenset({"staging.stg_ledger__deliveries", "marts.ingested_deliveries"})


@pytest.fixture
def world(tmp_path: Path) -> Callable[[Provider], World]:
    return lambda provider: World(tmp_path, provider)


@pytest.mark.parametrize(
    "provider, fault", [pytest.param(*case, id=f"{case[0].name}: {case[1].name}") for case in cases()]
)
def test_a_bad_delivery_is_named_and_the_last_good_one_stays_in_force(
    world: Callable[[Provider], World], provider: Provider, fault: Fault
) -> None:
    here = world(provider)
    here.deliver(1)
    assert here.ingest().landed == 1
    before = here.served()
    bad = here.deliver(2)
    fault.spoil(bad, here.folder)
    bad.settle()

    report = here.ingest()

    (rejected,) = report.quarantined
    assert report.landed == 0
    message = f"{rejected.reason}\nwhere: {rejected.where}\nfix: {rejected.fix}"
    for word in fault.says:
        assert word in message
    assert str(here.folder) in rejected.where or provider.name in rejected.where
    assert rejected.fix
    assert here.served() == before
    good, quarantined = here.recorded()
    assert (good[0], good[3]) == ("in_force", len(provider.rows(1)))
    assert quarantined == (
        "quarantined", f"{rejected.reason} ({rejected.where})", rejected.fix, 0
    )  # fmt: skip


def test_too_little_memory_is_no_fault_of_the_delivery(world: Callable[[Provider], World]) -> None:
    here = world(made.s3_inventory("Parquet"))
    here.deliver(1, made.objects(*(f"runs/{number:09}/object" for number in range(50_000))))
    config = here.base / "small.yaml"
    source = here.provider.settings(here.folder)
    config.write_text(f"lake: lake\nengine: {{memory_limit: 1MB}}\nsources: [{source}]\n")

    with pytest.raises(Terminal, match="this machine cannot read a data file") as caught:
        steps.ingest(steps.open_run(config, AS_OF, NOW), here.provider.name)

    assert not isinstance(caught.value, Damaged)
    assert "engine.memory_limit" in caught.value.fix
    assert raw.quarantined(here.run.lake) == []
    assert here.ingest().rows == 50_000


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
def test_what_is_bad_tonight_is_said_again_until_it_is_mended(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    here.deliver(1)
    here.ingest()
    bad = here.deliver(2)
    body = bad.data[0].read_bytes()
    made.noise(bad, here.folder)
    bad.settle()
    first, second = here.ingest().quarantined, here.ingest().quarantined
    assert len(first) == 1
    assert first == second

    bad.data[0].write_bytes(body)
    bad.settle()

    mended = here.ingest()
    assert (mended.landed, mended.quarantined, mended.replaced) == (1, (), 0)
    assert "quarantined" not in [row[0] for row in here.recorded()]
    assert here.ingest().landed == 0


@pytest.mark.parametrize(
    "provider", [*INVENTORIES, *EXPORTS, LEGACY, *REPORTS], ids=lambda provider: provider.name
)
def test_a_bad_delivery_that_a_newer_one_replaces_is_history(
    world: Callable[[Provider], World], provider: Provider
) -> None:
    here = world(provider)
    here.deliver(1)
    bad = here.deliver(2)
    made.gone(bad, here.folder)
    here.deliver(3)

    report = here.ingest()

    assert (report.landed, report.quarantined, report.replaced) == (2, (), 1)
    assert [row[0] for row in here.recorded()] == ["in_force", "superseded"]
    here.deliver(2)
    assert here.ingest().landed == 1
    assert "It is damaged" not in str(here.recorded())


def test_an_inventory_whose_manifest_cannot_be_read_is_as_old_as_its_folder_says(
    world: Callable[[Provider], World],
) -> None:
    here = world(INVENTORIES[0])
    bad = here.deliver(1)
    made.not_json(bad, here.folder)
    # Lists arrive hours after the moment they describe: this one later than the next is of.
    replace(bad, written_at=made.written_at(3)).settle()
    here.deliver(2)

    report = here.ingest()

    assert (report.landed, report.quarantined, report.replaced) == (1, (), 1)


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
def test_the_same_deliveries_again_are_known(world: Callable[[Provider], World], provider: Provider) -> None:
    here = world(provider)
    here.deliver(1)
    here.ingest()
    here.deliver(2)
    here.ingest()
    before = here.served()

    again = here.ingest()

    assert (again.landed, again.rows, again.quarantined) == (0, 0, ())
    assert here.served() == before
