"""`make bench`: CPU seconds and memory of landing and building, each against a floor of the same run.

    python -m tests.bench [--rows 1000000] [--repeats 3] [--part-rows 2500000] [--cases land_csv copy_csv ...]

CPU time (user and system) of whole processes, medians: the machine may be busy. Ratios are what to quote.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

MOST_PART_ROWS = 2_500_000
HOMES = {
    "tests.bench.floors": (
        "scan_keys",
        "copy_parquet",
        "copy_csv",
        "convert_csv",
        "scan_landed",
        "one_table",
        "scan_hourly",
        "scan_random",
    ),
    "tests.bench.landing": ("land_parquet", "land_csv"),
    "tests.bench.building": ("build", "gates"),
    "tests.bench.checkpoints": ("checkpoints", "land_unsplit"),
    "tests.bench.pandas_checkpoints": ("pandas_checkpoints", "pandas_one_layout"),
    "tests.bench.costs": ("build_hourly", "build_daily_hourly", "build_random"),
    "tests.bench.pandas_costs": ("pandas_hourly",),
}
"""The cases by the module that runs them. None is imported here: to the system, what this process once held
is part of the largest memory of each process that it starts."""

ALL = (
    "scan_keys",
    "copy_parquet",
    "land_parquet",
    "copy_csv",
    "convert_csv",
    "land_csv",
    "build",
    "scan_landed",
    "one_table",
    "checkpoints",
    "land_unsplit",
    "pandas_checkpoints",
    "pandas_one_layout",
    "gates",
    "scan_hourly",
    "build_hourly",
    "build_daily_hourly",
    "pandas_hourly",
    "scan_random",
    "build_random",
)
SHAPES = ("hourly", "random")
AGAINST = {
    "land_parquet": "copy_parquet",
    "land_csv": "copy_csv",
    "build": "scan_keys",
    "one_table": "scan_landed",
    "checkpoints": "scan_landed",
    "land_unsplit": "scan_keys",
    "pandas_checkpoints": "checkpoints",
    "pandas_one_layout": "checkpoints",
    "gates": "build",
    "build_hourly": "scan_hourly",
    "build_daily_hourly": "scan_hourly",
    "pandas_hourly": "build_daily_hourly",
    "build_random": "scan_random",
}
LAKES = {"land_unsplit": "parquet"}
ONCE = ("pandas_hourly", "pandas_checkpoints", "pandas_one_layout")
"""Cases that are far too slow to be run again and again."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One case: median CPU seconds, largest resident memory, and what it answered."""

    cpu_seconds: float
    resident_mib: float
    answer: str


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-limit", default="768MB", help="of DuckDB, but for `build` and `gates`")
    parser.add_argument("--part-rows", type=int, default=MOST_PART_ROWS, help="of one data file, at most")
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=ALL,
        default=ALL,
        help="`build` and `checkpoints` need `land_parquet`, `gates` needs `build`",
    )
    arguments = parser.parse_args()
    os.environ["BENCH_MEMORY_LIMIT"] = arguments.memory_limit
    with tempfile.TemporaryDirectory(prefix="moraine-bench-") as directory:
        work = Path(directory)
        _write_inputs(work, arguments)
        measured = _in_turn(arguments.cases, work, arguments.repeats)
    _show(measured, arguments.rows)


def _write_inputs(work: Path, arguments: argparse.Namespace) -> None:
    rows = str(arguments.rows)
    for file_format in ("Parquet", "CSV"):
        if any(_needs(case, file_format) for case in arguments.cases):
            home = str(work / file_format.lower())
            _run_module("tests.bench.inventories", home, rows, file_format, str(arguments.part_rows))
    for shape in SHAPES:
        if any(case.endswith(shape) for case in arguments.cases):
            _run_module("tests.bench.bills", str(work / f"bill-{shape}.parquet"), rows, shape)


def _run_module(name: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", name, *words], check=True)


def _needs(case: str, file_format: str) -> bool:
    return not case.endswith(SHAPES) and case.endswith("csv") == (file_format == "CSV")


def _in_turn(cases: Sequence[str], work: Path, repeats: int) -> dict[str, Measured]:
    # A case and its floor run close to each other: what else the machine does changes from minute to minute.
    runs: dict[str, list[Measured]] = {name: [] for name in cases}
    for repeat in range(repeats):
        for name in cases:
            if not (repeat and name in ONCE):
                runs[name].append(_run(name, work))
    return {name: _median(name, runs[name]) for name in cases}


def _median(name: str, runs: list[Measured]) -> Measured:
    answers = {run.answer for run in runs}
    if len(answers) != 1:
        raise SystemExit(f"{name} answered differently each time: {sorted(answers)}")
    cpu = statistics.median(run.cpu_seconds for run in runs)
    return Measured(cpu, max(run.resident_mib for run in runs), answers.pop())


def _run(name: str, work: Path) -> Measured:
    if name.startswith("land_"):
        shutil.rmtree(work / f"lake-{LAKES.get(name, name.removeprefix('land_'))}", ignore_errors=True)
    home = next(module for module, cases in HOMES.items() if name in cases)
    words = [sys.executable, "-m", home, name, str(work)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        answer = process.stdout.read().strip() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _asked(answer))


def _asked(answer: str) -> str:
    # A case of costs answers with the file that it made. To hash its rows takes a second of its own.
    if not answer.endswith(".duckdb"):
        return answer
    words = [sys.executable, "-m", "tests.bench.compared", answer]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def _show(measured: dict[str, Measured], rows: int) -> None:
    table = Table(title=f"{rows:,} objects, whole processes, medians")
    for column in ("case", "CPU s", "peak MiB", "against", "ratio", "answer"):
        table.add_column(column, justify="left" if column in ("case", "against", "answer") else "right")
    for name, case in measured.items():
        floor = AGAINST.get(name, "") if AGAINST.get(name) in measured else ""
        ratio = f"{case.cpu_seconds / measured[floor].cpu_seconds:.2f}" if floor else ""
        cpu, memory = f"{case.cpu_seconds:.2f}", f"{case.resident_mib:.0f}"
        table.add_row(name, cpu, memory, floor, ratio, case.answer)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
