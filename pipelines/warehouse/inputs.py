"""What a build starts from, put into the schemas `raw` and `reference`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pipelines.domain.clean_ups import CleanUp
from pipelines.domain.deliveries import Landed, Rejected
from pipelines.domain.pins import Pin
from pipelines.domain.quoting import quote, quote_name, quote_table
from pipelines.domain.raw_tables import (
    ADDED_COLUMNS,
    CLEAN_UPS,
    DELIVERIES,
    LANDED_AT,
    RAW_TABLES,
    Columns,
)
from pipelines.domain.teams import Teams
from pipelines.errors import Terminal
from pipelines.reference import reference_tables
from pipelines.reference.column_meanings import column_meaning
from pipelines.reference.price_list import PriceList, price_tables
from pipelines.reference.tables import MEANINGS
from pipelines.warehouse.owners import OWNER_TABLES, owner_rows

PINS: Columns = (("place", "varchar"), ("until", "date"), ("because", "varchar"))
SOURCES: Columns = (("source", "varchar"), ("kind", "varchar"), ("has_landed", "boolean"))


@dataclass(frozen=True, slots=True)
class ConfiguredSource:
    """One source of `moraine.yaml`."""

    name: str
    kind: str
    has_landed: bool
    """Something of it is in the lake, of whatever day."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything a build reads, already on this machine."""

    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """Parquet files by raw table. A table without files is there all the same, and empty."""
    ledger: Sequence[Landed] = ()
    """The deliveries that are whole in the lake."""
    quarantined: Sequence[Rejected] = ()
    """The deliveries that are damaged."""
    sources: Sequence[ConfiguredSource] = ()
    """What `moraine.yaml` says to read."""
    teams: Teams = field(default_factory=Teams)
    """Who owns what."""
    pins: Sequence[Pin] = ()
    """What people want kept."""
    prices: Sequence[PriceList] = ()
    """A company's own price files, in the order of `moraine.yaml`."""
    clean_ups: Sequence[CleanUp] = ()
    """What became of every plan that was carried out."""


def given_tables() -> Mapping[str, Columns]:
    """Return the columns of every table that no model makes, by qualified name."""
    raw = {f"raw.{name}": (*columns, *LANDED_AT) for name, columns in RAW_TABLES.items()}
    kept = {f"reference.{table.name}": table.columns for table in reference_tables()}
    owned = {f"reference.{name}": columns for name, columns in OWNER_TABLES.items()}
    settings = {"reference.sources": SOURCES, "reference.pins": PINS, **owned}
    return {**raw, "raw.deliveries": DELIVERIES, "raw.clean_ups": CLEAN_UPS, **kept, **settings}


def load_inputs(connection: duckdb.DuckDBPyConnection, inputs: Inputs) -> None:
    """Make the tables and views of `raw` and `reference`.

    Raises:
        Terminal: a landed file is not what its table promises.
    """
    unknown = sorted(set(inputs.files) - set(RAW_TABLES))
    if unknown:
        raise Terminal(
            f"there is no raw table {unknown[0]!r}",
            where="inputs of the build",
            fix=f"Land it as one of {', '.join(sorted(RAW_TABLES))}.",
        )
    for name in RAW_TABLES:
        _load_raw(connection, name, inputs.files.get(name, ()))
    entries = [*map(_ledger_row, inputs.ledger), *map(_quarantine_row, inputs.quarantined)]
    fill_table(connection, "raw.deliveries", DELIVERIES, entries)
    changes = [row for clean_up in inputs.clean_ups for row in clean_up.rows()]
    fill_table(connection, "raw.clean_ups", CLEAN_UPS, changes)
    load_reference(connection, inputs.teams, inputs.sources, inputs.prices, inputs.pins)


def load_reference(
    connection: duckdb.DuckDBPyConnection,
    teams: Teams,
    sources: Iterable[ConfiguredSource] = (),
    prices: Sequence[PriceList] = (),
    pins: Sequence[Pin] = (),
) -> None:
    """Make the tables of `reference`: facts kept by hand, and what `moraine.yaml` says."""
    own = {table.name: table for table in price_tables(prices)} if prices else {}
    for table in (own.get(kept.name, kept) for kept in reference_tables()):
        fill_table(connection, f"reference.{table.name}", table.columns, table.rows)
    configured = [(source.name, source.kind, source.has_landed) for source in sources]
    fill_table(connection, "reference.sources", SOURCES, configured)
    pinned = [(pin.claim.place, pin.until, pin.because) for pin in pins]
    fill_table(connection, "reference.pins", PINS, pinned)
    for name, rows in owner_rows(teams).items():
        fill_table(connection, f"reference.{name}", OWNER_TABLES[name], rows)
    _comment(connection)


