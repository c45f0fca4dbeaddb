"""What a provider delivers, and which of it counts on a given day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

BILLS = frozenset({"aws_cur2", "focus"})
"""A delivery of these holds its whole billing period, its scope: a newer one replaces it, never adds."""

LOADS = frozenset({"gcp_billing"})
"""Every file of these adds up with all others, from the day it was loaded; the same content counts once."""

LISTINGS = frozenset({"s3_inventory", "gcs_inventory"})
"""These say how things were at one moment: of a later one nothing is known about an earlier day."""

BESIDES = frozenset({"s3_uploads", "checkpoint_states", "mlflow_runs"})
"""Asked along with an inventory or a registry: with these alone, nothing of that source has landed."""

CUT_BY_US = frozenset({"bucket-listing"})
"""Kinds whose parts are ranges of keys that we choose ourselves, and another time otherwise."""

LATE_BY = timedelta(hours=24)
"""A provider finishes a day's data up to 24 hours after the day ends (AWS Data Exports, GCS Insights)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One data file of a delivery, as its manifest names it; of a bucket's listing, one range of keys."""

    key: str
    """The file. Of a range: the key before its first."""
    size_bytes: int | None = None
    md5: str | None = None
    until: str | None = None
    """Of a range: its last key; None for the end of the bucket."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One complete delivery: the unit of landing, identified by its manifest."""

    source: str
    kind: str
    table: str
    """The raw table it lands in: `s3_inventory`, `aws_cur2`, `focus`, `gcp_billing` …"""
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
    """Inventories: when the listing began. Loads: the day, where the file's name says it (UTC, naive)."""
    file_format: str = ""
    """`CSV`, `Parquet` … as the manifest says."""
    columns: tuple[str, ...] = ()
    """Column names in file order, where the files carry none."""
    delimiter: str = ","
    """CSV: what stands between two fields."""
    record_separator: str = ""
    """CSV: what ends a record; empty for the end of a line."""
    row_count: int | None = None
    """Rows that the manifest promises for all parts together."""
    byte_count: int | None = None
    """Bytes of all parts, where the manifest does not say them of each."""
    written_at: datetime | None = None
    """When the manifest was stored (UTC, naive): of one that was replaced in place, the later counts."""
    is_answer: bool = False
    """What a service said when it was asked: one part, kept on the machine that asked until it lands."""

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can write."""
        return {
            **asdict(self),
            "delivered_at": _spelled(self.delivered_at),
            "snapshot_at": _spelled(self.snapshot_at),
            "written_at": _spelled(self.written_at),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Delivery":
        """Return the delivery that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: it wrote something else.
        """
        return cls(
            **{
                **fields,
                **_times(fields),
                "parts": tuple(Part(**part) for part in fields["parts"]),
                "columns": tuple(fields["columns"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """A delivery that is not what it says: nothing of it is in the lake, and what was there before stays."""

    source: str
    kind: str
    table: str
    delivery_id: str
    scope: str
    delivered_at: datetime
    checksum: str
    reason: str
    where: str
    fix: str

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can write."""
        return {**asdict(self), "delivered_at": _spelled(self.delivered_at)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Rejected":
        """Return what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: it wrote something else.
        """
        return cls(**{**fields, "delivered_at": datetime.fromisoformat(fields["delivered_at"])})


@dataclass(frozen=True, slots=True)
class Converted:
    """One part of a delivery as typed Parquet on this machine."""

    files: tuple[Path, ...]
    rollups: tuple[tuple[str, Path], ...]
    """Further raw tables made from it: (table, file)."""
    row_count: int


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
    written_at: datetime | None = None
    """When its manifest was stored (UTC, naive)."""

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can write."""
        return {
            **asdict(self),
            "delivered_at": _spelled(self.delivered_at),
            "snapshot_at": _spelled(self.snapshot_at),
            "written_at": _spelled(self.written_at),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Landed":
        """Return what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: it wrote something else.
        """
        return cls(
            **{
                **fields,
                **_times(fields),
                "files": tuple(fields["files"]),
                "rollups": tuple((table, file) for table, file in fields["rollups"]),
            }
        )


def in_force(landed: Iterable[Landed], as_of: date) -> list[Landed]:
    """Return the deliveries that count on `as_of`: per source and scope the newest one delivered in time.

    A night can be run again later: what arrived more than `LATE_BY` after the day is not seen by it. Where
    nothing had arrived in time, a bill or a service's answer that came later is the nearest there is.
    Loads all count that were loaded in time, whenever their files arrived; or else those of the first day.
    """
    ordered = sorted(landed, key=_order)
    closes_at = _closes_at(as_of)
    loads_close_at = _loads_close_at(ordered, closes_at)
    chosen: dict[tuple[str, str, str], Landed] = {}
    for entry in ordered:
        key = (entry.source, entry.table, entry.scope)
        is_load_in_time = entry.table in LOADS and _loaded_at(entry) < loads_close_at[entry.source]
        is_nearest = key not in chosen and (is_load_in_time or entry.table not in LISTINGS | LOADS)
        if (entry.delivered_at < closes_at or is_nearest) and not _is_of_later_period(entry, as_of):
            chosen[key] = entry
    once = _without_copies(sorted(chosen.values(), key=_order))
    return sorted(once, key=lambda entry: (entry.table, entry.source, entry.scope))


def is_replaced(rejected: Rejected, others: Iterable[Delivery | Landed]) -> bool:
    """Tell whether a whole delivery of the same scope is newer: then the damaged one matters no more."""
    return any(
        (other.source, other.table, other.scope) == (rejected.source, rejected.table, rejected.scope)
        and _order(other) > _order(rejected)
        for other in others
    )


def in_history(landed: Sequence[Landed], as_of: date) -> list[Landed]:
    """Return every delivery that had arrived on `as_of`, oldest first: past inventories explain past days.

    What is in force although it came later is among them. Of a listing that was delivered again for the same
    moment, only the last is left; of a load that was copied to another name, only the first.
    """
    closes_at = _closes_at(as_of)
    in_time = [entry for entry in landed if entry.delivered_at < closes_at]
    arrived = _without_copies(sorted(in_time, key=_order))
    last = {_listed(entry): entry for entry in arrived}
    kept = [entry for entry in arrived if entry.table not in LISTINGS or last[_listed(entry)] is entry]
    late = [entry for entry in in_force(landed, as_of) if entry.delivered_at >= closes_at]
    return sorted([*kept, *late], key=_order)


def _loaded_at(entry: Landed) -> datetime:
    return entry.snapshot_at or entry.delivered_at


def _loads_close_at(landed: Iterable[Landed], closes_at: datetime) -> dict[str, datetime]:
    """Return for each source of loads until when they count: at least to the end of its first day."""
    first: dict[str, datetime] = {}
    for entry in landed:
        if entry.table in LOADS:
            loaded_at = _loaded_at(entry)
            first[entry.source] = min(first.get(entry.source, loaded_at), loaded_at)
    return {source: max(closes_at, _end_of_day(moment)) for source, moment in first.items()}


def _end_of_day(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), datetime.min.time()) + timedelta(days=1)


def _without_copies(ordered: Iterable[Landed]) -> list[Landed]:
    """Leave out loads that another file brought before, whatever it was called."""
    first: dict[tuple[str, str], str] = {}
    kept = []
    for entry in ordered:
        is_load = entry.table in LOADS
        if not is_load or first.setdefault((entry.source, entry.checksum), entry.scope) == entry.scope:
            kept.append(entry)
    return kept


def _listed(entry: Landed) -> tuple[object, ...]:
    return entry.source, entry.table, entry.scope, entry.snapshot_at


def _is_of_later_period(entry: Landed, as_of: date) -> bool:
    return entry.table in BILLS and entry.scope > f"{as_of:%Y-%m}"


def _closes_at(as_of: date) -> datetime:
    return datetime.combine(as_of, datetime.min.time()) + timedelta(days=1) + LATE_BY


def _order(entry: Delivery | Landed | Rejected) -> tuple[datetime, bool, datetime, str]:
    # A damaged one is forgotten for a later moment only, not for what was written of the same one.
    written_at = None if isinstance(entry, Rejected) else entry.written_at
    return (
        entry.delivered_at,
        isinstance(entry, Rejected),
        written_at or entry.delivered_at,
        entry.delivery_id,
    )


def _spelled(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _times(fields: Mapping[str, Any]) -> dict[str, datetime | None]:
    optional = {name: fields.get(name) for name in ("snapshot_at", "written_at")}
    return {
        "delivered_at": datetime.fromisoformat(fields["delivered_at"]),
        **{name: datetime.fromisoformat(moment) if moment else None for name, moment in optional.items()},
    }
