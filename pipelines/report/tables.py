"""What a published snapshot says, as typed rows: the one source of the screen, the JSON and the CSV.

Months are the 30 days up to the snapshot's day, so that all of them are equally long.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

import duckdb

from pipelines.report import queries
from pipelines.report.figures import forecast

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """Which snapshot this is."""

    snapshot_id: str
    as_of: date
    published_at: datetime
    code_version: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check that failed or was skipped; `count` of them, for one check over all its scopes."""

    check_id: str
    outcome: str
    """`passed`, `skipped`, `warned` or `failed`."""
    count: int
    observed: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A delivery that is not what it says: nothing of it is in these numbers."""

    source: str
    delivery_id: str
    scope: str
    """The billing period or the bucket that it is about; of a bare file that cannot be read, its name."""
    delivered_at: datetime
    reason: str
    how_to_fix: str


@dataclass(frozen=True, slots=True)
class Restated:
    """What the newest deliveries of a bill changed about days that had looked complete."""

    source: str
    month: str
    """The month of the days, such as 2026-10."""
    currency: str
    change: Decimal
    since: datetime
    """When the figure of before was delivered."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Thirty days of cost under one name, and its share of all."""

    name: str
    cost: Decimal
    share: float | None


@dataclass(frozen=True, slots=True)
class DayCost:
    """All costs of one day."""

    usage_date: date
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Contribution:
    """One service, meter and team: the day, and the same weekday a week before."""

    service: str
    meter: str
    team: str
    cost_before: Decimal
    cost: Decimal
    change: Decimal
    effect: str
    """What most of the change is: an effect of `cost_changes`, or `use` for volume and mix together."""
    usage_unit: str | None
    """What the quantities count; None where they count different things."""
    quantity_before: Decimal | None
    quantity: Decimal | None
    costs_of_four_weeks: list[Decimal | None]
    """Day by day up to the snapshot's day; None where nothing was billed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One reason why the day differs from the same weekday before, over everything."""

    effect: str
    """As in `cost_changes`."""
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that cost unlike the same weekday of eight weeks."""

    scope: str
    """`total`, `team`, `bucket` or `meter`."""
    scope_name: str
    currency: str
    cost: Decimal
    expected_cost: Decimal
    impact: Decimal
    z_score: float | None
    contributor_1_team: str | None
    contributor_1_bucket: str | None
    contributor_1_meter: str | None
    contributor_1_impact: Decimal | None
    contributor_2_team: str | None
    contributor_2_bucket: str | None
    contributor_2_meter: str | None
    contributor_2_impact: Decimal | None
    contributor_3_team: str | None
    contributor_3_bucket: str | None
    contributor_3_meter: str | None
    contributor_3_impact: Decimal | None


@dataclass(frozen=True, slots=True)
class Month:
    """The calendar month of the day so far, and what it comes to at this pace."""

    month: date
    """Its first day."""
    used: Decimal
    """What use cost so far."""
    other: Decimal
    """Tax, fees and credits so far: they come once, so that no pace carries them on."""
    days_billed: int
    days_in_month: int
    forecast: Decimal | None
    """None before the third day."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a bucket held in one class on its last billed day, and thirty days of its cost."""

    bucket: str
    storage_class: str
    size_bytes: int
    cost: Decimal
    usd_gb_month: Decimal | None


@dataclass(frozen=True, slots=True)
class PrefixCost:
    """A prefix: its size on its last day, and thirty days of its share of the bill."""

    bucket: str
    prefix: str
    team: str
    size_bytes: int
    object_count: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Closing:
    """Thirty days of all buckets' bills, in the parts that add up to them."""

    prefixes: Decimal
    residual_storage: Decimal
    """Storage that no inventory explains."""
    residual_other: Decimal
    """Requests, transfer and other meters, which the bill gives for whole buckets only."""
    bill: Decimal
    """The same buckets in `costs_daily`, summed without any allocation."""


@dataclass(frozen=True, slots=True)
class Egress:
    """Thirty days of data on one path."""

    path: str
    transferred_gb: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Hidden:
    """Bytes of a bucket that a plain listing does not show."""

    bucket: str
    kind: str
    object_count: int
    size_bytes: int
    cost_usd_month: Decimal
    how_to_fix: str


