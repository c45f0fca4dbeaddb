"""What a provider delivers, and which of it counts on a given day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

BILLS = frozenset({"aws_cur2", "focus"})
"""A delivery of these holds its whole billing period, its scope: a newer one replaces it, never adds."""

LISTINGS = frozenset({"s3_inventory"})
"""These say how things were at one moment: of a later one nothing is known about an earlier day."""

LATE_BY = timedelta(hours=24)
"""A provider finishes a day's data up to 24 hours after the day ends (AWS Data Exports, GCS Insights)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One data file of a delivery, as its manifest names it."""

    key: str
    size_bytes: int | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One complete delivery: the unit of landing, identified by its manifest."""

    source: str
    kind: str
    table: str
    """The raw table it lands in: `s3_inventory`, `aws_cur2`, `focus`, `mlflow_versions`."""
    delivery_id: str
    """Stable and safe as a folder name; the same manifest gives the same id."""
    delivered_at: datetime
    """When its manifest was written (UTC, naive)."""
    checksum: str
    """MD5 of the manifest, or of the file where there is none."""
    scope: str
    """What a newer delivery replaces: a billing period `2026-11`, or the bucket that is listed."""
    parts: tuple[Part, ...] = ()
    snapshot_at: datetime | None = None
    """Inventories: when the listing began (UTC, naive)."""
    file_format: str = ""
    """`CSV`, `Parquet` … as the manifest says."""
    columns: tuple[str, ...] = ()
    """Column names in file order, where the files carry none."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A delivery that is whole in the lake: its line in the ledger."""

    source: str
    kind: str
    table: str
    delivery_id: str
    delivered_at: datetime
    scope: str
    checksum: str
    row_count: int
    byte_count: int
    """Bytes as delivered, before landing."""
    snapshot_at: datetime | None = None
    files: tuple[str, ...] = ()
    """Parquet files, relative to the lake."""
    rollups: tuple[tuple[str, str], ...] = ()
    """Further raw tables made from it while landing: (table, file relative to the lake)."""


def in_force(landed: Iterable[Landed], as_of: date) -> list[Landed]:
    """Return the deliveries that count on `as_of`: per source and scope the newest one delivered in time.

    A night can be run again later: what arrived more than `LATE_BY` after the day is not seen by it. Where
    nothing had arrived in time, a bill or a service's answer that came later is the nearest there is.
    """
    ordered = sorted(landed, key=_order)
    closes_at = _closes_at(as_of)
    chosen: dict[tuple[str, str, str], Landed] = {}
    for entry in ordered:
        key = (entry.source, entry.table, entry.scope)
        is_nearest = key not in chosen and entry.table not in LISTINGS
        if (entry.delivered_at < closes_at or is_nearest) and not _is_of_later_period(entry, as_of):
            chosen[key] = entry
    return sorted(chosen.values(), key=lambda entry: (entry.table, entry.source, entry.scope))


def in_history(landed: Sequence[Landed], as_of: date) -> list[Landed]:
    """Return every delivery that had arrived on `as_of`, oldest first: past inventories explain past days."""
    closes_at = _closes_at(as_of)
    return sorted((entry for entry in landed if entry.delivered_at < closes_at), key=_order)


def _is_of_later_period(entry: Landed, as_of: date) -> bool:
    return entry.table in BILLS and entry.scope > f"{as_of:%Y-%m}"


def _closes_at(as_of: date) -> datetime:
    return datetime.combine(as_of, datetime.min.time()) + timedelta(days=1) + LATE_BY


def _order(entry: Landed) -> tuple[datetime, str]:
    return entry.delivered_at, entry.delivery_id
