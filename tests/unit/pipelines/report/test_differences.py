"""Which figures moved between two snapshots."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.snapshots import Snapshot
from pipelines.report.differences import COLUMNS, FIGURES, Differences, Moved, compare, for_people

THEN = Snapshot("2026-11-18-a", date(2026, 11, 18), datetime(2026, 11, 19), "", "0.1.0")
NOW = Snapshot("2026-11-19-a", date(2026, 11, 19), datetime(2026, 11, 20), "", "0.1.0")

TABLES = """
create schema marts;
create schema reference;
create table reference.snapshot as select date '2026-11-19' as as_of;
create table marts.costs_daily as select * from (values
    (date '2026-11-18', 'aws', 'compute', 'nlp', 'USD', 100.000000000001::decimal(38,12)),
    (date '2026-11-18', 'aws', 'storage', '', 'USD', 10),
    (date '2026-10-01', 'gcp', 'compute', 'nlp', 'EUR', 5)
) as costs(usage_date, provider, layer, team, currency, effective_cost);
create table marts.prefix_costs as select * from (values
    (date '2026-11-17', 'train', 'STANDARD', 5::bigint, false),
    (date '2026-11-18', 'train', 'STANDARD', 7::bigint, false),
    (date '2026-11-18', 'train', '', 0::bigint, true)
) as prefixes(usage_date, bucket, storage_class, size_bytes, is_residual);
create table marts.hidden_bytes as select 'train' as bucket, 'multipart' as kind, 3::bigint as size_bytes;
create table marts.checkpoints as select 'complete' as state, 'final' as kind from range(4);
create table marts.checkpoint_waste as
    select 'train' as bucket, 'runs/a' as run, 1.5::decimal(18,6) as waste_usd_month;
create table marts.quality_results as
    select 'bill_closes' as check_id, 'block' as level, '' as scope, true as passed
"""


@contextmanager
def changed(tmp_path: Path, *changes: str) -> Iterator[Differences]:
    """Compare the snapshot with itself after some statements."""
    with (
        closing(duckdb.connect(str(tmp_path / "before.duckdb"))) as before,
        closing(duckdb.connect(str(tmp_path / "after.duckdb"))) as after,
    ):
        for connection in (before, after):
            connection.execute(TABLES)
        for change in changes:
            after.execute(change)
        yield compare((THEN, before), (NOW, after))


def test_a_snapshot_does_not_differ_from_itself(tmp_path: Path) -> None:
    with changed(tmp_path) as found:
        assert found == Differences(THEN, NOW, (), ())


def test_a_cost_that_moved_is_seen_from_every_side_with_all_its_digits(tmp_path: Path) -> None:
    more = "update marts.costs_daily set effective_cost = 100.000000000002 where effective_cost > 99"
    with changed(tmp_path, more) as found:
        one = Decimal("0.000000000001")
        before, after = Decimal("100.000000000001"), Decimal("100.000000000002")
        assert found.moved == (
            Moved("cost of a day", "2026-11-18 aws", "USD", before + 10, after + 10, one),
            Moved("cost of a layer in 30 days", "compute", "USD", before, after, one),
            Moved("cost of a team in 30 days", "nlp", "USD", before, after, one),
        )


@pytest.mark.parametrize(
    "change, figure, of, before, after",
    [
        ("insert into marts.costs_daily values ('2026-11-19', 'aws', '', '', 'USD', 2)",
         "cost of a day", "2026-11-19 aws", None, 2),
        ("delete from marts.costs_daily where provider = 'gcp'", "cost of a day", "2026-10-01 gcp", 5, None),
        ("update marts.costs_daily set team = 'nlp'", "cost of a team in 30 days", "(nobody)", 10, None),
        ("update marts.prefix_costs set size_bytes = 9", "stored in a class", "train STANDARD", 7, 9),
        ("delete from marts.hidden_bytes", "hidden in a bucket", "train multipart", 3, None),
        ("update marts.checkpoints set state = 'stub'", "checkpoints in a state", "stub", None, 4),
        ("delete from marts.checkpoints", "checkpoints of a kind", "final", 4, None),
        ("update marts.checkpoint_waste set waste_usd_month = null",
         "waste of a run in a month", "train/runs/a", Decimal("1.5"), 0),
        ("update marts.quality_results set passed = false", "failed checks", "block bill_closes", None, 1),
    ],
)  # fmt: skip
def test_every_figure_is_looked_at(
    tmp_path: Path, change: str, figure: str, of: str, before: Decimal | None, after: Decimal | None
) -> None:
    with changed(tmp_path, change) as found:
        moved = {(one.figure, one.of): one for one in found.moved}[figure, of]
    assert (moved.before, moved.after) == (before, after)
    assert moved.change == Decimal(after or 0) - Decimal(before or 0)


def test_the_largest_change_of_a_figure_comes_first(tmp_path: Path) -> None:
    with changed(tmp_path, "update marts.costs_daily set effective_cost = 0") as found:
        days = [one.of for one in found.moved if one.figure == "cost of a day"]
    assert days == ["2026-11-18 aws", "2026-10-01 gcp"]


def test_what_another_version_does_not_know_is_said_and_the_rest_compared(tmp_path: Path) -> None:
    changes = ("drop table marts.hidden_bytes", "alter table marts.prefix_costs drop is_residual",
               "delete from marts.checkpoint_waste")  # fmt: skip
    with changed(tmp_path, *changes) as found:
        assert found.not_compared == ("stored in a class", "hidden in a bucket")
        assert [one.figure for one in found.moved] == ["waste of a run in a month"]


def test_people_read_rounded_figures_and_the_largest_only() -> None:
    def moved(of: str, unit: str, before: int | None, after: int | None) -> Moved:
        return Moved("f", of, unit, before, after, Decimal(after or 0) - Decimal(before or 0))

    figures = (
        moved("a", "USD", 10_000, 12_500), moved("b", "bytes", 2048, 1024), moved("c", "rows", None, 1500),
        moved("d", "EUR", 3, None), moved("e", "rows", 1, 2), moved("g", "rows", 1, 2),
    )  # fmt: skip
    rows = list(for_people(Differences(THEN, NOW, figures, ()), 5))

    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert rows == [
        ("f", "a", "$10,000.00", "$12,500.00", "+$2,500.00", "+25%"),
        ("f", "b", "2.00 KiB", "1.00 KiB", "-1.00 KiB", "-50%"),
        ("f", "c", "", "1,500", "+1,500", "new"),
        ("f", "d", "€3.00", "", "-€3.00", "gone"),
        ("f", "e", "1", "2", "+1", "+100%"),
        ("f", "… 1 more", "", "", "", ""),
    ]


def test_no_figure_is_forgotten_above() -> None:
    assert len(FIGURES) == 9
