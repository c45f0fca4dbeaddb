"""What was planted costs in the tables what it costs by the company's own books, dollar for dollar."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pytest

from pipelines.demo import datasets, training
from pipelines.demo.charges import (
    JUMP_FACTOR,
    PADDING_METERS,
    STORAGE_METERS,
    company_charges,
    monthly_charges,
    research_charges,
)
from pipelines.demo.company import Company
from pipelines.demo.meters import Charge
from pipelines.demo.objects import StoredObject
from pipelines.demo.storage_time import LEAST_BYTES
from tests.e2e.conftest import AS_OF, World, ask

pytestmark = pytest.mark.xdist_group("the-company")

ACROSS = "USE1-USW2-AWS-Out-Bytes"
STANDARD, INFREQUENT = (STORAGE_METERS[name].rate for name in ("STANDARD", "STANDARD_IA"))
MICRO = Decimal("0.000001")
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def bill(night: World) -> tuple[Charge, ...]:
    """Every line of both bills, from the company itself and not from what it delivered."""
    lines = list(company_charges(night.company))
    by_month: dict[date, list[Charge]] = defaultdict(list)
    for line in lines:
        by_month[line.day.replace(day=1)].append(line)
    for month, of_month in by_month.items():
        lines += monthly_charges(month, of_month)
    return (*lines, *research_charges(night.company))


def usd(lines: Iterable[Charge]) -> Decimal:
    return sum((line.cost for line in lines), Decimal(0))


def gb(size_bytes: int) -> Decimal:
    return Decimal(size_bytes) / 2**30


def judged(bill: Iterable[Charge], usage_type: str, last: date) -> list[Charge]:
    """Return the lines of a meter on the thirty days up to `last`."""
    days = (last - timedelta(days=29), last)
    return [line for line in bill if line.meter.usage_type == usage_type and days[0] <= line.day <= days[1]]


def below(company: Company, uris: Iterable[str]) -> Iterator[StoredObject]:
    folders = tuple(uris)
    for item in company.objects:
        if any(item.uri == uri or item.uri.startswith(uri + "/") for uri in folders):
            yield item


def size(items: Iterable[StoredObject]) -> int:
    return sum(item.size_bytes for item in items)


def test_every_day_of_the_jump_is_explained_by_what_was_read_more(
    night: World, bill: tuple[Charge, ...]
) -> None:
    planted = night.company.expectations
    rows = ask(
        night,
        f"""
        select usage_date, sum(amount) as amount, max_by(effect, abs(amount)) as effect
        from marts.cost_changes
        where
            comparison = 'same_weekday' and usage_date >= date '{planted.jump_day}'
            and meter = '{ACROSS}' and team = '{planted.jump_team}' and bucket = '{datasets.BUCKET}'
        group by all
        """,
    )

    spent: dict[date, Decimal] = defaultdict(Decimal)
    for line in bill:
        if (line.meter.usage_type, line.team) == (ACROSS, planted.jump_team):
            spent[line.day] += line.cost
    week = timedelta(days=7)
    jumped = [day for day in night.company.days if day >= planted.jump_day]
    assert {row["usage_date"]: row["amount"] for row in rows} == {
        day: spent[day] - spent[day - week] for day in jumped
    }
    assert {row["effect"] for row in rows} == {"volume"}
    # A day is never quite like the week before: the rest of the jump is what was planted.
    assert all(
        abs(row["amount"] / (spent[row["usage_date"]] * (JUMP_FACTOR - 1) / JUMP_FACTOR) - 1)
        < Decimal("0.05")
        for row in rows
    )


def test_all_that_changed_since_the_same_weekday_is_the_difference_of_both_bills(
    night: World, bill: tuple[Charge, ...]
) -> None:
    (row,) = ask(
        night,
        f"""
        select sum(amount) as amount from marts.cost_changes
        where comparison = 'same_weekday' and usage_date = date '{AS_OF}'
        """,
    )
    before, after = (
        usd(line for line in bill if line.day == day) for day in (AS_OF - timedelta(days=7), AS_OF)
    )
    assert row["amount"] == after - before


def test_the_jump_is_unusual_by_what_it_adds_to_its_weekdays(night: World, bill: tuple[Charge, ...]) -> None:
    team = night.company.expectations.jump_team
    scopes: dict[str, Callable[[Charge], bool]] = {
        "total": lambda _: True,
        "team": lambda line: line.team == team,
        "bucket": lambda line: line.resource == datasets.BUCKET,
        "meter": lambda line: line.meter.usage_type == ACROSS,
    }
    rows = ask(night, f"select * from marts.cost_anomalies where usage_date = date '{AS_OF}'")

    def weekdays(holds: Callable[[Charge], bool]) -> list[Decimal]:
        days = [AS_OF - timedelta(weeks=number) for number in range(9)]
        used = [line for line in bill if line.kind == "Usage" and holds(line)]
        return [usd(line for line in used if line.day == day) for day in days]

    assert {row["scope"] for row in rows} == set(scopes)
    for row in rows:
        cost, *before = weekdays(scopes[row["scope"]])
        assert (row["cost"], row["expected_cost"]) == (cost, median(before)), row["scope"]
        assert row["impact"] == cost - median(before)
        after, *usual = weekdays(lambda line: (line.team, line.meter.usage_type) == (team, ACROSS))
        assert (row["contributor_1_team"], row["contributor_1_bucket"]) == (team, datasets.BUCKET)
        assert row["contributor_1_impact"] == after - median(usual)


def test_what_goes_through_the_nat_gateway_is_avoidable_to_the_last_digit(
    night: World, bill: tuple[Charge, ...]
) -> None:
    (row,) = ask(night, "select * from marts.egress_findings where kind = 'same_region_through_nat'")

    lines = judged(bill, "NatGateway-Bytes", AS_OF - timedelta(days=1))
    assert (row["step"], row["team"], row["basis_days"]) == ("A", "platform", 30)
    assert row["resource_id"] == lines[0].resource
    assert row["gross_usd"] == usd(lines) > 0
    quantity = sum(line.quantity for line in lines)
    assert row["gb_month"] == quantity
    assert abs(row["avoidable_usd_month"] - quantity * Decimal("0.045")) <= MICRO


def test_reads_from_another_region_save_what_a_copy_there_does_not_cost(
    night: World, bill: tuple[Charge, ...]
) -> None:
    (row,) = ask(night, "select * from marts.egress_findings where kind = 'cross_region_reads'")

    lines = judged(bill, ACROSS, AS_OF - timedelta(days=1))
    held = list(night.company.objects_of(datasets.BUCKET))
    written = [
        item for item in held if item.modified_at.date() > night.company.midnight.date() - timedelta(30)
    ]
    first_copy = gb(size(held)) * Decimal("0.02")
    monthly = gb(size(held)) * STANDARD + gb(size(written)) * Decimal("0.02")
    assert (row["step"], row["bucket"], row["to_region"]) == ("C", datasets.BUCKET, "us-west-2")
    assert row["gross_usd"] == usd(lines) > 0
    assert abs(row["one_off_usd"] - first_copy) <= MICRO
    # Some requests to write the copy come on top.
    assert 0 <= usd(lines) - monthly - first_copy / 12 - row["avoidable_usd_month"] < CENT


def test_the_noncurrent_pile_costs_its_bytes_at_the_rate_of_the_bill(night: World) -> None:
    rows = {row["kind"]: row for row in ask(night, "select * from marts.hidden_bytes")}

    newest: dict[str, StoredObject] = {}
    held = sorted(night.company.objects_of(datasets.BUCKET), key=lambda item: item.modified_at)
    for item in held:
        newest[item.key] = item
    pile = [item for item in held if item is not newest[item.key]]
    assert not any(item.is_delete_marker for item in pile)
    assert rows["noncurrent"]["bucket"] == datasets.BUCKET
    assert (rows["noncurrent"]["object_count"], rows["noncurrent"]["size_bytes"]) == (len(pile), size(pile))
    assert abs(rows["noncurrent"]["cost_usd_month"] - gb(size(pile)) * STANDARD) <= MICRO
    parts = sum(upload.size_bytes for upload in night.company.uploads)
    assert (rows["multipart"]["bucket"], rows["multipart"]["size_bytes"]) == (training.BUCKET, parts)
    assert abs(rows["multipart"]["cost_usd_month"] - gb(parts) * STANDARD) <= MICRO


def test_the_padding_of_small_objects_is_on_their_prefix(night: World, bill: tuple[Charge, ...]) -> None:
    rows = ask(
        night,
        f"""
        select basis, prefix, sum(effective_cost) as usd, min(size_bytes) as size_bytes, count(*) as days
        from marts.prefix_costs
        where
            bucket = '{datasets.BUCKET}' and storage_class = 'STANDARD_IA'
            and not is_residual and (basis = 'padding' or prefix = '{datasets.SMALL_PREFIX}')
        group by all
        """,
    )

    by_basis = {row["basis"]: row for row in rows}
    assert set(by_basis) == {"bytes", "padding"}
    assert {row["prefix"] for row in rows} == {datasets.SMALL_PREFIX}
    assert {row["days"] for row in rows} == {len(night.company.days)}
    padding = PADDING_METERS["STANDARD_IA"].usage_type
    assert by_basis["padding"]["usd"] == usd(line for line in bill if line.meter.usage_type == padding)
    small = [item for item in night.company.objects if datasets.SMALL_PREFIX in item.key]
    assert by_basis["bytes"]["size_bytes"] == size(small)
    # The trap: what they lack costs several times what they hold.
    lacking = Decimal(len(small) * LEAST_BYTES - size(small)) / size(small)
    assert abs(by_basis["padding"]["usd"] / by_basis["bytes"]["usd"] / lacking - 1) < Decimal("0.001")


def test_small_objects_are_cheaper_in_standard_by_padding_and_reads(
    night: World, bill: tuple[Charge, ...]
) -> None:
    (row,) = ask(
        night,
        f"select * from marts.tier_findings where prefix = '{datasets.SMALL_PREFIX}' and is_best",
    )

    cold = [item for item in night.company.objects if item.storage_class == "STANDARD_IA"]
    small = [item for item in cold if item.key.startswith(datasets.SMALL_PREFIX)]
    kept = gb(len(small) * LEAST_BYTES) * INFREQUENT - gb(size(small)) * STANDARD
    reads = sum((line.quantity for line in judged(bill, "Requests-SIA-Tier2", AS_OF)), Decimal(0))
    asked = reads * len(small) / len(cold) * (Decimal("0.000001") - Decimal("0.0000004"))
    fetched = usd(judged(bill, "Retrieval-SIA", AS_OF)) * size(small) / size(cold)
    assert (row["storage_class"], row["proposed_class"], row["verdict"]) == (
        "STANDARD_IA",
        "STANDARD",
        "move",
    )
    assert row["small_object_count"] == row["object_count"] == datasets.SMALL_COUNT
    assert kept > 0
    assert abs(row["saving_usd_month"] - (kept + asked + fetched)) <= 2 * MICRO


def test_what_teams_are_shown_adds_up_to_the_bill_of_every_month(
    night: World, bill: tuple[Charge, ...]
) -> None:
    rows = ask(night, "select * from marts.showback_monthly")

    months: dict[date, Decimal] = defaultdict(Decimal)
    tagged: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for line in bill:
        months[line.day.replace(day=1)] += line.cost
        if line.team:
            tagged[line.day.replace(day=1), line.team] += line.cost
    shown: dict[date, Decimal] = defaultdict(Decimal)
    for row in rows:
        shown[row["usage_month"]] += row["effective_cost"]
    assert shown == months
    by_tag = {(row["usage_month"], row["team"]): row["tag_effective_cost"] for row in rows}
    assert {key: by_tag[key] for key in tagged} == tagged


def test_every_reason_of_waste_is_there_with_what_was_planted(night: World) -> None:
    rows = ask(night, "select * from marts.checkpoint_waste")
    found = {(row["run"], row["reason_kind"]): row for row in rows}

    assert {reason for _, reason in found} == {"needed", *(reason for _, reason in _planted(night.company))}
    for (run, reason), items in _planted(night.company).items():
        row = found[run.removeprefix(f"s3://{training.BUCKET}/"), reason]
        assert row["unneeded_bytes"] == size(items) > 0, reason
        assert abs(row["unneeded_usd_month"] - gb(size(items)) * STANDARD) < 20 * MICRO, reason
    assert {row["reason_kind"] for row in rows if row["waste_usd_month"] > 0} == {
        "stale",
        "orphaned",
        "duplicate",
    }


def _planted(company: Company) -> dict[tuple[str, str], list[StoredObject]]:
    """Return run and reason → the objects that are there for it."""
    expected = company.expectations
    reward, best = training.REWARD, training.REWARD_TRAINER.best_step // training.REWARD.step_every - 1
    pretrain = [training.checkpoint_uri(training.PRETRAIN, number) for number in training.PRETRAIN.kept]
    kept = [training.checkpoint_uri(reward, number) for number in (training.SERVED[1], best, reward.kept[-1])]
    planted = {
        "failed_run": [expected.failed],
        "orphaned": expected.orphaned,
        "duplicate": [expected.duplicate],
        "incomplete": [expected.abandoned],
        "stale": pretrain[:-1],
        "optimizer_of_finished_run": kept,
    }
    return {
        (_run(next(iter(uris))), reason): [
            item
            for item in below(company, uris)
            if reason != "optimizer_of_finished_run" or item.key.endswith("/optimizer.pt")
        ]
        for reason, uris in planted.items()
    }


def _run(uri: str) -> str:
    return uri.rpartition("/")[0].removesuffix("/checkpoints")
