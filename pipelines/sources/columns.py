"""SQL that turns the columns a file has into the columns its raw table promises."""

from collections.abc import Iterable, Mapping

from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import Columns
from pipelines.errors import Damaged

Present = Mapping[str, str]
"""The columns of a file: DuckDB type by name."""


def require(present: Iterable[str], required: Iterable[str], *, where: str, fix: str) -> None:
    """Check that columns are there.

    Raises:
        Damaged: some are not; the message names them.
    """
    known = {name.lower() for name in present}
    absent = [name for name in required if name.lower() not in known]
    if absent:
        raise Damaged(
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


def of_bucket(bucket: str) -> str:
    """Return the SQL of an inventory's column `bucket`, which ends the query at a row of another bucket."""
    name = quote(bucket)
    other = "error('a row is of another bucket')"
    return f"case when bucket is null or bucket = {name} then {name} else {other} end"


def json_text(column: str, kind: str) -> str:
    """Return the SQL that makes JSON object text of a map, a struct, or text that should be JSON already."""
    if kind != "VARCHAR":
        return f"to_json({column})::varchar"
    # Nothing is lost and nothing breaks a query where a provider writes a map in a way of its own.
    unparsed = f"json_object('unparsed', {column})::varchar"
    return f"case when {column} is null or json_valid({column}) then {column} else {unparsed} end"


def utc(column: str, kind: str) -> str:
    """Return the SQL that makes a UTC timestamp of a time, of text, or of an epoch in (milli)seconds."""
    # Counting microseconds is ten times as fast as `at time zone 'UTC'`, and knows no infinity.
    if kind == "VARCHAR":
        # Text without a zone is UTC: the session's time zone says so.
        zoned = f"make_timestamp(epoch_us({column}::timestamptz))"
        return f"case when instr({column}, '-') > 1 then {zoned} else {_since_1970(column)} end"
    if kind == "TIMESTAMP WITH TIME ZONE":
        infinite = f"{column} at time zone 'UTC'"
        return f"case when isfinite({column}) then make_timestamp(epoch_us({column})) else {infinite} end"
    if kind == "TIMESTAMPTZ_NS":
        # ORC has these where its writer meant an instant.
        return f"{column}::timestamp_ns::timestamp"
    return _since_1970(column) if kind in ("BIGINT", "INTEGER") else f"{column}::timestamp"


def _since_1970(column: str) -> str:
    # As milliseconds, seconds of any year to come would lie before 1974, when no object was stored.
    number = f"{column}::bigint"
    return f"make_timestamp_ms(case when {number} < 100000000000 then {number} * 1000 else {number} end)"


def _expression(found: tuple[str, str] | None, wanted: str) -> str:
    if found is None:
        return f"null::{wanted}"
    column, kind = quote_name(found[0]), found[1]
    if wanted == "timestamp":
        return utc(column, kind)
    if wanted.startswith("decimal"):
        return _decimal(column, kind, wanted)
    if wanted != "varchar":
        return f"{column}::{wanted}"
    if kind == "BLOB":
        # Older Parquet writers leave text without its annotation.
        return f"decode({column})"
    return column if kind == "VARCHAR" else f"{column}::varchar"


def _decimal(column: str, kind: str, wanted: str) -> str:
    if kind in ("DOUBLE", "FLOAT"):
        # The shortest text of a double is the number that was meant; DuckDB would add digits of its own.
        return f"{column}::varchar::{wanted}"
    return f"nullif({column}, '')::{wanted}" if kind == "VARCHAR" else f"{column}::{wanted}"
