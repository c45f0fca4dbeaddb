"""Landed files and kept facts as tables."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.deliveries import Landed, Rejected
from pipelines.domain.pins import Pin
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.domain.teams import AccountOwner, PrefixOwner, SharedCost, SharedMatch, Teams
from pipelines.errors import Terminal
from pipelines.reference.price_files import parse_prices
from pipelines.warehouse.build import SCHEMAS
from pipelines.warehouse.inputs import ConfiguredSource, Inputs, given_tables, load_inputs, load_reference

DAY = date(2026, 11, 20)
OWN_PRICES = """
provider: aws
region_id: us-east-1
sources: {contract: {title: Our agreement, url: "https://example.com/agreement", as_of: "2026-10"}}
prices:
  - {storage_class: STANDARD, meter: storage, unit: gb-month, usd: "0.018", valid_from: 2026-01-01,
     source: contract}
"""
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


def test_pins_are_places(connection: duckdb.DuckDBPyConnection) -> None:
    pins = (Pin(match="s3://b/it's/", because="a 'paper'"), Pin(match="gs://b/", because="x", until=DAY))
    load_reference(connection, Teams(), pins=pins)
    rows = connection.execute("select place, until, because from reference.pins order by all").fetchall()
    assert rows == [("gs://b", DAY, "x"), ("s3://b/it's", None, "a 'paper'")]


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


def test_lists_that_landed_before_small_objects_were_counted_still_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = "s3_inventory_directories"
    columns = dict(RAW_TABLES[table])
    given = {"bucket": "'b'", "small_object_count": "3"}
    now = ", ".join(f"{given.get(name, 'null')}::{kind} as {name}" for name, kind in columns.items())
    before = f"select * exclude (small_object_count, small_object_bytes) from (select {now})"
    paths = (landed(tmp_path / "delivery=1", before), landed(tmp_path / "delivery=2", f"select {now}"))
    for files in (paths, paths[:1], paths[::-1]):
        load_inputs(connection, Inputs(files={table: files}))
        rows = connection.execute(
            "select bucket, small_object_count, landed_file, landed_row "
            f"from raw.{table} order by landed_file"
        ).fetchall()
        expected = [("b", count, str(path), 0) for count, path in zip((None, 3), paths, strict=True)]
        assert rows == [row for row in expected if row[2] in map(str, files)]


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
        '$."costcenter"',
        '$."user_costcenter"',
        '$."user:costcenter"',
        '$."user_cost_center"',
    ]


def test_of_several_tags_the_first_is_asked_first(connection: duckdb.DuckDBPyConnection) -> None:
    load_inputs(connection, Inputs(teams=Teams(by_tag=("Team", "squad"))))
    paths = connection.execute("select json_path from reference.team_tags order by position").fetchall()
    assert [path for (path,) in paths][::3] == ['$."team"', '$."squad"']


def test_accounts_names_and_shares_become_tables(connection: duckdb.DuckDBPyConnection) -> None:
    teams = Teams(
        by_account=(AccountOwner(account="0123", team="NLP"),),
        shared=(
            SharedCost(
                match=SharedMatch(tag="Scope=Shared"),
                split="fixed",
                weights={"NLP": Decimal(3), "ops": Decimal(1)},
            ),
            SharedCost(match=SharedMatch(service="AmazonEKS"), split="even", teams=("ops",)),
        ),
    )
    load_inputs(connection, Inputs(teams=teams))
    assert connection.execute("from reference.team_accounts").fetchall() == [("0123", "NLP")]
    assert connection.execute("from reference.team_names").fetchall() == [("nlp", "NLP"), ("ops", "ops")]
    rules = connection.execute(
        "select position, service, json_path, tag_value, split from reference.shared_costs"
    )
    assert rules.fetchall() == [
        (1, "", '$."scope"', "shared", "fixed"),
        (1, "", '$."user_scope"', "shared", "fixed"),
        (1, "", '$."user:scope"', "shared", "fixed"),
        (2, "AmazonEKS", "", "", "even"),
    ]
    weights = connection.execute(
        "select position, team, weight::int from reference.shared_weights"
    ).fetchall()
    assert weights == [(1, "NLP", 3), (1, "ops", 1), (2, "ops", 1)]


def test_every_reference_table_says_what_a_row_is(connection: duckdb.DuckDBPyConnection) -> None:
    load_reference(connection, Teams())
    silent = "select table_name from duckdb_tables() where schema_name = 'reference' and comment is null"
    assert connection.execute(silent).fetchall() == []


def test_own_prices_take_the_place_of_the_list(connection: duckdb.DuckDBPyConnection) -> None:
    own = parse_prices(OWN_PRICES, origin="ours.yaml")
    load_inputs(connection, Inputs(prices=(own,)))
    found = connection.execute(
        "select from_gb, usd, confirmed from reference.prices where provider = 'aws'"
        " and region_id = 'us-east-1' and storage_class = 'STANDARD' and meter = 'storage'"
    ).fetchall()
    assert found == [(0, Decimal("0.018"), True)]
    commented = connection.execute(
        "select comment from duckdb_tables() where schema_name = 'reference' and table_name = 'prices'"
    ).fetchall()
    assert commented[0][0]
