"""The models of checkpoints, measured over a landed list or from the list as S3 delivers it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.models import Model, shipped_models
from tests.bench.building import AS_OF, landed_inputs
from tests.bench.compared import same_checkpoints
from tests.bench.floors import MEMORY_LIMIT, THREADS
from tests.bench.landing import land_parquet

WANTED = ("marts.checkpoints", "marts.checkpoint_objects", "marts.checkpoint_waste")


def checkpoints(work: Path) -> object:
    """Find, group, rank and price the checkpoints of the landed Parquet inventory, and nothing else."""
    path = work / "checkpoints.duckdb"
    engine = Engine(memory_limit=MEMORY_LIMIT, threads=THREADS, temp_directory=str(work / "tmp"))
    build_warehouse(path, inputs=landed_inputs(work), as_of=AS_OF, engine=engine, models=_models())
    with duckdb.connect(str(path), read_only=True) as connection:
        return same_checkpoints(connection, "marts.checkpoints")


def unsplit(work: Path) -> object:
    """Do the same from the delivered Parquet, landing included."""
    land_parquet(work)
    return checkpoints(work)


CASES: dict[str, Callable[[Path], object]] = {
    "checkpoints": checkpoints,
    "land_unsplit": unsplit,
}


def _models() -> Sequence[Model]:
    needed = set(WANTED)
    for model in reversed(shipped_models()):
        if model.table in needed:
            needed.update(model.depends_on)
    return [model for model in shipped_models() if model.table in needed]


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