def _comment(connection: duckdb.DuckDBPyConnection) -> None:
    for name, meaning in MEANINGS.items():
        connection.execute(f"comment on table {quote_table('reference.' + name)} is {quote(meaning)}")
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'reference'"
    ).fetchall()
    for name, column in columns:
        place = f"{quote_table('reference.' + name)}.{quote_name(column)}"
        connection.execute(f"comment on column {place} is {quote(column_meaning(name, column))}")


def make_table(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    """Make an empty table with these columns."""
    spelled = ", ".join(f"{quote_name(name)} {kind}" for name, kind in columns)
    connection.execute(f"create or replace table {quote_table(table)} ({spelled})")


def fill_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Columns,
    rows: Iterable[Sequence[object]],
) -> None:
    """Make a table with these columns and rows."""
    make_table(connection, table, columns)
    given = [dict(zip((name for name, _ in columns), map(_as_text, row), strict=True)) for row in rows]
    if given:
        # One value to bind: thousands of them take DuckDB longer than the whole rest of an empty build.
        form = json.dumps([{name: "VARCHAR" for name, _ in columns}])
        values = ", ".join(f"cast(row.{quote_name(name)} as {kind})" for name, kind in columns)
        connection.execute(
            f"insert into {quote_table(table)} "
            f"select {values} from (select unnest(from_json(?::json, {quote(form)})) as row)",
            [json.dumps(given)],
        )


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def _load_raw(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path]) -> None:
    promised = RAW_TABLES[name]
    if not files:
        make_table(connection, f"raw.{name}", (*promised, *LANDED_AT))
        return
    selected = ", ".join(quote_name(column) for column, _ in promised)
    try:
        connection.execute(
            f"create or replace view {quote_table('raw.' + name)} as "
            f"select {selected}, filename as landed_file, file_row_number as landed_row "
            f"from {_landed(name, files)}"
        )
        described = connection.execute(f"describe {quote_table('raw.' + name)}").fetchall()
    except duckdb.Error as error:
        raise _wrong_files(name, str(error).splitlines()[0]) from None
    made = tuple((str(column), str(kind).lower()) for column, kind, *_ in described)
    for is_there, wanted in zip(made, promised, strict=False):
        if is_there != wanted:
            raise _wrong_files(name, f"column {is_there[0]} is {is_there[1]}, promised is {wanted[1]}")


def _landed(name: str, files: Sequence[Path]) -> str:
    added = ADDED_COLUMNS.get(name, frozenset())
    listed = ", ".join(quote(_exactly(path)) for path in files)
    # Folders of the lake are called source=… and delivery=…; they are no columns of the data.
    read = f"read_parquet([{listed}], union_by_name = {bool(added)}, hive_partitioning = false)"
    if not added:
        return read
    columns = [(column, kind) for column, kind in RAW_TABLES[name] if column in added]
    missing = ", ".join(f"null::{kind} as {quote_name(column)}" for column, kind in columns)
    return f"(select {missing} where false union all by name select *, filename, file_row_number from {read})"


def _exactly(path: Path) -> str:
    # DuckDB reads a list of patterns: a bracket in a folder's name would start a set of characters.
    return str(path).translate({ord(mark): f"[{mark}]" for mark in "[*?"})


def _wrong_files(name: str, problem: str) -> Terminal:
    return Terminal(
        f"the landed files of raw.{name} are not what the table promises: {problem}",
        where=f"raw/{name}/ in the lake",
        fix="Remove the delivery's folder there and ingest it again with this version.",
    )


def _ledger_row(entry: Landed) -> tuple[object, ...]:
    return (
        entry.source,
        entry.kind,
        entry.table,
        entry.delivery_id,
        entry.scope,
        entry.delivered_at,
        entry.snapshot_at,
        entry.row_count,
        entry.byte_count,
        entry.checksum,
        None,
        None,
    )


def _quarantine_row(entry: Rejected) -> tuple[object, ...]:
    return (
        entry.source,
        entry.kind,
        entry.table,
        entry.delivery_id,
        entry.scope,
        entry.delivered_at,
        None,
        0,
        0,
        entry.checksum,
        f"{entry.reason} ({entry.where})",
        entry.fix,
    )
