"""Listing one range, with the help of whoever is idle.

A plan can be wrong by any factor: no store says how many keys lie between two. So a range that is being
listed is divided whenever there is a lister to spare, and both pieces are listed at the same time.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock

import pyarrow as pa

from pipelines.sources.listing.protocol import Cursor, Lister, Probe
from pipelines.sources.listing.ranges import KeyRange, cuts_between, likeness

LISTERS = 16
"""Requests under way at a time, of all ranges together: reading their answers keeps two cores busy."""

_PAGES_ALONE = 4
"""A piece that proves to be empty costs a request, so help is asked for every so many pages only."""

Write = Callable[[pa.RecordBatch], None]


class Crew:
    """So many listers, for all ranges that are listed at the same time. Safe to use from several threads."""

    def __init__(self, size: int = LISTERS) -> None:
        self._size, self._idle = size, BoundedSemaphore(size)

    def harvest(self, lister: Lister, keys: KeyRange, write: Write) -> None:
        """Give every row of a range to `write`: page by page, one at a time, in any order.

        Raises:
            Transient: the store does not answer.
            Terminal: it refuses.
        """
        with ThreadPoolExecutor(self._size) as pool:
            _Harvest(lister, write, self._idle, pool).list_all(keys)


class _Harvest:
    def __init__(
        self, lister: Lister, write: Write, idle: BoundedSemaphore, pool: ThreadPoolExecutor
    ) -> None:
        self._lister, self._write, self._idle, self._pool = lister, write, idle, pool
        self._pieces: list[Future[None]] = []
        self._writing, self._is_over = Lock(), Event()

    def list_all(self, keys: KeyRange) -> None:
        self._idle.acquire()
        self._list(keys.after, keys.until)
        # Who divides a piece adds the new one before its own is done: an empty list is the end.
        while self._pieces:
            self._pieces.pop().result()

    def _list(self, after: str, until: str | None) -> None:
        with self._at_work():
            pages = 0
            cursor: Cursor | None = self._lister.start(after)
            while cursor is not None and not self._is_over.is_set():
                page = self._lister.page(cursor, until)
                with self._writing:
                    self._write(page.rows)
                cursor, pages = page.following, pages + 1
                if cursor is not None and page.is_divisible and pages % _PAGES_ALONE == 0:
                    until = self._divided(page.probe, until)

    def _divided(self, seen: Probe, until: str | None) -> str | None:
        """Return where this lister ends from now on: another one lists what lies behind."""
        cuts = cuts_between(seen.last, until, likeness(seen.late, seen.last))
        if not cuts or not self._idle.acquire(blocking=False):
            return until
        self._pieces.append(self._pool.submit(self._list, cuts[0], until))
        return cuts[0]

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._is_over.set()
            raise
        finally:
            self._idle.release()
