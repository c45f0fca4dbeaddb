"""A published snapshot of the warehouse, and the results of its checks."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

STORAGE_VERSION = "v1.4.0"
"""The oldest file format that people's own DuckDB still has to read."""

POINTER = "published/current.json"
"""Key of the file in the lake that names the snapshot in force."""

SNAPSHOT_ID = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9A-Za-z]+", re.ASCII)
"""The day a snapshot is about, then the beginning of its build's hash."""


def snapshot_key(snapshot_id: str, name: str) -> str:
    """Return the key of one file of a snapshot, relative to the lake."""
    return f"published/{snapshot_id}/{name}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: what was expected, what was seen, and why it matters."""

    check_id: str
    table_name: str
    level: str
    """`block` or `warn`."""
    passed: bool
    observed: str
    expected: str
    reason: str
    scope: str = ""
    """The bucket the check speaks for, where it speaks for one only."""
    excludes: bool = False
    """A failure keeps that bucket out of the clean-up."""
    offenders: tuple[Mapping[str, str], ...] = ()
    """Up to 20 rows that are wrong, the worst first. Keys are in them: show them `visible`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable, published state: its id, its day, and where it is in the lake."""

    snapshot_id: str
    as_of: date
    published_at: datetime
    warehouse: str
    """Key of the DuckDB file, relative to the lake."""
    code_version: str

    def to_json(self) -> dict[str, str]:
        """Return plain values for a JSON file."""
        return {
            "snapshot_id": self.snapshot_id,
            "as_of": self.as_of.isoformat(),
            "published_at": self.published_at.isoformat(),
            "warehouse": self.warehouse,
            "code_version": self.code_version,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> "Snapshot":
        """Read what `to_json` wrote; further values are left alone."""
        return cls(
            values["snapshot_id"],
            date.fromisoformat(values["as_of"]),
            datetime.fromisoformat(values["published_at"]),
            values["warehouse"],
            values["code_version"],
        )


def order(snapshot: Snapshot) -> tuple[date, datetime, str]:
    """Return the order of snapshots: by the day they are about, then by when they were published."""
    return snapshot.as_of, snapshot.published_at, snapshot.snapshot_id


def previous(snapshots: Iterable[Snapshot], snapshot: Snapshot) -> Snapshot | None:
    """Return the one before a snapshot, or None before the first."""
    return max((one for one in snapshots if order(one) < order(snapshot)), key=order, default=None)


@dataclass(frozen=True, slots=True)
class BuildMeta:
    """Which build a warehouse came from."""

    build_id: str
    """Hash of deliveries, settings and code: the same inputs give the same id."""
    as_of: date
    code_version: str

    def to_json(self) -> dict[str, str]:
        """Return plain values for a JSON file."""
        return {"build_id": self.build_id, "as_of": self.as_of.isoformat(), "code_version": self.code_version}

    @classmethod
    def from_json(cls, values: dict[str, str]) -> "BuildMeta":
        """Read what `to_json` wrote."""
        return cls(values["build_id"], date.fromisoformat(values["as_of"]), values["code_version"])
