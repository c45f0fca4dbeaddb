"""Landing, measured; run in a process of its own, which loads what landing needs and nothing else."""

import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from pipelines import raw, sources
from pipelines.domain.configuration import Source
from pipelines.stores import LocalStore
from tests.bench.floors import MEMORY_LIMIT


def land_parquet(work: Path) -> object:
    """Verify and land the Parquet inventory, with its directory roll-up."""
    return _land(work, "parquet")


def land_csv(work: Path) -> object:
    """Verify and land the CSV inventory, with its directory roll-up."""
    return _land(work, "csv")


CASES = {case.__name__: case for case in (land_parquet, land_csv)}


def _land(work: Path, name: str) -> object:
    home = work / name / "inv" / "bench" / "daily"
    source = Source(name="train", kind="s3-inventory", uri=f"file:{home}", bucket="bench")
    place = sources.open_place(source, work, (), work / "tmp", memory_limit=MEMORY_LIMIT)
    lake = LocalStore(work / f"lake-{name}")
    found = sources.find(place, datetime(2026, 11, 20, 6))
    landed = [
        raw.land(lake, delivery, partial(sources.convert, place, delivery), place.scratch)
        for delivery in found.deliveries
    ]
    return sum(each.row_count for each in landed)


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
