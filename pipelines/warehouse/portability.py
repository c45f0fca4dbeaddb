"""Keeps the models to SQL that gives the same answer on DuckDB and, transpiled by sqlglot, on Spark.

What is refused either fails on Spark or, worse, means something else there without a word.
"""

from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp

_FUNCTIONS = {
    "quantile_cont": "percentiles are approximate or missing elsewhere",
    "quantile_disc": "percentiles are approximate or missing elsewhere",
    "percentile_cont": "becomes an approximation",
    "percentile_disc": "becomes an approximation",
    "glob": "write starts_with or regexp_matches",
}


def unportable(sql: str) -> list[str]:
    """Return what keeps a query from running alike on both engines, one reason each."""
    query = sqlglot.parse_one(sql, dialect="duckdb")
    reasons = [reason for node in query.walk() for rule in _RULES for reason in rule(node)]
    try:
        sqlglot.transpile(sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        reasons.append(f"does not transpile: {str(error).splitlines()[0]}")
    return reasons


def _like(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, (exp.Like, exp.ILike, exp.Glob, exp.SimilarTo)):
        yield "like: _ and % are ordinary characters of keys; write starts_with or regexp_matches"


def _functions(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.Func):
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        if name in _FUNCTIONS:
            yield f"{name}: {_FUNCTIONS[name]}"


def _shapes(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.Pivot):
        yield "pivot: not read by the other engine"
    if isinstance(node, exp.Join) and node.args.get("method", "").upper() == "ASOF":
        yield "asof join: not known elsewhere; join on a range"


def _named_groups(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.RegexpExtract) and isinstance(node.args.get("group"), exp.Array):
        yield "regexp_extract with named groups: gives a struct here and an error there"


def _lengths(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.Length) and isinstance(node.this, (exp.Array, exp.ArrayAgg, exp.Split)):
        yield "len of a list: write array_length(list)"


def _date_diffs(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.DateDiff) and not all(_is_date(side) for side in (node.this, node.expression)):
        yield "date_diff: counts borders here and elapsed units there; give it dates, or subtract epochs"


def _is_date(node: exp.Expression) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type("date"))
    return isinstance(node, exp.Column) and node.name.endswith("_date")


def _distinct_lists(node: exp.Expression) -> Iterator[str]:
    if isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Distinct):
        yield "list(distinct …): keeps nulls here and drops them there; filter them in a step before"


_RULES: tuple[Callable[[exp.Expression], Iterator[str]], ...] = (
    _like,
    _functions,
    _shapes,
    _named_groups,
    _lengths,
    _date_diffs,
    _distinct_lists,
)
