"""`make bench`: CPU seconds and memory of landing and building, each against a floor of the same run.

    python -m tests.bench [--rows 1000000] [--repeats 3]

CPU time (user and system) of whole processes, medians: the machine may be busy. Ratios are what to quote.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.cases import CASES
from tests.bench.inventories import write_inventory

FLOORS = {"land_parquet": "scan_keys", "land_csv": "convert_csv", "build": "scan_keys"}


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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moraine-bench-") as directory:
        work = Path(directory)
        write_inventory(work / "parquet", arguments.rows, "Parquet")
        write_inventory(work / "csv", arguments.rows, "CSV")
        measured = {name: _measure(name, work, arguments.repeats) for name in CASES}
    _show(measured, arguments.rows)


def _measure(name: str, work: Path, repeats: int) -> Measured:
    runs = []
    for _ in range(repeats):
        if name.startswith("land_"):
            shutil.rmtree(work / f"lake-{name.removeprefix('land_')}", ignore_errors=True)
        runs.append(_run(name, work))
    answers = {run.answer for run in runs}
    if len(answers) != 1:
        raise SystemExit(f"{name} answered differently each time: {sorted(answers)}")
    cpu = statistics.median(run.cpu_seconds for run in runs)
    return Measured(cpu, max(run.resident_mib for run in runs), answers.pop())


def _run(name: str, work: Path) -> Measured:
    words = [sys.executable, "-m", "tests.bench.cases", name, str(work)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        answer = process.stdout.read().strip() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, answer)


def _show(measured: dict[str, Measured], rows: int) -> None:
    table = Table(title=f"{rows:,} objects, whole processes, medians")
    for column in ("case", "CPU s", "peak MiB", "against", "ratio", "answer"):
        table.add_column(column, justify="left" if column in ("case", "against", "answer") else "right")
    for name, case in measured.items():
        floor = FLOORS.get(name, "")
        ratio = f"{case.cpu_seconds / measured[floor].cpu_seconds:.1f}" if floor else ""
        cpu, memory = f"{case.cpu_seconds:.2f}", f"{case.resident_mib:.0f}"
        table.add_row(name, cpu, memory, floor, ratio, case.answer)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
