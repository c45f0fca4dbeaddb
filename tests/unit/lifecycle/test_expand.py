"""Lines become one row per object, and DuckDB alone touches them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from lifecycle import steps
from lifecycle.model import PlanFile
from lifecycle.plan.expand import Expansion
from lifecycle.providers import MemoryProvider
from lifecycle.providers.memory import MemoryBucket
from pipelines.errors import Terminal

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3


ON_GOOGLE = """
name: stale
match: {kind: checkpoint, buckets: ["gs://acme-training"], prefixes: ["runs/"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
archive: {after: 30d, to: ARCHIVE}
delete: {after: 90d}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""


def rows(home: Path, name: str = "actions/chunk-00000.parquet") -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(home / name).to_pylist()
    return found


def test_objects_above_the_copy_limit_go_in_parts_and_small_ones_stay(lab: Lab) -> None:
    lab.save(
        100, 60, files={"huge.bin": 5 * GIB + 1, "limit.bin": 5 * GIB, "small.json": 131_071, "edge": 131_072}
    )
    lab.save(400, 10)
    lab.publish()
    found = {str(row["object_key"]).rpartition("/")[2]: row["path"] for row in rows(Path(lab.plan().path))}
    assert found == {"huge.bin": "copy-in-parts", "limit.bin": "copy-in-place", "edge": "copy-in-place"}


def test_savings_of_the_rows_are_those_of_their_line(lab: Lab) -> None:
    lab.fill()
    lab.publish()
    made = lab.plan()
    total = sum(row["saving_usd_month"] for row in rows(Path(made.path)))  # type: ignore[misc]
    saved = made.totals.archive.saving_usd_month + made.totals.delete.saving_usd_month
    assert abs(total - saved) < 1e-5


def test_what_must_remain_is_listed_for_touched_runs_only(lab: Lab) -> None:
    saves = lab.fill()
    other = lab.save(10, 1, run="runs/untouched")
    lab.publish()
    remaining = {row["object_key"] for row in rows(Path(lab.plan().path), "survivors.parquet")}
    assert remaining == {key for name in ("stale", "young", "latest") for key in saves[name].keys}
    assert not remaining & set(other.keys)


def test_keys_and_directories_with_quotes_and_wildcards_are_exact(lab: Lab) -> None:
    lab.save(100, 200, files={"it's 100% [a]*?.bin": GIB, "_%.bin": GIB})
    lab.save(400, 10)
    lab.publish()
    made = steps.plan(lab.run(), lab.policy(), lab.home / "o'brien")
    assert {str(row["object_key"]).rpartition("/")[2] for row in rows(Path(made.path))} == {
        "it's 100% [a]*?.bin",
        "_%.bin",
    }
    steps.approve(lab.run(), made.path, "Ada")
    assert steps.apply(lab.run(), made.path).is_clean
    assert steps.verify(lab.run(), made.path).is_clean


def test_objects_that_do_not_add_up_to_the_decision_are_refused(lab: Lab) -> None:
    lab.fill()
    snapshot = lab.publish()
    home = Path(lab.plan().path)
    with duckdb.connect(str(lab.home / "lake" / snapshot.warehouse)) as connection:
        connection.execute("delete from marts.checkpoint_objects where is_marker")
        with pytest.raises(Terminal, match="contradicts itself"):
            Expansion(connection, snapshot.snapshot_id, home).write()


@pytest.mark.parametrize("part_size, slice_size", [(1, 1), (4, 3), (10_000, 2), (2, 10_000)])
def test_the_files_are_the_same_however_small_the_parts_are(
    lab: Lab, part_size: int, slice_size: int, tmp_path: Path
) -> None:
    lab.fill()
    for step in range(1000, 5000, 500):
        lab.save(step, 200 - step / 100, run=f"runs/{step % 3}")
    snapshot = lab.publish()
    home = Path(lab.plan().path)
    cut = tmp_path / "cut"
    cut.mkdir()
    shutil.copy(home / "decisions.parquet", cut)
    with duckdb.connect(str(lab.home / "lake" / snapshot.warehouse)) as connection:
        actions, _ = Expansion(
            connection, snapshot.snapshot_id, cut, part_size=part_size, slice_size=slice_size
        ).write()
    for file in (*actions, PlanFile("survivors.parquet", "", 0)):
        assert rows(cut, file.name) == rows(home, file.name)
    assert not list(cut.glob("laid-down/part=*/*"))


def test_within_a_checkpoint_the_marker_is_first_and_says_so(lab: Lab) -> None:
    lab.save(100, 200, files={"a.bin": GIB, "trainer_state.json": 5, "b.bin": GIB})
    lab.save(400, 10)
    lab.publish()
    found = rows(Path(lab.plan().path))
    assert [(str(row["object_key"]).rpartition("/")[2], row["is_marker"]) for row in found] == [
        ("trainer_state.json", True),
        ("a.bin", False),
        ("b.bin", False),
    ]
    assert [row["action_id"] for row in found] == ["00000-000001", "00000-000002", "00000-000003"]


def test_actions_on_cloud_storage_name_generations_and_are_never_in_parts(lab: Lab) -> None:
    for step, days_old in ((100, 200), (200, 60), (400, 10)):
        made = lab.save(step, days_old, files={"model.bin": 6 * GIB})
        lab.saves[-1] = replace(
            made,
            uri=made.uri.replace("s3:", "gs:"),
            objects=tuple(replace(item, version_id=f"17000{step}") for item in made.objects),
        )
    lab.publish()
    cloud = MemoryProvider(scheme="gs")
    cloud.buckets = {"acme-training": MemoryBucket(soft_delete_days=7)}
    home = Path(steps.plan(lab.run(clouds={"gs": cloud}), lab.policy(ON_GOOGLE)).path)
    found = [(row["scheme"], row["action"], row["path"], row["generation"]) for row in rows(home)]
    assert found == [
        ("gs", "archive", "copy-in-place", 17000200),
        ("gs", "delete", "soft-delete", 17000100),
    ]


def test_a_bucket_of_a_cloud_that_nobody_speaks_to_is_kept_whole(lab: Lab) -> None:
    made = lab.save(100, 200)
    lab.saves[-1] = replace(made, uri=made.uri.replace("s3:", "gs:"))
    lab.save(400, 10)
    lab.publish()
    plan = lab.plan(ON_GOOGLE)
    assert not plan.has_changes
    assert {line.rule for line in lab.lines(plan.id) if line.scheme == "gs"} == {"doubt"}
