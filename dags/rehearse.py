"""Run the three DAGs in this one process, with no scheduler: night, question, answer, clean-up.

    python dags/rehearse.py --day 2026-11-20 --answer Approve --by ada --reason "agreed in the weekly"

The question is really asked and really answered: the operator parks its task, and the answer goes through the
handler of Airflow's own REST API, under the given name. Nothing is marked as done that did not run.
One line per task on standard output; everything Airflow says goes to a log file. Not a DAG file.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TextIO

DAGS = Path(__file__).resolve().parent


def main() -> None:
    """Rehearse; exit code 1 when a task failed."""
    arguments = _parse_arguments()
    home = arguments.home.absolute()
    # Airflow takes an interrupt for a task that failed, and tries the task again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= environment(home)
    log = home / "rehearsal.log"
    with _chatter_in(log) as out:
        # Airflow reads its environment while it is imported, so only now.
        from rehearsal import Answer, rehearse

        answer = Answer(arguments.answer, arguments.by, arguments.reason, arguments.second)
        failures = rehearse(arguments.day, answer, out)
        for failure in failures:
            out.write(f"\nerror {failure}\n")
        out.write(f"Airflow's own log: {log}\n")
    sys.exit(1 if failures else 0)


def environment(home: Path) -> dict[str, str]:
    """Return what points Airflow at these DAGs, and at a directory of its own."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="the day the night is about")
    parser.add_argument("--answer", choices=["Approve", "Reject"], required=True)
    parser.add_argument("--by", required=True, help="who answers; stands in the approval")
    parser.add_argument("--second", default="", help="who answers where a plan needs two people")
    parser.add_argument("--reason", default="", help="why; stands in the approval")
    home = Path(os.environ.get("AIRFLOW_HOME", "var/airflow"))
    parser.add_argument("--home", type=Path, default=home, help=f"Airflow's directory (default: {home})")
    return parser.parse_args()


@contextmanager
def _chatter_in(log: Path) -> Iterator[TextIO]:
    """Send all that is printed to `log`, by file descriptor, and yield the real standard output."""
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out, log.open("a", encoding="utf-8") as chatter:
        chatter.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')} ---\n")
        chatter.flush()
        kept = os.dup(2)
        os.dup2(chatter.fileno(), 1)
        os.dup2(chatter.fileno(), 2)
        try:
            yield out
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    main()
