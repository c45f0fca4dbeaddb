"""Every DuckDB is opened in one way."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from pipelines.engine import connect

ROOT = Path(__file__).parents[3]
SUMS = "select k, sum(x)::bigint as s from t left join (select id from p where ok) on c = id group by k"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(connect()) as opened:
        rows = "(1073741824::bigint, 'a', 'x'), (1073741824, 'b', 'x'), (0, 'b', 'y')"
        opened.execute(f"create table t as select * from (values {rows}) as v (x, k, c)")
        opened.execute("create table p (id varchar, ok boolean)")
        yield opened


@pytest.mark.parametrize(
    "query, expected",
    [
        (f"{SUMS} order by k", [("a", 1073741824), ("b", 1073741824)]),
        (f"select s from ({SUMS}) where s > 0", [(1073741824,), (1073741824,)]),
        (f"select s > 0 from ({SUMS})", [(True,), (True,)]),
    ],
)
def test_sums_are_right_where_nothing_is_joined(
    connection: duckdb.DuckDBPyConnection, query: str, expected: list[tuple[object, ...]]
) -> None:
    assert connection.execute(query).fetchall() == expected


def test_settings_are_passed_on_to_files_as_well(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "one.duckdb", threads=1)) as opened:
        asked = "select current_setting('threads'), current_setting('disabled_optimizers')"
        assert opened.execute(asked).fetchall() == [(1, "statistics_propagation")]


def test_nobody_opens_duckdb_otherwise() -> None:
    otherwise = [
        str(path.relative_to(ROOT))
        for package in ("pipelines", "lifecycle", "dags")
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(r"duckdb\.(connect|sql|query|execute)\(", path.read_text())
        and path != ROOT / "pipelines" / "engine.py"
    ]
    assert otherwise == []
