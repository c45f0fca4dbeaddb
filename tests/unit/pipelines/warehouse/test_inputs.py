"""Landed files and kept facts as tables."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import PrefixOwner, Teams
from pipelines.domain.deliveries import Landed, Rejected
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.errors import Terminal
from pipelines.warehouse.build import SCHEMAS
from pipelines.warehouse.inputs import ConfiguredSource, Inputs, given_tables, load_inputs, load_reference

VERSIONS = ", ".join(f"null::{kind} as {name}" for name, kind in RAW_TABLES["mlflow_versions"])


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for schema in SCHEMAS:
            opened.execute(f"create schema {schema}")
        yield opened


def landed(folder: Path, query: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "part-00000.parquet"
    with duckdb.connect() as writer:
        writer.execute(f"copy ({query}) to '{path}' (format parquet)")
    return path


def test_a_table_without_files_is_there_and_empty(connection: duckdb.DuckDBPyConnection) -> None:
    load_inputs(connection, Inputs())
    for table, columns in given_tables().items():
        described = connection.execute(f"describe {table}").fetchall()
        assert [(name, kind.lower()) for name, kind, *_ in described] == list(columns)


def test_folders_called_like_columns_do_not_replace_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    query = f"select * replace ('s3://b/run' as source, 'chat' as name) from (select {VERSIONS})"
    path = landed(tmp_path / "[lake]*?" / "source=registry" / "delivery=1", query)
    load_inputs(connection, Inputs(files={"mlflow_versions": (path,)}))
    rows = connection.execute("select name, source, landed_file, landed_row from raw.mlflow_versions")
    assert rows.fetchall() == [("chat", "s3://b/run", str(path), 0)]


@pytest.mark.parametrize(
    "query, problem",
    [
        pytest.param(
            f"select * replace (1::bigint as name) from (select {VERSIONS})", "name is bigint", id="type"
        ),
        pytest.param("select 'x' as name", "version", id="column-is-missing"),
    ],
)
def test_files_of_another_form_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, query: str, problem: str
) -> None:
    path = landed(tmp_path / "delivery=1", query)
    with pytest.raises(Terminal, match=r"landed files of raw\.mlflow_versions") as refused:
        load_inputs(connection, Inputs(files={"mlflow_versions": (path,)}))
    assert problem in refused.value.what


def test_a_raw_table_that_nobody_knows_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Terminal, match="no raw table 'azure'"):
        load_inputs(connection, Inputs(files={"azure": ()}))


def test_the_ledger_becomes_a_table(connection: duckdb.DuckDBPyConnection) -> None:
    noon = datetime(2026, 1, 31, 12)
    entry = Landed("bill", "focus", "focus", "d-1", noon, "2026-01", "abc", row_count=2, byte_count=9)
    load_inputs(connection, Inputs(ledger=(entry,)))
    rows = connection.execute("select source, table_name, delivered_at, row_count from raw.deliveries")
    assert rows.fetchall() == [("bill", "focus", noon, 2)]


def test_what_is_damaged_stands_in_the_ledger_with_its_reason(connection: duckdb.DuckDBPyConnection) -> None:
    noon = datetime(2026, 1, 31, 12)
    entry = Rejected(
        "bill", "focus", "focus", "d-2", "2026-01", noon, "abc", "it is cut", "s3://b/x", "Copy it."
    )
    load_inputs(connection, Inputs(quarantined=(entry,)))
    rows = connection.execute("select delivery_id, row_count, fault, fix from raw.deliveries")
    assert rows.fetchall() == [("d-2", 0, "it is cut (s3://b/x)", "Copy it.")]


def test_sources_become_a_table(connection: duckdb.DuckDBPyConnection) -> None:
    load_inputs(connection, Inputs(sources=(ConfiguredSource("bill", "focus", has_landed=False),)))
    assert connection.execute("from reference.sources").fetchall() == [("bill", "focus", False)]


def test_owners_become_tables(connection: duckdb.DuckDBPyConnection) -> None:
    teams = Teams(by_prefix=(PrefixOwner(match="s3://b/a'b/", team="nlp"),), by_tag="team")
    load_inputs(connection, Inputs(teams=teams))
    assert connection.execute("from reference.team_prefixes").fetchall() == [("b", "a'b/", "nlp")]
    paths = connection.execute("select json_path from reference.team_tags order by position").fetchall()
    assert paths == [('$."team"',), ('$."user_team"',), ('$."user:team"',)]


def test_a_tag_is_looked_for_as_people_and_as_aws_spell_it(connection: duckdb.DuckDBPyConnection) -> None:
    load_inputs(connection, Inputs(teams=Teams(by_tag="costCenter")))
    paths = connection.execute("select json_path from reference.team_tags order by position").fetchall()
    assert [path for (path,) in paths] == [
        '$."costCenter"',
        '$."user_costCenter"',
        '$."user:costCenter"',
        '$."user_cost_center"',
    ]


def test_every_reference_table_says_what_a_row_is(connection: duckdb.DuckDBPyConnection) -> None:
    load_reference(connection, Teams())
    silent = "select table_name from duckdb_tables() where schema_name = 'reference' and comment is null"
    assert connection.execute(silent).fetchall() == []
