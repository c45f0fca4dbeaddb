"""Runs the checks over a built warehouse and keeps their results in it."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Gates
from pipelines.domain.deliveries import BILLS, LISTINGS, LOADS
from pipelines.domain.snapshots import CheckResult
from pipelines.gates.expectations import judge
from pipelines.gates.metrics import Measured, Number, listed, measure
from pipelines.gates.results import open_build, write_results
from pipelines.gates.suites import Check, Need, checks

_BILLED = listed(BILLS | LOADS)

CONFIGURED: dict[Need, tuple[str, str]] = {
    "bill": (
        f"exists (select 1 from raw.deliveries where table_name in ({_BILLED}) and fault is null)",
        "no bill configured",
    ),
    "inventory": (
        f"exists (select 1 from raw.deliveries where table_name in ({listed(LISTINGS)}) and fault is null)",
        "no inventory configured",
    ),
    "objects": (
        f"exists (select 1 from raw.deliveries where table_name in ({listed(LISTINGS)}) and row_count > 0)",
        "no objects are listed",
    ),
    "teams": (
        "exists (select 1 from reference.team_prefixes) or exists (select 1 from reference.team_tags)",
        "no teams configured",
    ),
}
"""What checks need: how to see that it is there, and what is said when it is not."""

_log = logging.getLogger(__name__)


def run_gates(warehouse: Path, limits: Gates, as_of: date) -> list[CheckResult]:
    """Judge a built warehouse, keep the results in `marts.quality_results`, and return them.

    Raises:
        NotFound: nothing was built there.
        Terminal: the file cannot be read or written.
    """
    with closing(open_build(warehouse, read_only=False)) as connection:
        connection.execute(f"set variable as_of = date '{as_of.isoformat()}'")
        results = _results(_measure_all(connection, checks(limits)))
        write_results(connection, results)
    failed = [result.check_id for result in results if not result.passed]
    _log.info("checked %s: %d checks, failed: %s", warehouse, len(results), ", ".join(failed) or "none")
    return results


def _measure_all(
    connection: duckdb.DuckDBPyConnection, suite: Sequence[Check]
) -> Iterator[tuple[Check, Measured | str]]:
    """Yield every check with its number, or with the reason why it is skipped."""
    missing = {need: _is_missing(connection, condition) for need, (condition, _) in CONFIGURED.items()}
    for check in suite:
        if check.needs and missing[check.needs]:
            yield check, f"skipped: {CONFIGURED[check.needs][1]}"
            continue
        measured = measure(connection, check.metric)
        if not measured:
            yield check, "skipped: nothing there to check"
        for one in measured:
            yield check, one


def _is_missing(connection: duckdb.DuckDBPyConnection, condition: str) -> bool:
    try:
        ((is_there,),) = connection.execute(f"select {condition}").fetchall()
    except duckdb.Error:
        # What cannot be seen may be there: the check runs, and says what is wrong.
        return False
    return not is_there


def _results(pairs: Iterator[tuple[Check, Measured | str]]) -> list[CheckResult]:
    all_pairs = list(pairs)
    verdicts = iter(judge([(one, check.bounds) for check, one in all_pairs if isinstance(one, Measured)]))
    return [
        _result(check, one.scope, next(verdicts), _observed(one, check.unit))
        if isinstance(one, Measured)
        else _result(check, "", True, one)
        for check, one in all_pairs
    ]


def _result(check: Check, scope: str, passed: bool, observed: str) -> CheckResult:  # noqa: FBT001
    return CheckResult(
        check.check_id, check.table, check.level, passed, observed, check.expected, check.reason, scope
    )


def _observed(measured: Measured, unit: str) -> str:
    number = "no value" if measured.number is None else _spelled(measured.number, unit)
    return f"{number} ({measured.example})" if measured.example else number


def _spelled(number: Number, unit: str) -> str:
    if unit == "%":
        return f"{100 * number:.4g}%"
    # Money keeps every digit it has: a difference of a millionth of a cent is still a lost row.
    text = f"{number.normalize():f}" if isinstance(number, Decimal) else f"{number:.6g}"
    return f"{text} {unit}".rstrip()
