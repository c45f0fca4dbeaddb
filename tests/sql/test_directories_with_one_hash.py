"""Objects find their directory by its hash: two directories of one hash must not become one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine
from pipelines.warehouse.build import Inputs, build_warehouse
from pipelines.warehouse.models import Model
from tests.sql.conftest import landed, needed_for

AS_OF = date(2026, 1, 30)
LISTED_AT = datetime(2026, 1, 31)
MARTS = ("marts.checkpoints", "marts.checkpoint_objects")
LEAVES = ("model.safetensors", "optimizer.pt", "trainer_state.json")


def test_directories_that_share_a_hash_are_told_apart_by_their_names(tmp_path: Path) -> None:
    models = needed_for(MARTS)
    clumsy = [replace(model, sql=with_two_hashes(model.sql)) for model in models]
    assert sum(one.sql != other.sql for one, other in zip(models, clumsy, strict=True)) == 2
    assert marts(tmp_path / "clumsy", clumsy) == marts(tmp_path / "shipped", models)


def with_two_hashes(sql: str) -> str:
    """Return the query with a hash that tells directories of even length from those of odd length only."""
    return re.sub(r"\bhash\([^)]*?directory\)", "(length(directory) % 2)", sql)


def marts(folder: Path, models: Sequence[Model]) -> list[list[tuple[object, ...]]]:
    folder.mkdir()
    saves = [f"runs/{run}/checkpoint-{step}/" for run in ("a", "bb") for step in (5, 10, 100)]
    beside = ("data/", "logs/a/", "runs/a/", "")
    rows = [stored(directory, leaf) for directory in saves for leaf in LEAVES]
    rows += [stored(directory, leaf) for directory in beside for leaf in ("model.safetensors", "notes.md")]
    path = folder / "warehouse.duckdb"
    inputs = Inputs(files={"s3_inventory": (landed(folder, "s3_inventory", rows),)})
    engine = Engine(memory_limit="1GB", temp_directory=str(folder / "spill"))
    build_warehouse(path, inputs=inputs, as_of=AS_OF, engine=engine, models=models)
    with duckdb.connect(str(path), read_only=True) as made:
        return [made.execute(f"select * from {mart} order by all").fetchall() for mart in MARTS]


def stored(directory: str, leaf: str) -> dict[str, object]:
    return {
        "bucket": "b",
        "object_key": directory + leaf,
        "directory": directory,
        "leaf": leaf,
        "size_bytes": 1000 + len(directory),
        "storage_class": "STANDARD",
        "last_modified_at": datetime(2026, 1, 1),
        "lists_versions": False,
        "snapshot_at": LISTED_AT,
    }
