"""What the three DAGs share: the day of a run, where the settings are, and which errors are tried again.

A run is about one day, found in this order: the partition key, `{"day": "2026-11-20"}` in the run's conf, the
day before its logical date, the day before it was due. Tasks hand on names and counts; data stay in the lake.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from airflow.sdk import Asset, Param, get_current_context
from airflow.sdk.exceptions import AirflowFailException

from pipelines.domain.snapshots import Snapshot
from pipelines.errors import Refused, Terminal

if TYPE_CHECKING:
    from lifecycle.steps import Run as Cleaning
    from pipelines.steps import Run as Night

PUBLISHED = Asset("published_marts")
"""The published snapshot. Each event names the snapshot and its day."""

DAY = Param(
    None, type=["null", "string"], format="date", description="The day to work on; yesterday unless said."
)

SHOWN = "{{ shown_as }}"
"""The `map_index_template` of mapped tasks: what `show` was told."""

# A store that does not answer usually does within minutes. What a retry cannot help, `step` fails at once.
RETRIES = {
    "owner": "moraine",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=20),
}

P = ParamSpec("P")
T = TypeVar("T")


class Moment(Protocol):
    """The part of a DAG run that says when it is."""

    conf: Mapping[str, Any] | None
    logical_date: datetime | None
    run_after: datetime


def settings(*, is_on: bool = False, **params: Param) -> dict[str, Any]:
    """Return what the three DAGs have in common.

    Only `nightly_costs` waits to be switched on: what follows from it is on from the start, or an approved
    plan would wait in a queue that nobody looks at.
    """
    return {
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "is_paused_upon_creation": False if is_on else None,
        "default_args": RETRIES,
        "params": params,
    }


def step(function: Callable[P, T]) -> Callable[P, T]:
    """Let `Terminal` and `Refused` fail the task at once; everything else, `Transient` first, is tried again.

    Raises:
        AirflowFailException: the error was one that a retry cannot help. It carries the error's three parts.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (Terminal, Refused) as error:
            raise AirflowFailException(str(error)) from error

    return wrapper


def facts() -> "Night":
    """Return the running task's night, as the pipeline's steps want it."""
    from pipelines import steps

    context = get_current_context()
    return steps.open_run(config(), day_of(context["dag_run"], context.get("partition_key")), now())


def cleaning() -> "Cleaning":
    """Return the running task's clean-up, as the lifecycle's steps want it."""
    from lifecycle import steps

    return steps.open_run(config(), now())


def day_of(run: Moment, partition_key: str | None) -> date:
    """Return the day a run is about.

    Raises:
        Terminal: the partition key or conf does not hold a day.
    """
    if written := partition_key or (run.conf or {}).get("day"):
        return _parse_day(written)
    # A night is about the day before it, as on the command line.
    return (run.logical_date or run.run_after).astimezone(UTC).date() - timedelta(days=1)


def config() -> Path:
    """Return the settings file that the environment names."""
    return Path(os.environ.get("MORAINE_CONFIG", "moraine.yaml"))


def now() -> datetime:
    """Return the moment, UTC, without a zone: the only clock of the DAGs."""
    return datetime.now(UTC).replace(tzinfo=None)


def show(name: str) -> str:
    """Show `name` instead of a number for this mapped task, and return it."""
    # Airflow keeps 250 characters, and PostgreSQL refuses more.
    get_current_context()["shown_as"] = name[:250]
    return name


def show_file(path: str) -> Path:
    """Show a file's name for this mapped task, and return its path."""
    return Path(path).with_name(show(Path(path).name))


def announce(snapshot: Snapshot) -> str:
    """Tell those who wait for the published marts which snapshot it is, and return its id."""
    day = snapshot.as_of.isoformat()
    event = get_current_context()["outlet_events"][PUBLISHED]
    event.extra = {"snapshot_id": snapshot.snapshot_id, "day": day}
    # A run that somebody started by hand has no partition key, and an event without one wakes nobody.
    event.add_partitions(day)
    return snapshot.snapshot_id


def _parse_day(written: object) -> date:
    try:
        day = date.fromisoformat(str(written))
    except ValueError:
        day = None
    # Python also takes week dates and dates with a tail for ISO dates.
    if day is None or day.isoformat() != written:
        raise Terminal(
            f"{written!r} is not a day",
            where="the partition key or conf['day'] of the DAG run",
            fix='Start the run with a partition key or conf like {"day": "2026-11-20"}.',
        )
    return day
