"""The published snapshots as a list: which is current, and why each is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pipelines.report.figures import size
from pipelines.retention import Holding
from pipelines.snapshots import Stored

COLUMNS = ("", "snapshot", "day", "published (UTC)", "size", "kept because")
"""Of the rows that `for_people` makes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list."""

    snapshot_id: str
    as_of: date | None
    published_at: datetime | None
    is_current: bool
    is_whole: bool
    size_bytes: int
    kept_because: tuple[str, ...]
    """Empty: nothing keeps it, and it goes when the next snapshot is published."""


def listed(holding: Holding) -> list[Listed]:
    """Return one line for each snapshot, the newest day last."""
    return [_line(one, holding) for one in holding.stored]


def for_people(lines: Sequence[Listed]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table for the screen."""
    for line in lines:
        published_at = f"{line.published_at:%Y-%m-%d %H:%M}" if line.published_at else ""
        day = line.as_of.isoformat() if line.as_of else ""
        mark = "*" if line.is_current else ""
        yield mark, line.snapshot_id, day, published_at, size(line.size_bytes), _why(line)


def _line(stored: Stored, holding: Holding) -> Listed:
    snapshot = stored.snapshot
    return Listed(
        snapshot_id=stored.snapshot_id,
        as_of=snapshot.as_of if snapshot else None,
        published_at=snapshot.published_at if snapshot else None,
        is_current=snapshot is not None and snapshot == holding.current,
        is_whole=snapshot is not None,
        size_bytes=stored.size_bytes,
        kept_because=holding.reasons.get(stored.snapshot_id, ()),
    )


def _why(line: Listed) -> str:
    if not line.is_whole:
        return "(not whole: left by an interruption)"
    return ", ".join(line.kept_because) or "(nothing keeps it)"
