"""What a built model has to keep."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import Terminal
from pipelines.warehouse.contracts import check_contract
from pipelines.warehouse.models import Model, find_models


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("create schema marts")
        yield opened


def the_model(root: Path) -> Model:
    return find_models(root, given=())[0]


def test_a_table_that_keeps_its_promise_passes(
    root: Path, add_model: Callable[..., Path], connection: duckdb.DuckDBPyConnection
) -> None:
    add_model("marts/a", "select 1 as x", "x varchar;y decimal(38,12)")
    connection.execute("create table marts.a (x varchar, y decimal(38, 12))")
    connection.execute("insert into marts.a values ('one', 1), ('two', null)")
    check_contract(connection, the_model(root))


@pytest.mark.parametrize(
    "made, problem",
    [
        pytest.param("x varchar, y hugeint", "column 2 is y hugeint, promised is y bigint", id="other-type"),
        pytest.param("y bigint, x varchar", "column 1 is y bigint, promised is x varchar", id="other-order"),
        pytest.param("x varchar", "column 2 is nothing, promised is y bigint", id="too-few"),
        pytest.param(
            "x varchar, y bigint, z bigint", "column 3 is z bigint, promised is nothing", id="too-many"
        ),
    ],
)
def test_other_columns_than_promised_are_refused(
    root: Path,
    add_model: Callable[..., Path],
    connection: duckdb.DuckDBPyConnection,
    made: str,
    problem: str,
) -> None:
    add_model("marts/a", "select 1 as x", "x varchar;y bigint")
    connection.execute(f"create table marts.a ({made})")
    with pytest.raises(Terminal, match=r"marts\.a does not have the columns") as refused:
        check_contract(connection, the_model(root))
    assert problem in refused.value.what


def test_a_key_that_occurs_twice_is_refused_with_the_rows(
    root: Path, add_model: Callable[..., Path], connection: duckdb.DuckDBPyConnection
) -> None:
    add_model("marts/a", "select 1 as x", "x varchar;y bigint", key="x, y")
    connection.execute("create table marts.a as select 'k' || n % 7 as x, n % 7 as y from range(14) as t(n)")
    with pytest.raises(Terminal, match=r"key \(x, y\) of marts.a is not unique") as refused:
        check_contract(connection, the_model(root))
    assert refused.value.what.count("; ") == 4
    assert ", 2)" in refused.value.what


def test_a_key_that_is_null_is_refused(
    root: Path, add_model: Callable[..., Path], connection: duckdb.DuckDBPyConnection
) -> None:
    add_model("marts/a", "select 1 as x", "x varchar;y bigint", key="x, y")
    connection.execute("create table marts.a as select 'k' as x, null::bigint as y")
    with pytest.raises(Terminal, match=r"of marts.a is null: \(k, None\)"):
        check_contract(connection, the_model(root))


def test_a_key_that_somebody_else_promises_is_not_counted(
    root: Path, add_model: Callable[..., Path], connection: duckdb.DuckDBPyConnection
) -> None:
    add_model("marts/a", "select 1 as x", "x varchar", key_promised_by="The bucket.")
    connection.execute("create table marts.a as select 'k' as x from range(2)")
    check_contract(connection, the_model(root))
