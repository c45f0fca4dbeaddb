"""Applies a plan in one process after the other; each kills itself at the first write of the journal it can.

    python dying_applies.py MORAINE_YAML PLAN after|torn

`after`: right after a write is on disk. `torn`: in the middle of the second write. So each process gets one
write further than the one before it, until one comes to the end. Prints how many died.
"""

import json
import os
import signal
import sys
from pathlib import Path

import boto3
import duckdb
import pyarrow.parquet as pq

from lifecycle import steps
from lifecycle.records import journal

MOST = 50
PRELOADED = (boto3, duckdb, pq)
"""What every child would load again."""


class Dying(journal.Journal):
    """A journal that the process does not survive."""

    moment = "after"
    writes = 0

    def _write(self) -> None:
        if (Dying.moment, Dying.writes) == ("torn", 1):
            with self._queueing:
                lines = b"".join(self._queue)
            self._file.write(lines[: len(lines) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write()
        Dying.writes += 1
        if Dying.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Fork until a child comes to the end."""
    config, plan, Dying.moment = sys.argv[1:]
    deaths = 0
    while deaths < MOST and not _apply(Path(config), plan):
        deaths += 1
    sys.stdout.write(json.dumps({"deaths": deaths}))
    sys.exit(deaths == MOST)


def _apply(config: Path, plan: str) -> bool:
    """Apply in a child; return whether it survived. The parent never starts a thread."""
    child = os.fork()
    if not child:
        journal.Journal = Dying  # type: ignore[misc]
        finished = steps.apply(steps.open_run(config), plan).is_finished
        os._exit(0 if finished else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("a child failed")
    return True


if __name__ == "__main__":
    main()