@dataclass(frozen=True, slots=True)
class RunWaste:
    """The checkpoints of a training run, and what of them nobody seems to need."""

    bucket: str
    run: str
    framework: str
    team: str
    checkpoint_count: int
    complete_count: int
    size_bytes: int
    stale_bytes: int
    waste_usd_month: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class WasteTotal:
    """All runs together."""

    run_count: int
    checkpoint_count: int
    size_bytes: int
    stale_bytes: int
    waste_usd_month: Decimal


@dataclass(frozen=True, slots=True)
class Saved:
    """What one plan was to save in a bucket until now, and what it saved."""

    plan_id: str
    bucket: str
    days_followed: int
    predicted_usd: Decimal
    realised_usd: Decimal | None
    """None where no price is known."""
    reading: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the report shows."""

    snapshot: SnapshotFacts
    checks: tuple[Check, ...]
    quarantined: tuple[Quarantined, ...]
    restated: tuple[Restated, ...]
    currencies: tuple[str, ...]
    costs_by_layer: tuple[Cost, ...]
    costs_by_team: tuple[Cost, ...]
    costs_by_day: tuple[DayCost, ...]
    month: Month
    changes: tuple[Contribution, ...]
    effects: tuple[Effect, ...]
    anomalies: tuple[Anomaly, ...]
    storage: tuple[Stored, ...]
    prefixes: tuple[PrefixCost, ...]
    closing: Closing
    egress: tuple[Egress, ...]
    hidden: tuple[Hidden, ...]
    runs: tuple[RunWaste, ...]
    waste: WasteTotal
    saved: tuple[Saved, ...] | None
    """None of a snapshot that is older than this table."""


def read_report(connection: duckdb.DuckDBPyConnection) -> Report:
    """Return what the snapshot behind `connection` says."""
    (snapshot,) = _rows(connection, SnapshotFacts, queries.SNAPSHOT)
    day = snapshot.as_of
    (closing,) = _rows(connection, Closing, queries.CLOSING, day)
    (waste,) = _rows(connection, WasteTotal, queries.WASTE_TOTAL)
    return Report(
        snapshot=snapshot,
        checks=_rows(connection, Check, queries.CHECKS),
        quarantined=_rows(connection, Quarantined, queries.QUARANTINED),
        restated=_rows(connection, Restated, queries.RESTATED, day),
        currencies=tuple(row[0] for row in connection.execute(queries.CURRENCIES, [day]).fetchall()),
        costs_by_layer=_rows(connection, Cost, queries.COSTS_BY.format(column="layer"), day),
        costs_by_team=_rows(connection, Cost, queries.COSTS_BY.format(column="team"), day),
        costs_by_day=_rows(connection, DayCost, queries.COSTS_BY_DAY, day),
        month=_month(connection, day),
        changes=_rows(connection, Contribution, queries.CHANGES, day),
        effects=_rows(connection, Effect, queries.EFFECTS, day),
        anomalies=_rows(connection, Anomaly, queries.ANOMALIES, day),
        storage=_rows(connection, Stored, queries.STORAGE, day),
        prefixes=_rows(connection, PrefixCost, queries.PREFIXES, day),
        closing=closing,
        egress=_rows(connection, Egress, queries.EGRESS, day),
        hidden=_rows(connection, Hidden, queries.HIDDEN),
        runs=_rows(connection, RunWaste, queries.RUNS),
        waste=waste,
        saved=_rows(connection, Saved, queries.SAVED) if has_mart(connection, "savings") else None,
    )


def has_mart(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Tell whether a snapshot has a table; those that are older than the table have not."""
    return bool(connection.execute(queries.HAS_MART, [name]).fetchall())


def _month(connection: duckdb.DuckDBPyConnection, day: date) -> Month:
    first, used, other, billed, days = connection.execute(queries.MONTH, [day]).fetchall()[0]
    pace = forecast(used, billed, days)
    return Month(first, used, other, billed, days, None if pace is None else pace + other)


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: type[Row], query: str, *values: object
) -> tuple[Row, ...]:
    return tuple(kind(*row) for row in connection.execute(query, list(values)).fetchall())
