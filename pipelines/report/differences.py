"""Which figures moved between two snapshots, and by how much."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import duckdb

from pipelines.domain.snapshots import Snapshot
from pipelines.report.figures import change as relative_change
from pipelines.report.figures import money, size

Amount = int | Decimal
Amounts = dict[tuple[str, str], Amount]
"""By what it is of, and its unit."""

_COUNTED = frozenset({"bytes", "rows"})
"""Units beside currencies."""

_COST_IN_30_DAYS = """
select coalesce(nullif({column}, ''), '(nobody)'), coalesce(currency, ''), sum(effective_cost)
from marts.costs_daily
cross join reference.snapshot
where usage_date > as_of - 30 and usage_date <= as_of
group by all
"""

FIGURES: Mapping[str, str] = {
    "cost of a day": """
        select usage_date::varchar || ' ' || provider, coalesce(currency, ''), sum(effective_cost)
        from marts.costs_daily
        group by all
        """,
    "cost of a layer in 30 days": _COST_IN_30_DAYS.format(column="layer"),
    "cost of a team in 30 days": _COST_IN_30_DAYS.format(column="team"),
    "stored in a class": """
        select prefix_costs.bucket || ' ' || storage_class, 'bytes', sum(size_bytes)::bigint
        from marts.prefix_costs
        inner join (
            select bucket, max(usage_date) as last_date from marts.prefix_costs group by all
        ) as newest
            on prefix_costs.bucket = newest.bucket and usage_date = last_date
        where not is_residual
        group by all
        """,
    "hidden in a bucket": """
        select bucket || ' ' || kind, 'bytes', sum(size_bytes)::bigint from marts.hidden_bytes group by all
        """,
    "checkpoints in a state": "select state, 'rows', count(*) from marts.checkpoints group by all",
    "checkpoints of a kind": "select kind, 'rows', count(*) from marts.checkpoints group by all",
    "waste of a run in a month": """
        select bucket || '/' || run, 'USD', sum(coalesce(waste_usd_month, 0))
        from marts.checkpoint_waste
        group by all
        """,
    "failed checks": """
        select level || ' ' || check_id || coalesce(' ' || nullif(scope, ''), ''), 'rows', count(*)
        from marts.quality_results
        where not passed
        group by all
        """,
}
"""Per figure a query over one snapshot: what it is of, the unit, the amount."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One figure that is not what it was; None where a snapshot does not have it at all."""

    figure: str
    of: str
    unit: str
    """A currency, `bytes` or `rows`."""
    before: Amount | None
    after: Amount | None
    change: Decimal


@dataclass(frozen=True, slots=True)
class Differences:
    """What moved from one snapshot to another."""

    before: Snapshot
    after: Snapshot
    moved: tuple[Moved, ...]
    """By figure, the largest change first."""
    not_compared: tuple[str, ...]
    """Figures that one of them cannot tell: another version of Moraine published it."""


def compare(
    before: tuple[Snapshot, duckdb.DuckDBPyConnection], after: tuple[Snapshot, duckdb.DuckDBPyConnection]
) -> Differences:
    """Return every figure that differs between two snapshots."""
    moved = list[Moved]()
    not_compared = []
    for figure, query in FIGURES.items():
        then, now = _amounts(before[1], query), _amounts(after[1], query)
        if then is None or now is None:
            not_compared.append(figure)
        else:
            moved += sorted(_moved(figure, then, now), key=lambda one: (-abs(one.change), one.of))
    return Differences(before[0], after[0], tuple(moved), tuple(not_compared))


COLUMNS = ("figure", "of", "before", "after", "change", "")
"""Of the rows that `for_people` makes."""


def for_people(differences: Differences, most: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table for the screen: of each figure the largest changes, at most so many."""
    for figure, group in groupby(differences.moved, key=lambda one: one.figure):
        moved = list(group)
        yield from map(_row, moved[:most])
        if len(moved) > most:
            yield (figure, f"… {len(moved) - most:,} more", "", "", "", "")


def _amounts(connection: duckdb.DuckDBPyConnection, query: str) -> Amounts | None:
    try:
        rows: Iterable[tuple[object, object, Amount]] = connection.execute(query).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return {(str(of), str(unit)): amount for of, unit, amount in rows}


def _moved(figure: str, then: Amounts, now: Amounts) -> Iterator[Moved]:
    for of, unit in then.keys() | now.keys():
        before, after = then.get((of, unit)), now.get((of, unit))
        if before != after:
            yield Moved(figure, of, unit, before, after, Decimal(after or 0) - Decimal(before or 0))


def _row(moved: Moved) -> tuple[str, ...]:
    return (
        moved.figure,
        moved.of,
        _spelled(moved.before, moved.unit),
        _spelled(moved.after, moved.unit),
        _signed(moved.change, moved.unit),
        _relative(moved),
    )


def _spelled(amount: Amount | None, unit: str) -> str:
    if amount is None:
        return ""
    match unit:
        case "bytes":
            return size(int(amount))
        case "rows":
            return f"{amount:,}"
    return money(Decimal(amount), unit)


def _signed(change: Decimal, unit: str) -> str:
    if unit in _COUNTED:
        return ("-" if change < 0 else "+") + _spelled(abs(int(change)), unit)
    return money(change, unit, signed=True)


def _relative(moved: Moved) -> str:
    if moved.after is None:
        return "gone"
    return relative_change(Decimal(moved.before or 0), Decimal(moved.after))
