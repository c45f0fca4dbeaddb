"""The checks, as data: what is measured, which numbers are true, and the observation behind each bound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pipelines.domain.configuration import Gates
from pipelines.domain.durations import format_duration
from pipelines.gates import metrics

Level = Literal["block", "warn"]
Need = Literal["bill", "inventory", "objects", "teams"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that pass, both ends included.

    Raises:
        ValueError: nothing can fall outside, so that the check could never fail.
    """

    at_least: Decimal | None = None
    at_most: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that cannot fail or cannot pass."""
        ends = [end for end in (self.at_least, self.at_most) if end is not None]
        if not ends:
            raise ValueError("a check without a bound cannot fail: give at_least or at_most")
        if not all(math.isfinite(end) for end in ends):
            raise ValueError("a bound is a finite number: nothing is beyond infinity, and nothing equals NaN")
        if len(ends) == 2 and ends[0] > ends[1]:
            raise ValueError("no number lies between these bounds: the check could never pass")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true of a table before people may read it."""

    check_id: str
    table: str
    level: Level
    metric: str
    """A query of `metrics`."""
    bounds: Bounds
    expected: str
    """The bounds in words."""
    reason: str
    """Why it matters, and the observation behind the number."""
    needs: Need | None = None
    """What has to be configured; without it the check is skipped and says so."""
    unit: str = ""
    """What one of the number is; `%` for a share of one."""


ZERO = Bounds(Decimal(0), Decimal(0))
BILL_LATE_AT_MOST = Decimal(3)
UNCLASSIFIED_AT_MOST = Decimal("0.01")
UNALLOCATED_AT_MOST = Decimal("0.20")

KEYS: tuple[tuple[str, tuple[str, ...], Need | None], ...] = (
    (
        "costs_daily",
        (
            "usage_date",
            "provider",
            "billing_account_id",
            "sub_account_id",
            "service_code",
            "service_name",
            "meter",
            "operation",
            "charge_category",
            "layer",
            "region_id",
            "resource_id",
            "team",
            "usage_unit",
            "currency",
        ),
        "bill",
    ),
    (
        "prefix_costs",
        ("usage_date", "provider", "bucket", "prefix", "storage_class", "meter_group", "team"),
        "bill",
    ),
    ("storage_daily", ("usage_date", "provider", "bucket", "storage_class", "meter"), "bill"),
    (
        "egress_daily",
        ("usage_date", "provider", "path", "from_region", "to_region", "resource_id", "team"),
        "bill",
    ),
    ("checkpoints", ("checkpoint_id",), "inventory"),
    ("checkpoint_waste", ("bucket", "run", "framework"), "inventory"),
    ("hidden_bytes", ("provider", "bucket", "kind"), "inventory"),
    ("ingested_deliveries", ("source", "table_name", "delivery_id"), None),
)


def checks(limits: Gates) -> Sequence[Check]:
    """Return all checks, with the limits that `moraine.yaml` sets."""
    return (
        *_arrival(limits),
        *_bill(),
        *_prefixes(limits),
        *_coverage(),
        *(_unique(table, key, needs) for table, key, needs in KEYS),
    )


def _arrival(limits: Gates) -> Sequence[Check]:
    return (
        Check(
            "deliveries_are_whole",
            "raw.deliveries",
            "block",
            metrics.ROWS_MISSING,
            ZERO,
            "0 rows differ",
            "The ledger counted rows while landing them; a raw table with other rows lost or doubled some.",
        ),
        Check(
            "sources_have_landed",
            "reference.sources",
            "block",
            metrics.SOURCES_LANDED,
            Bounds(at_least=Decimal(1)),
            "something of every source",
            "Numbers that lack a whole source look like numbers that do not. Mend what is damaged or have it "
            "sent again; take a source that will never deliver out of moraine.yaml.",
        ),
        Check(
            "deliveries_are_sound",
            "marts.ingested_deliveries",
            "warn",
            metrics.QUARANTINED,
            Bounds(at_most=Decimal(0)),
            "0 in quarantine",
            "Of a damaged delivery nothing is used: the numbers rest on the one before until it is mended.",
        ),
        Check(
            "inventory_is_fresh",
            "raw.deliveries",
            "block",
            metrics.INVENTORY_AGE_HOURS,
            Bounds(at_most=_hours(limits.max_inventory_age)),
            f"at most {format_duration(limits.max_inventory_age)} old at the end of the day",
            "A clean-up planned on an old listing would name objects that are gone. Daily inventories arrive "
            "up to 48 hours late; the limit is gates.max_inventory_age.",
            needs="inventory",
            unit="h",
        ),
    )


