"""Lines on disk: in the order in which they are carried out, whole checkpoints to a chunk, found again."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.model import Line
from lifecycle.plan.decisions import order_lines, write_lines
from lifecycle.plan.directory import PlanDirectory

HOSTILE = 'runs/it\'s "100%" _[a]*?\n日本/😀'


def line(number: int, decision: str = "archive", actions: int = 2, **said: object) -> Line:
    uri = f"s3://train/runs/a/checkpoint-{number}"
    made = Line(
        checkpoint_id=uri,
        uri=uri,
        bucket="train",
        run="runs/a",
        step=number,
        state="complete",
        decision=decision,  # type: ignore[arg-type]
        rule=decision,
        reason="because",
        object_count=actions,
        size_bytes=10,
        cost_usd_month=Decimal("1.000000"),
        action_count=actions if decision != "keep" else 0,
        from_classes=("STANDARD",),
    )
    return replace(made, **said)  # type: ignore[arg-type]


def written(directory: Path, lines: Sequence[Line], chunk_size: int = 4) -> PlanDirectory:
    directory.mkdir(exist_ok=True)
    with closing(duckdb.connect()) as connection:
        write_lines(directory / "decided.parquet", lines)
        order_lines(connection, directory / "decided.parquet", directory, chunk_size)
    return PlanDirectory(directory)


def test_archives_come_before_deletes_and_what_is_kept_comes_last(tmp_path: Path) -> None:
    made = [line(1, "keep"), line(2, "delete"), line(3, "archive"), line(9, "archive")]
    found = list(written(tmp_path, made).lines())
    assert [(each.decision, each.step) for each in found] == [
        ("archive", 3),
        ("archive", 9),
        ("delete", 2),
        ("keep", 1),
    ]


def test_chunks_hold_whole_checkpoints(tmp_path: Path) -> None:
    plan = written(tmp_path, [line(n) for n in range(1, 6)])
    assert [each.chunk for each in plan.lines()] == [0, 0, 1, 1, 2]
    assert [each.step for each in plan.lines("chunk-00001")] == [3, 4]


def test_a_checkpoint_larger_than_a_chunk_leaves_no_number_out(tmp_path: Path) -> None:
    plan = written(tmp_path, [line(1, actions=9), line(2, actions=1), line(3, "keep")])
    assert [each.chunk for each in plan.lines()] == [0, 1, None]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["keep", "archive", "delete"]), st.integers(1, 9)), min_size=1, max_size=30
    ),
    st.integers(1, 20),
)
def test_every_change_is_in_one_chunk_and_chunks_are_numbered_without_a_gap(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, int]], chunk_size: int
) -> None:
    made = [line(n, decision, actions) for n, (decision, actions) in enumerate(said)]
    found = list(written(tmp_path_factory.mktemp("plan"), made, chunk_size).lines())
    assert sorted(each.step or 0 for each in found) == list(range(len(made)))
    chunks = [each.chunk for each in found if each.is_change]
    assert chunks == sorted(chunks, key=lambda chunk: -1 if chunk is None else chunk)
    assert set(chunks) == set(range(len(set(chunks))))
    assert all(each.chunk is None for each in found if not each.is_change)
    for chunk in set(chunks):
        sizes = [each.action_count for each in found if each.chunk == chunk]
        # Its last checkpoint may go beyond the size, and no other.
        assert sum(sizes[:-1]) < chunk_size + max(sizes)


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    made = line(
        1,
        "delete",
        uri=f"s3://train/{HOSTILE}",
        run=HOSTILE,
        reason=HOSTILE,
        from_classes=(),
        step=None,
        saving_usd_month=Decimal("0.000001"),
        size_bytes=2**60,
    )
    assert list(written(tmp_path, [made]).lines()) == [replace(made, chunk=0)]


def test_what_stays_in_a_run_is_found_by_its_exact_name(tmp_path: Path) -> None:
    made = [
        line(1, "delete"),
        line(2, "archive"),
        line(3, "keep"),
        line(4, "keep", run="runs/a "),
        line(5, "keep", uri="gs://train/runs/a/checkpoint-5"),
        line(6, "keep", run="runs/%"),
    ]
    plan = written(tmp_path, made)
    assert [each.step for each in plan.staying("s3://train", "runs/a")] == [2, 3]
    assert [each.step for each in plan.staying("gs://train", "runs/a")] == [5]
    assert not list(plan.staying("s3://train", "runs/_"))


@pytest.mark.parametrize(
    "uri, step",
    [
        ("s3://train/runs/a/checkpoint-1", 1),
        ("s3://train/runs/a/checkpoint-1/", 1),
        ("s3://train/runs/a/checkpoint-1/deep/model.bin", 1),
        ("s3://train/runs/a/checkpoint-1/inner/x", 7),
        ("s3://train/runs/a/checkpoint-10", None),
        ("s3://train/runs/a", None),
        ("gs://train/runs/a/checkpoint-1", None),
        ("s3://train/runs/a/checkpoint-%", None),
        ("s3://train", None),
    ],
)
def test_an_object_is_found_by_the_deepest_checkpoint_above_it(
    tmp_path: Path, uri: str, step: int | None
) -> None:
    inner = line(7, "keep", uri="s3://train/runs/a/checkpoint-1/inner/")
    found = written(tmp_path, [line(1, "keep"), line(2, "delete"), inner]).line_at(uri)
    assert (found.step if found else None) == step


def test_a_plan_without_lines_has_a_file_all_the_same(tmp_path: Path) -> None:
    plan = written(tmp_path, [])
    assert not list(plan.lines())
    assert not list(plan.changes())
