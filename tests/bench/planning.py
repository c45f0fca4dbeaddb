"""Planning a clean-up: memory and CPU of one whole process, for any number of checkpoints.

    python -m tests.bench.planning [--checkpoints 100000] [--objects 100] [--memory 512MB] [--threads 2]

A published snapshot is made up first, in a process of its own, and removed afterwards. It is planned with the
real steps. The goal: a million checkpoints of a hundred objects each within 1 GiB.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """One process."""

    cpu_seconds: float
    resident_mib: float
    answer: dict[str, object]


def main() -> None:
    """Make a snapshot up, plan over it, and print what that took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checkpoints", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=100, help="of each checkpoint")
    parser.add_argument("--memory", default="512MB", help="what DuckDB may take")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="moraine-bench-"))
    sizes = (arguments.checkpoints, arguments.objects, arguments.memory, arguments.threads)
    try:
        _run("tests.bench.snapshots", work, *map(str, sizes))
        measured = _run("tests.bench.planned", work)
    finally:
        shutil.rmtree(work)
    _show(measured, arguments)


def _run(module: str, work: Path, *sizes: str) -> Measured:
    words = [sys.executable, "-m", module, str(work), *sizes]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        answer = process.stdout.read().strip() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{module} failed")
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(answer or "{}"))


def _show(measured: Measured, arguments: argparse.Namespace) -> None:
    objects = arguments.checkpoints * arguments.objects
    title = (
        f"{arguments.checkpoints:,} checkpoints, {objects:,} objects, DuckDB limited to {arguments.memory}"
    )
    table = Table(title=title)
    for column in ("CPU s", "µs an object", "peak MiB", "answer"):
        table.add_column(column, justify="left" if column == "answer" else "right")
    each = f"{measured.cpu_seconds / objects * 1e6:.2f}"
    cpu, memory = f"{measured.cpu_seconds:.1f}", f"{measured.resident_mib:.0f}"
    table.add_row(cpu, each, memory, json.dumps(measured.answer))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
