"""SQL for values that bills spell in many ways: amounts, times, and tags. What cannot be read is an error."""

import duckdb

from pipelines.domain.quoting import quote
from pipelines.sources.columns import json_text, utc

_TAG = '[{"key": "VARCHAR", "value": "VARCHAR"}]'
_PLAIN_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)


def amount(column: str, kind: str) -> str:
    """Return the SQL of a decimal(38,12) with the digits that were written.

    Text may be plain, in E notation, or dollars as a spreadsheet writes them: `$1,000.00 `.
    """
    if kind in ("DOUBLE", "FLOAT"):
        # A double's text is what was written; its binary tail is noise.
        return f"{column}::varchar::decimal(38,12)"
    if kind != "VARCHAR":
        return f"{column}::decimal(38,12)"
    dollars = rf"regexp_full_match({column}, '\s*-?\$\d{{1,3}}(,?\d{{3}})*(\.\d+)?\s*')"
    plain = f"case when {dollars} then translate({column}, '$, ', '') else {column} end"
    return f"coalesce(try_cast({column} as decimal(38,12)), ({plain})::decimal(38,12))"


def moment(column: str, kind: str) -> str:
    """Return the SQL of a UTC timestamp: of a time, of text, or of seconds, ms or us since 1970."""
    if kind in _PLAIN_NUMBERS or kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return _since_1970(column)
    if kind != "VARCHAR":
        return utc(column, kind)
    # DuckDB would take `4/1/25` for a day in the year 4.
    has_year = rf"regexp_matches({column}, '^\s*\d{{4}}[-/]')"
    is_number = rf"regexp_full_match({column}, '\d{{10}}(\d{{3}}){{0,2}}(\.\d+)?|\d+(\.\d+)?[eE]\+?\d+')"
    return (
        f"case when {column} is null then null "
        f"when {has_year} then {utc(column, kind)} "
        f"when {is_number} then {_since_1970(f'try_cast({column} as double)')} "
        f"else error({column} || ' is no time that can be read') end"
    )


def month_first(column: str) -> str:
    """Return the SQL of a timestamp of text that a spreadsheet may have written: `4/1/25` is 1 April."""
    forms = ", ".join(quote(f"%m/%d/{year}{time}") for time in ("", " %H:%M") for year in ("%y", "%Y"))
    return (
        f"case when contains({column}, '/') then strptime(trim({column}), [{forms}]) "
        f"else {moment(column, 'VARCHAR')} end"
    )


def tags(column: str, kind: str) -> str:
    """Return the SQL of JSON object text: of a map, a struct, a list of keys with values, or JSON of either.

    No tags are null. What is none of these is kept as `{"unparsed": …}`.
    """
    if kind == "VARCHAR":
        is_list = f"starts_with(ltrim({column}), '[') and json_valid({column})"
        listed = _object(f"from_json({column}, {quote(_TAG)})")
        return f"case when {is_list} then {listed} else nullif({json_text(column, kind)}, '{{}}') end"
    listed_here = entries(column, kind)
    if listed_here and {"key", "value"} <= set(listed_here[1]):
        return _object(listed_here[0])
    if kind.endswith("[]"):
        return f"case when len({column}) > 0 then json_object('unparsed', {column})::varchar end"
    return f"nullif({json_text(column, kind)}, '{{}}')"


def entries(column: str, kind: str) -> tuple[str, dict[str, str]] | None:
    """Return the SQL of a list of structs, with the types of their fields; None where the type is none.

    Parquet writers put lists as they are, or as a struct with the one field `list` of structs `element`.
    """
    fields = fields_of(kind)
    if set(fields) == {"list"}:
        inner = _element(fields["list"])
        if inner and set(inner) == {"element"}:
            listed = f"struct_extract({column}, 'list')"
            unwrapped = f"list_transform({listed}, lambda entry: struct_extract(entry, 'element'))"
            return unwrapped, fields_of(inner["element"])
    element = _element(kind)
    return (column, element) if element else None


def fields_of(kind: str) -> dict[str, str]:
    """Return the fields of a struct, type by name; a type that is no struct has none."""
    if not kind.startswith("STRUCT("):
        return {}
    shape = duckdb.sqltype(kind)
    return {str(name): str(child) for name, child in shape.children} if shape.id == "struct" else {}


def _element(kind: str) -> dict[str, str]:
    return fields_of(kind.removesuffix("[]")) if kind.endswith("[]") else {}


def _object(listed: str) -> str:
    one = (
        "to_json(struct_extract(entry, 'key'))::varchar || ':' || "
        "coalesce(to_json(struct_extract(entry, 'value'))::varchar, 'null')"
    )
    return (
        f"nullif('{{' || array_to_string(list_transform({listed}, lambda entry: {one}), ',') || '}}', '{{}}')"
    )


def _since_1970(number: str) -> str:
    # Any moment since 2001 has ten digits in seconds, thirteen in milliseconds, sixteen in microseconds.
    scale = f"case when {number} >= 1e15 then 1 when {number} >= 1e12 then 1000 else 1000000 end"
    return f"make_timestamp(({number}::double * {scale})::bigint)"