def _bill() -> Sequence[Check]:
    return (
        Check(
            "bill_covers_the_day",
            "marts.costs_daily",
            "warn",
            metrics.BILL_AGE_DAYS,
            Bounds(at_most=Decimal(0)),
            "the day itself",
            "Exports finish a day up to 24 hours after it ends: the last day may be low, and the next night "
            "completes it.",
            needs="bill",
            unit="days",
        ),
        Check(
            "bill_is_fresh",
            "marts.costs_daily",
            "block",
            metrics.BILL_AGE_DAYS,
            Bounds(at_most=BILL_LATE_AT_MOST),
            f"at most {BILL_LATE_AT_MOST} days old",
            "A day is due after 24 hours; more than three days without is an export that stopped.",
            needs="bill",
            unit="days",
        ),
        Check(
            "costs_equal_the_bill",
            "marts.costs_daily",
            "block",
            metrics.BILL_DIFFERENCE,
            ZERO,
            "0 USD on every day",
            "Every charge of the bill stands in costs_daily once: decimals are exact, so any difference is a "
            "lost or doubled row.",
            needs="bill",
            unit="USD",
        ),
        _not_empty("costs_daily", "A bill was delivered, so there are costs.", "bill"),
        Check(
            "costs_have_one_currency",
            "marts.costs_daily",
            "warn",
            metrics.CURRENCIES,
            Bounds(at_most=Decimal(1)),
            "one currency",
            "Nothing converts money here: a sum over two currencies is no amount.",
            needs="bill",
        ),
    )


def _prefixes(limits: Gates) -> Sequence[Check]:
    return (
        Check(
            "prefix_costs_close",
            "marts.prefix_costs",
            "block",
            metrics.PREFIX_DIFFERENCE,
            ZERO,
            "0 USD on every day",
            "Prefixes and residual together are the bucket's bill of that day: nothing is spread silently.",
            needs="bill",
            unit="USD",
        ),
        Check(
            "residual_is_small",
            "marts.prefix_costs",
            "block",
            metrics.RESIDUAL_SHARE,
            Bounds(at_most=limits.max_residual_share),
            f"at most {limits.max_residual_share:%} of a week's storage cost",
            "What the inventory does not explain must stay small, or prefixes are priced wrongly. Uploads "
            "left open and objects that lived less than a day leave about 1%: gates.max_residual_share.",
            needs="bill",
            unit="%",
        ),
    )


def _coverage() -> Sequence[Check]:
    return (
        Check(
            "transfers_are_classified",
            "marts.egress_daily",
            "warn",
            metrics.UNCLASSIFIED_TRANSFER_SHARE,
            Bounds(at_most=UNCLASSIFIED_AT_MOST),
            f"at most {UNCLASSIFIED_AT_MOST:%} of the month's transfer cost",
            "A meter that no rule knows has no path and no advice; new meters show up here first.",
            needs="bill",
            unit="%",
        ),
        Check(
            "costs_have_owners",
            "marts.costs_daily",
            "warn",
            metrics.UNALLOCATED_SHARE,
            Bounds(at_most=UNALLOCATED_AT_MOST),
            f"at most {UNALLOCATED_AT_MOST:%} of the month without a team",
            "About four fifths allocated is where companies start; below that a report by team misleads.",
            needs="teams",
            unit="%",
        ),
        Check(
            "checkpoints_are_found",
            "marts.checkpoints",
            "warn",
            metrics.CHECKPOINTS_FOUND,
            Bounds(at_least=Decimal(1)),
            "at least 1",
            "Objects are listed but none belongs to a checkpoint: the layouts do not fit what is stored.",
            needs="objects",
        ),
        Check(
            "checkpoints_equal_their_objects",
            "marts.checkpoints",
            "block",
            metrics.CHECKPOINTS_UNLIKE_THEIR_OBJECTS,
            ZERO,
            "0 checkpoints differ",
            "A plan lists the objects and shows people the checkpoint's count and bytes: they must agree.",
            needs="inventory",
        ),
        _not_empty("ingested_deliveries", "Facts come from deliveries; without one there are none.", None),
    )


def _not_empty(table: str, reason: str, needs: Need | None) -> Check:
    return Check(
        f"{table}_is_not_empty",
        f"marts.{table}",
        "block",
        metrics.rows_of(f"marts.{table}"),
        Bounds(at_least=Decimal(1)),
        "at least 1 row",
        reason,
        needs,
    )


def _unique(table: str, key: Sequence[str], needs: Need | None) -> Check:
    return Check(
        f"{table}_keys_are_unique",
        f"marts.{table}",
        "block",
        metrics.repeated_keys(f"marts.{table}", key),
        ZERO,
        "0 repeated keys",
        "A row that stands twice counts its dollars twice.",
        needs,
    )


def _hours(span: timedelta) -> Decimal:
    return Decimal(int(span.total_seconds())) / 3600
