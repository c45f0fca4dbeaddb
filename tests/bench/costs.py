"""The models of money, measured over a landed bill; run in a process of its own."""

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pipelines.domain.configuration import Engine
from pipelines.domain.teams import Teams
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import Model, shipped_models
from tests.bench.floors import MEMORY_LIMIT, THREADS

TEAMS = Teams(by_tag="user_team")
DAILY = frozenset({"marts.costs_daily", "marts.egress_daily"})


def build_hourly(work: Path) -> object:
    """Build all marts from a bill by the hour."""
    return _built(work, "hourly", shipped_models())


def build_daily_hourly(work: Path) -> object:
    """Build the two marts that the peer makes, and what they are made from, of a bill by the hour."""
    return _built(work, "hourly", _daily_models())


def build_random(work: Path) -> object:
    """Build all marts from a bill that can hardly be summed up."""
    return _built(work, "random", shipped_models())


CASES = {case.__name__: case for case in (build_hourly, build_daily_hourly, build_random)}


def _built(work: Path, shape: str, models: Sequence[Model]) -> Path:
    path = work / f"costs-{shape}.duckdb"
    inputs = Inputs({"aws_cur2": [work / f"bill-{shape}.parquet"]}, teams=TEAMS)
    engine = Engine(memory_limit=MEMORY_LIMIT, threads=THREADS, temp_directory=str(work / "tmp"))
    build_warehouse(path, inputs=inputs, as_of=date(2026, 9, 30), engine=engine, models=models)
    return path


def _daily_models() -> Sequence[Model]:
    needed = set(DAILY)
    for model in reversed(shipped_models()):
        if model.table in needed:
            needed.update(model.depends_on)
    return [model for model in shipped_models() if model.table in needed]


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
