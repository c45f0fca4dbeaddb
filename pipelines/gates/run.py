"""Runs the checks over a built warehouse and keeps their results in it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine, Gates
from pipelines.domain.deliveries import BILLS, LISTINGS, LOADS
from pipelines.domain.quoting import quote
from pipelines.domain.snapshots import CheckResult
from pipelines.gates.check import Bounds, Check, Need, listed
from pipelines.gates.expectations import Judged, judge
from pipelines.gates.metrics import Measured, Number, measure, offenders, share, unmeasured
from pipelines.gates.results import open_build, write_results
from pipelines.gates.suites import checks

_BILLED = listed(BILLS | LOADS)
_LISTED = listed(LISTINGS)


def _delivered(condition: str) -> str:
    return f"exists (select 1 from raw.deliveries where fault is null and {condition})"


_OWNERS = ("team_prefixes", "team_tags", "team_accounts", "shared_costs")

CONFIGURED: Mapping[Need, tuple[str, str]] = {
    "bill": (_delivered(f"table_name in ({_BILLED})"), "no bill configured"),
    "inventory": (_delivered(f"table_name in ({_LISTED})"), "no inventory configured"),
    "objects": (_delivered(f"table_name in ({_LISTED}) and row_count > 0"), "no objects are listed"),
    "uploads": (_delivered("table_name = 's3_uploads'"), "no unfinished uploads are asked for"),
    "states": (_delivered("table_name = 'checkpoint_states'"), "no small files of checkpoints are read"),
    "registry": (
        "exists (select 1 from reference.sources where kind = 'mlflow')",
        "no model registry configured",
    ),
    "teams": (
        " or ".join(f"exists (select 1 from reference.{table})" for table in _OWNERS),
        "no teams configured",
    ),
    "previous": (
        "exists (select 1 from duckdb_databases() where database_name = 'previous')",
        "nothing was published before",
    ),
}
"""What checks need: how to see that it is there, and what is said when it is not."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Bench:
    """The connection that checks are measured on, and what went wrong while it was set up."""

    connection: duckdb.DuckDBPyConnection
    previous_fault: str = ""
    shared: dict[str, str] = field(default_factory=dict)
    """Faults by what is shared, of what was made so far."""

    def fault(self, check: Check) -> str:
        """Return why the check cannot be measured, or nothing."""
        if check.needs == "previous" and self.previous_fault:
            return self.previous_fault
        if check.reads is None:
            return ""
        if check.reads.name not in self.shared:
            self.shared[check.reads.name] = share(self.connection, check.reads)
        return self.shared[check.reads.name]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A check at one scope: its number and whether that lies within the bounds, or why it was skipped."""

    check: Check
    measured: Measured | None
    skipped: str = ""
    passed: bool = True
    is_far: bool = False
    """The number lies outside the bounds that block."""

    @property
    def scope(self) -> str:
        return self.measured.scope if self.measured else ""


def run_gates(
    warehouse: Path,
    limits: Gates,
    as_of: date,
    *,
    engine: Engine | None = None,
    previous: Path | None = None,
    data_docs: Path | None = None,
) -> list[CheckResult]:
    """Judge a built warehouse, keep the results in `marts.quality_results`, and return them.

    `engine` says how much of the machine may be used. `previous` is the DuckDB file of the last published
    snapshot; without it, what compares with it is skipped. `data_docs` is a directory for Great
    Expectations' own pages.

    Raises:
        NotFound: nothing was built there.
        Terminal: the file cannot be read or written.
    """
    with closing(open_build(warehouse, read_only=False)) as connection:
        _keep_to(connection, engine or Engine(temp_directory=f"{warehouse}.spill"))
        connection.execute(f"set variable as_of = date '{as_of.isoformat()}'")
        bench = _Bench(connection, _attach(connection, previous))
        outcomes = _judged(list(_measure_all(bench, checks(limits))), data_docs)
        results = list(map(partial(_result, connection, _all_failed(outcomes)), outcomes))
        write_results(connection, results)
    failed = [result.check_id for result in results if not result.passed]
    _log.info("checked %s: %d checks, failed: %s", warehouse, len(results), ", ".join(failed) or "none")
    return results


def _keep_to(connection: duckdb.DuckDBPyConnection, engine: Engine) -> None:
    connection.execute(f"set memory_limit = {quote(engine.memory_limit)}")
    connection.execute(f"set threads = {engine.threads:d}")
    connection.execute(f"set temp_directory = {quote(engine.temp_directory)}")


def _attach(connection: duckdb.DuckDBPyConnection, previous: Path | None) -> str:
    if previous is None:
        return ""
    try:
        connection.execute(f"attach {quote(str(previous))} as previous (read_only)")
    except duckdb.Error as error:
        return f"the last snapshot cannot be read: {str(error).splitlines()[0]}"
    return ""


def _measure_all(bench: _Bench, suite: Sequence[Check]) -> Iterator[_Outcome]:
    missing = {need: _is_missing(bench.connection, condition) for need, (condition, _) in CONFIGURED.items()}
    for check in suite:
        fault = bench.fault(check)
        if fault:
            yield _Outcome(check, unmeasured(check, fault))
        elif check.needs and missing[check.needs]:
            yield _Outcome(check, None, f"skipped: {CONFIGURED[check.needs][1]}")
        else:
            found = measure(bench.connection, check)
            yield from (_Outcome(check, one) for one in found)
            if not found:
                yield _Outcome(check, None, "skipped: nothing there to check")


def _is_missing(connection: duckdb.DuckDBPyConnection, condition: str) -> bool:
    try:
        ((is_there,),) = connection.execute(f"select {condition}").fetchall()
    except duckdb.Error:
        # What cannot be seen may be there: the check runs, and says what is wrong.
        return False
    return not is_there


def _judged(outcomes: Sequence[_Outcome], data_docs: Path | None) -> list[_Outcome]:
    """Let Great Expectations say of each number whether it lies within its bounds."""
    numbers = [
        Judged(one.check, one.measured, bounds)
        for one in outcomes
        if one.measured
        for bounds in _bounds(one.check)
    ]
    verdicts = iter(judge(numbers, data_docs))
    return [_with_verdict(one, verdicts) if one.measured else one for one in outcomes]


def _bounds(check: Check) -> tuple[Bounds, ...]:
    """Return what the number is held to, the narrower first."""
    return (check.warns_beyond, check.bounds) if check.warns_beyond else (check.bounds,)


def _with_verdict(outcome: _Outcome, verdicts: Iterator[bool]) -> _Outcome:
    mine = [next(verdicts) for _ in _bounds(outcome.check)]
    return replace(outcome, passed=mine[0], is_far=not mine[-1])


def _all_failed(outcomes: Sequence[_Outcome]) -> frozenset[str]:
    """Return the checks that no bucket passes."""
    passed = {one.check.check_id for one in outcomes if one.passed}
    return frozenset(one.check.check_id for one in outcomes if one.check.check_id not in passed)


def _result(
    connection: duckdb.DuckDBPyConnection, all_failed: frozenset[str], outcome: _Outcome
) -> CheckResult:
    check = outcome.check
    return CheckResult(
        check_id=check.check_id,
        table_name=check.table,
        level=_level(outcome, is_everywhere=check.check_id in all_failed),
        passed=outcome.passed,
        observed=_observed(outcome.measured, check.unit) if outcome.measured else outcome.skipped,
        expected=check.expected,
        reason=check.reason,
        scope=outcome.scope,
        excludes=check.excludes,
        offenders=() if outcome.passed else offenders(connection, check, outcome.scope),
    )


def _level(outcome: _Outcome, *, is_everywhere: bool) -> str:
    check = outcome.check
    if outcome.passed:
        return check.level
    # One bucket that fails is left out of the clean-up; when all do, the rest is nothing to publish.
    is_spared = check.excludes and not is_everywhere
    return "warn" if is_spared or not outcome.is_far else check.level


def _observed(measured: Measured, unit: str) -> str:
    number = "no value" if measured.number is None else _spelled(measured.number, unit)
    return f"{number} ({measured.example})" if measured.example else number


def _spelled(number: Number, unit: str) -> str:
    if unit == "%":
        return f"{100 * number:.4g}%"
    if unit == "times":
        return f"{number:.4g} times"
    # Money keeps every digit it has: a difference of a millionth of a cent is still a lost row.
    text = f"{number.normalize():f}" if isinstance(number, Decimal) else f"{number:.6g}"
    return f"{text} {unit}".rstrip()
