"""Lines become one row per object, and DuckDB alone touches them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from lifecycle import steps
from lifecycle.expand import write_actions
from pipelines.errors import Terminal

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3


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


def test_objects_that_do_not_add_up_to_the_decision_are_refused(lab: Lab, tmp_path: Path) -> None:
    lab.fill()
    snapshot = lab.publish()
    plan = steps.show(lab.run(), lab.plan().id)
    with duckdb.connect(str(lab.home / "lake" / snapshot.warehouse)) as connection:
        connection.execute("delete from marts.checkpoint_objects where is_marker")
        with pytest.raises(Terminal, match="contradicts itself"):
            write_actions(connection, plan, tmp_path / "again")
