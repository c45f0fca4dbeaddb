"""What every lister of a bucket can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

PAGE_ROWS = 1000
"""Both stores answer with at most so many rows a request."""
PROBE_ROWS = 100
"""Enough to see how close keys lie, at a fraction of the work."""

Cursor = Mapping[str, str]
"""Where a page begins, in the words of its store."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one page says about the keys after some key."""

    first: str | None
    """The first key; None where there are no more."""
    late: str = ""
    """A key in the second half of the page: what lies after it is nearest to what the page has not seen."""
    late_count: int = 0
    """Rows after that key."""
    last: str = ""
    """The last key of the page."""
    count: int = 0
    """Rows of the page: a key has one for each of its versions."""
    is_end: bool = True
    """Nothing follows the page."""


@dataclass(frozen=True, slots=True)
class Page:
    """The rows that one request answered with, cut at the end of the range that was asked for."""

    rows: pa.RecordBatch
    """Columns as the store spells its values; the lister's `select` gives them types."""
    probe: Probe
    following: Cursor | None
    """Where the next page begins; None at the end of the range."""
    is_divisible: bool = True
    """What of the range follows may be given to another lister."""


class Lister(Protocol):
    """Lists one bucket, or what of it starts with a prefix. Safe to use from several threads."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of a page."""

    def start(self, after: str) -> Cursor:
        """Return where the keys after `after` begin; no such key needs to exist."""

    def page(self, cursor: Cursor, until: str | None, most: int = PAGE_ROWS) -> Page:
        """Return one page, of at most so many rows, of the keys up to and with `until`; None is the end.

        Raises:
            Transient: the store does not answer.
            Terminal: it refuses.
        """

    def select(self, relation: str, snapshot_at: datetime) -> str:
        """Return the SQL that turns pages into rows of the raw table."""
