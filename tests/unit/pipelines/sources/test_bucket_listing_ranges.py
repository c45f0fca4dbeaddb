"""Ranges of keys: together they are the whole bucket, each key once, however keys are spread."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from threading import Lock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import Transient
from pipelines.sources.listing import Crew, Cursor, KeyRange, Page, Probe, plan_ranges
from pipelines.sources.listing.ranges import cuts_between

KEYS = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1), min_size=1, max_size=12)
PATHS = st.text(st.sampled_from("ab/01-é\U0001f600"), min_size=1, max_size=8)
NUMBERED = st.integers(0, 1500).map(lambda number: [f"data/part-{at:06d}" for at in range(number)])
BUCKETS = st.one_of(st.lists(KEYS), st.lists(PATHS, min_size=30, max_size=300), NUMBERED)


class ListedKeys:
    """A lister of keys in memory."""

    schema = pa.schema([("key", pa.string())])

    def __init__(self, keys: Iterable[str], page_rows: int = 3) -> None:
        self.keys, self.page_rows = sorted(set(keys)), page_rows
        self.after: list[str] = []
        """Where pages were asked for."""
        self.fails_at: str | None = None
        self._lock = Lock()

    def start(self, after: str) -> Cursor:
        return {"after": after}

    def page(self, cursor: Cursor, until: str | None, most: int = 1000) -> Page:
        with self._lock:
            self.after.append(cursor["after"])
        begin = bisect_right(self.keys, cursor["after"])
        page = self.keys[begin : begin + min(most, self.page_rows)]
        if self.fails_at in page:
            raise Transient("gone", where="here", fix="wait")
        probe = self._probe(page, begin)
        inside = [key for key in page if until is None or key <= until]
        is_end = probe.is_end or len(inside) < len(page)
        rows = pa.RecordBatch.from_pydict({"key": inside}, schema=self.schema)
        return Page(rows, probe, None if is_end else {"after": probe.last})

    def select(self, relation: str, snapshot_at: datetime) -> str:
        return f"select key, '{snapshot_at}'::timestamp as snapshot_at from {relation}"

    def probe_all(self, keys: Sequence[str]) -> list[Probe]:
        return [self.page(self.start(key), None).probe for key in keys]

    def _probe(self, page: list[str], begin: int) -> Probe:
        if not page:
            return Probe(None)
        late = len(page) * 3 // 4
        return Probe(
            page[0],
            late=page[late],
            last=page[-1],
            late_count=len(page) - late - 1,
            count=len(page),
            is_end=begin + len(page) >= len(self.keys),
        )


def sizes(keys: Sequence[str], ranges: Sequence[KeyRange]) -> list[int]:
    """Return how many keys each range holds."""
    return [
        sum(each.after < key and (each.until is None or key <= each.until) for key in keys) for each in ranges
    ]


def harvested(crew: Crew, bucket: ListedKeys, keys: KeyRange) -> list[str]:
    """Return what a crew finds in a range."""
    found: list[str] = []
    crew.harvest(bucket, keys, lambda rows: found.extend(rows["key"].to_pylist()))
    return found


@settings(deadline=None)
@given(BUCKETS, st.integers(1, 16), st.integers(1, 64))
def test_ranges_meet_and_cover_every_key_that_may_come(keys: list[str], at_once: int, wanted: int) -> None:
    ranges = plan_ranges(
        ListedKeys(keys, page_rows=10).probe_all, at_once=at_once, wanted=wanted, worth_a_part=20
    )
    assert 1 <= len(ranges) <= wanted
    assert (ranges[0].after, ranges[-1].until) == ("", None)
    for earlier, later in pairwise(ranges):
        assert earlier.until == later.after
        assert earlier.after < later.after


@settings(deadline=None)
@given(BUCKETS)
def test_every_key_is_in_one_range(keys: list[str]) -> None:
    ranges = plan_ranges(ListedKeys(keys, page_rows=10).probe_all, at_once=16, worth_a_part=20)
    assert sum(sizes(sorted(set(keys)), ranges)) == len(set(keys))


@given(KEYS, st.one_of(st.none(), KEYS), st.integers(-1, 12), st.integers(1, 20))
def test_cuts_lie_strictly_between_and_in_order(
    last: str, edge: str | None, varies_at: int, most: int
) -> None:
    if edge is not None and edge <= last:
        last, edge = edge, last + "x"
    cuts = cuts_between(last, edge, varies_at, most)
    assert len(cuts) <= most
    assert cuts == sorted(set(cuts))
    assert all(last < cut and (edge is None or cut < edge) for cut in cuts)


@given(KEYS)
def test_what_can_be_cut_is_cut(last: str) -> None:
    assert cuts_between(last, None, len(last))


SPREADS: dict[str, Callable[[], Iterable[str]]] = {
    "one prefix holds 99 of 100": lambda: [
        *(f"hot/part-{at:07d}" for at in range(99_000)),
        *(f"{'abcdefghij'[at % 10]}/{at}" for at in range(1_000)),
    ],
    "no slash at all": lambda: (f"{at:08d}" for at in range(100_000)),
    "one long common beginning": lambda: (f"teams/vision/runs/2026/{at:08d}.pt" for at in range(100_000)),
    "runs and steps": lambda: (
        f"run-{run:03d}/step-{step:06d}/rank-{rank}.pt"
        for run in range(125)
        for step in range(100)
        for rank in range(8)
    ),
    "numbers without zeros before them": lambda: (f"images/{at}.jpg" for at in range(100_000)),
    "digests": lambda: (f"{at * 2_654_435_761 % 2**32:08x}" for at in range(100_000)),
}


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS.keys())
def test_no_range_holds_most_of_the_bucket(spread: Callable[[], Iterable[str]]) -> None:
    bucket = ListedKeys(spread(), page_rows=100)
    ranges = plan_ranges(bucket.probe_all, at_once=16, worth_a_part=3_000)
    assert len(ranges) >= 12
    assert max(sizes(bucket.keys, ranges)) <= len(bucket.keys) * 0.3


def test_a_small_bucket_is_one_range() -> None:
    bucket = ListedKeys((f"{at:05d}" for at in range(10_000)), page_rows=100)
    assert plan_ranges(bucket.probe_all, at_once=16) == [KeyRange("", None)]


def test_a_plan_asks_a_few_hundred_times_at_most() -> None:
    bucket = ListedKeys((f"{at:08d}" for at in range(300_000)), page_rows=100)
    plan_ranges(bucket.probe_all, at_once=16, worth_a_part=1_000)
    assert len(bucket.after) < 300


@settings(deadline=None)
@given(BUCKETS, st.integers(1, 8))
def test_a_crew_lists_every_key_of_a_range_once_however_it_divides(keys: list[str], size: int) -> None:
    bucket = ListedKeys(keys)
    middle = bucket.keys[len(bucket.keys) // 2] if bucket.keys else "m"
    for keys_of, wanted in (
        (KeyRange("", middle), [key for key in bucket.keys if key <= middle]),
        (KeyRange(middle, None), [key for key in bucket.keys if key > middle]),
    ):
        assert sorted(harvested(Crew(size), bucket, keys_of)) == wanted


def test_a_long_range_is_divided_among_who_is_idle() -> None:
    bucket = ListedKeys(f"{at:05d}" for at in range(3_000))
    Crew(4).harvest(bucket, KeyRange("", None), lambda _: None)
    begun_elsewhere = set(bucket.after) - {"", *bucket.keys}
    assert begun_elsewhere


def test_a_crew_of_one_divides_nothing() -> None:
    bucket = ListedKeys(f"{at:05d}" for at in range(300))
    Crew(1).harvest(bucket, KeyRange("", None), lambda _: None)
    assert len(bucket.after) == 100


def test_what_fails_in_a_piece_ends_the_range_and_frees_the_crew() -> None:
    bucket = ListedKeys(f"{at:05d}" for at in range(3_000))
    bucket.fails_at = "02990"
    crew = Crew(4)
    for _ in range(8):
        with pytest.raises(Transient, match="gone"):
            crew.harvest(bucket, KeyRange("", None), lambda _: None)
    bucket.fails_at = None
    found: list[int] = []
    crew.harvest(bucket, KeyRange("", None), lambda rows: found.append(rows.num_rows))
    assert sum(found) == 3_000
