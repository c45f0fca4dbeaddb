"""SQL that turns the columns a file has into the columns its raw table promises."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from pipelines.domain.quoting import quote_name
from pipelines.domain.raw_tables import RAW_TABLES, Columns
from pipelines.errors import Terminal

Present = Mapping[str, str]
"""The columns of a file: DuckDB type by name."""

_ARROW = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),
    "decimal(38,12)": pa.decimal128(38, 12),
}


def arrow_schema(table: str) -> pa.Schema:
    """Return a raw table's columns as Arrow has them."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in RAW_TABLES[table]])


def require(present: Iterable[str], required: Iterable[str], *, where: str, fix: str) -> None:
    """Check that columns are there.

    Raises:
        Terminal: some are not; the message names them.
    """
    known = {name.lower() for name in present}
    absent = [name for name in required if name.lower() not in known]
    if absent:
        raise Terminal(
            f"required columns are missing: {', '.join(absent)}",
            where=where,
            fix=fix.format(", ".join(absent)),
        )


def projection(promised: Columns, present: Present, spelled: Mapping[str, str] | None = None) -> str:
    """Return a select list of all promised columns; what the file does not have is null.

    `spelled` says how the file calls a promised column, where it differs.
    """
    by_lower = {name.lower(): (name, kind) for name, kind in present.items()}
    return ", ".join(
        f"{_expression(by_lower.get((spelled or {}).get(name, name).lower()), wanted)} as {quote_name(name)}"
        for name, wanted in promised
    )


def json_text(column: str, kind: str) -> str:
    """Return the SQL that makes JSON object text of a map, a struct, or text that should be JSON already."""
    if kind != "VARCHAR":
        return f"to_json({column})::varchar"
    # Nothing is lost and nothing breaks a query where a provider writes a map in a way of its own.
    unparsed = f"json_object('unparsed', {column})::varchar"
    return f"case when {column} is null or json_valid({column}) then {column} else {unparsed} end"


def utc(column: str, kind: str) -> str:
    """Return the SQL that makes a UTC timestamp of a time, of text, or of epoch milliseconds."""
    if kind in ("VARCHAR", "TIMESTAMP WITH TIME ZONE"):
        # Text without a zone is UTC: the session's time zone says so.
        return f"{column}::timestamptz at time zone 'UTC'"
    if kind in ("BIGINT", "INTEGER"):
        return f"make_timestamp_ms({column}::bigint)"
    return f"{column}::timestamp"


def _expression(found: tuple[str, str] | None, wanted: str) -> str:
    if found is None:
        return f"null::{wanted}"
    column, kind = quote_name(found[0]), found[1]
    if wanted == "timestamp":
        return utc(column, kind)
    if wanted != "varchar":
        return f"{column}::{wanted}"
    if kind == "BLOB":
        # Older Parquet writers leave text without its annotation.
        return f"decode({column})"
    return column if kind == "VARCHAR" else f"{column}::varchar"
