"""Listing a bucket: sixteen listers against one where answers take time, and CPU a key against boto3's.

    python -m tests.bench.listing [--rows 200000] [--repeats 3]

The bucket is a fake on loopback in a process of its own, with real paging. Medians; ratios are what to quote.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
from rich.console import Console
from rich.table import Table

from pipelines import sources
from pipelines.domain.configuration import Endpoint, Source
from pipelines.sources.listing import (
    CURRENT,
    LISTERS,
    PROBE_ROWS,
    Crew,
    KeyRange,
    Probe,
    S3Lister,
    listing_client,
    plan_ranges,
)
from tests.fakes.s3_listing import ListedVersion, ListingServer

LATENCY_SECONDS = 0.03
BUCKET = "bench"
NOW = datetime.fromisoformat("2026-11-20T06:30:00")

Case = Callable[[str], int]
"""Lists the bucket at an address and returns how many keys it has."""
Clock = Callable[[], float]
Medians = dict[str, float]


def main() -> None:
    """Measure every way to list and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        _serve(arguments.rows, arguments.serve)
        return
    with _credentials():
        with _server(arguments.rows, LATENCY_SECONDS) as url:
            waited = _measured(WAITING, url, arguments, time.perf_counter)
        with _server(arguments.rows, 0.0) as url:
            computed = _measured(COMPUTING, url, arguments, time.process_time)
    rows = arguments.rows
    rates = {name: rows / seconds for name, seconds in waited.items()}
    costs = {name: seconds / rows * 1e6 for name, seconds in computed.items()}
    _show(f"{rows:,} keys, {LATENCY_SECONDS * 1000:.0f} ms before each answer", "keys/s", rates, 0)
    _show(f"{rows:,} keys, CPU of the client", "µs/key", costs, 1)


def one_lister(url: str) -> int:
    """One range, one page after the other."""
    return _harvested(url, Crew(1), [KeyRange("", None)])


def one_range_divided(url: str) -> int:
    """One range, divided among sixteen listers on the way: a plan that failed altogether."""
    return _harvested(url, Crew(), [KeyRange("", None)])


def known_ranges(url: str) -> int:
    """Sixteen listers, whose ranges were planned before."""
    return _harvested(url, Crew(), _planned(url))


def planned_ranges(url: str) -> int:
    """Sixteen listers; planning the ranges is part of it."""
    _planned.cache_clear()
    return _harvested(url, Crew(), _planned(url))


@cache
def _planned(url: str) -> list[KeyRange]:
    with ThreadPoolExecutor(LISTERS) as pool:
        probe = partial(_probe, _lister(url))
        return plan_ranges(lambda keys: list(pool.map(probe, keys)), at_once=LISTERS)


def paginator(url: str) -> int:
    """boto3's own paginator, one page after the other."""
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sum(len(page["Contents"]) for page in pages)


def landed(url: str) -> int:
    """Found, listed and written as Parquet with its roll-up, as a night does it."""
    with TemporaryDirectory(prefix="moraine-bench-") as directory:
        work = Path(directory)
        source = Source(name="bench", kind="bucket-listing", uri=f"s3://{BUCKET}")
        place = sources.open_place(source, work, _endpoints(url), work / "tmp")
        delivery = sources.find(place, NOW).deliveries[0]

        def convert(index: int) -> int:
            into = work / str(index)
            into.mkdir()
            return sources.convert(place, delivery, index, into).row_count

        with ThreadPoolExecutor(sources.at_once(delivery)) as pool:
            return sum(pool.map(convert, range(len(delivery.parts))))


WAITING: dict[str, Case] = {
    "one lister": one_lister,
    "16 listers": known_ranges,
    "16 listers, and the plan": planned_ranges,
    "16 listers, no plan": one_range_divided,
    "landed, 16 listers": landed,
}
COMPUTING: dict[str, Case] = {
    "boto3's paginator": paginator,
    "one lister": one_lister,
    "16 listers, and the plan": planned_ranges,
    "landed, 16 listers": landed,
}


def _harvested(url: str, crew: Crew, ranges: list[KeyRange]) -> int:
    lister, counts = _lister(url), list[int]()

    def harvest(keys: KeyRange) -> None:
        crew.harvest(lister, keys, lambda rows: counts.append(rows.num_rows))

    with ThreadPoolExecutor(LISTERS) as pool:
        list(pool.map(harvest, ranges))
    return sum(counts)


def _lister(url: str) -> S3Lister:
    return S3Lister(listing_client(BUCKET, _endpoints(url)), BUCKET, "", CURRENT)


def _probe(lister: S3Lister, after: str) -> Probe:
    return lister.page(lister.start(after), None, PROBE_ROWS).probe


def _endpoints(url: str) -> tuple[Endpoint, ...]:
    return (Endpoint(match="*", endpoint_url=url),)


def _measured(cases: Mapping[str, Case], url: str, arguments: argparse.Namespace, clock: Clock) -> Medians:
    """Return the median seconds of each case by a clock; they take turns, for the machine may be busy."""
    _planned(url)
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(arguments.repeats):
        for name, case in cases.items():
            begun = clock()
            count = case(url)
            taken[name].append(clock() - begun)
            if count != arguments.rows:
                raise SystemExit(f"{name} listed {count} of {arguments.rows} keys")
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _show(title: str, unit: str, measured: Mapping[str, float], digits: int) -> None:
    table = Table(title=title)
    first = next(iter(measured))
    for column in ("case", unit, f"against {first}"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for name, value in measured.items():
        table.add_row(name, f"{value:,.{digits}f}", f"{value / measured[first]:.2f}")
    Console(width=100).print(table)


@contextmanager
def _credentials() -> Iterator[None]:
    made_up = {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = dict(os.environ)
    os.environ.update(made_up)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _server(rows: int, latency_seconds: float) -> Iterator[str]:
    words = [
        sys.executable,
        "-m",
        "tests.bench.listing",
        "--rows",
        str(rows),
        "--serve",
        str(latency_seconds),
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            # It serves until its input ends.
            process.communicate()


def _serve(rows: int, latency_seconds: float) -> None:
    with ListingServer(_keys(rows), latency_seconds=latency_seconds) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


def _keys(rows: int) -> Iterator[ListedVersion]:
    """Yield the files of training runs: 8 to a step, 50 steps to a run."""
    for at in range(rows):
        run, step, rank = at // 400, at // 8 % 50 * 100, at % 8
        yield ListedVersion(
            f"team-{run % 5}/run-{run:05d}/step={step:06d}/model-{rank:05d}-of-00008.safetensors"
        )


if __name__ == "__main__":
    main()
