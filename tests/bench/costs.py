"""The models of money, measured over a landed bill; run in a process of its own."""

import sys
from datetime import date
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine
from pipelines.domain.teams import Teams
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from tests.bench.compared import same_answer
from tests.bench.floors import MEMORY_LIMIT, THREADS

TEAMS = Teams(by_tag="user_team")


def build_hourly(work: Path) -> object:
    """Build all marts from a bill by the hour."""
    return _built(work, "hourly")


def build_random(work: Path) -> object:
    """Build all marts from a bill that can hardly be summed up."""
    return _built(work, "random")


CASES = {case.__name__: case for case in (build_hourly, build_random)}


def _built(work: Path, shape: str) -> object:
    path = work / f"costs-{shape}.duckdb"
    inputs = Inputs({"aws_cur2": [work / f"bill-{shape}.parquet"]}, teams=TEAMS)
    engine = Engine(memory_limit=MEMORY_LIMIT, threads=THREADS, temp_directory=str(work / "tmp"))
    build_warehouse(path, inputs=inputs, as_of=date(2026, 9, 30), engine=engine)
    with duckdb.connect(str(path), read_only=True) as connection:
        return same_answer(connection, "marts.costs_daily", "marts.egress_daily")


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
