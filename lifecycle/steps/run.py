"""One run of a command or a task, and what all of its steps reach for."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import duckdb

from lifecycle import settings as settings_
from lifecycle.apply.chunk import WORKERS
from lifecycle.canary import measure
from lifecycle.facts.snapshot import keep_within
from lifecycle.model import (
    BucketCapability,
    Scheme,
)
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import Clouds, GcsProvider, S3Provider
from lifecycle.records.audit import AuditLog
from lifecycle.settings import Settings
from pipelines import published
from pipelines.domain.snapshots import Snapshot

Tell = Callable[[int, int], None]
"""Hears how many actions of how many are over."""


def utc_now() -> datetime:
    """Return the time, UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Run:
    """One run of a command or a task: the settings, the moment, and what it may listen and talk to."""

    settings: Settings
    now: datetime
    clouds: Clouds
    clock: Callable[[], datetime] = utc_now
    is_stopped: Callable[[], bool] = lambda: False
    on_progress: Tell = lambda _done, _of: None
    workers: int = WORKERS
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never go back."""
    pause: Callable[[float], None] = time.sleep
    """Lets so many seconds pass, where a store is overloaded."""


def open_run(
    config: Path,
    now: datetime | None = None,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Tell = lambda _done, _of: None,
) -> Run:
    """Return a run with the settings in `config`."""
    settings = settings_.load(config)
    endpoints = settings.configuration.endpoints
    clouds: Clouds = {
        "s3": S3Provider(endpoints, clock=utc_now),
        "gs": GcsProvider(endpoints, clock=utc_now),
    }
    return Run(settings, now or utc_now(), clouds, utc_now, is_stopped, on_progress)


def measured(run: Run, place: str) -> BucketCapability:
    """Return what an endpoint enforces on a bucket, from a canary that comes and goes."""
    scheme, bucket = parts_of(place)
    return measure(run.clouds[scheme], bucket, secrets.token_hex(8))


def parts_of(place: str) -> tuple[Scheme, str]:
    """Return the scheme and the name of a bucket."""
    scheme, _, bucket = place.partition("://")
    return cast("Scheme", scheme), bucket


def audit_of(directory: PlanDirectory) -> AuditLog:
    """Return the log that a plan's directory is noted in."""
    return AuditLog(directory.path.parent)


def directory_of(run: Run, plan: str) -> PlanDirectory:
    """Return the directory of a plan, by its name or its path."""
    return PlanDirectory(run.settings.plan_path(plan).absolute())


@contextmanager
def published_facts(
    run: Run, as_of: date | None = None
) -> Iterator[tuple[Snapshot, duckdb.DuckDBPyConnection, Path]]:
    """Open the newest snapshot, or that of a day; with room for files of its own."""
    lake = run.settings.lake
    snapshot = published.of_day(lake, as_of) if as_of else published.current(lake)
    with (
        scratch_directory(run) as scratch,
        closing(published.open_snapshot(lake, snapshot, scratch)) as connection,
    ):
        keep_within(connection, run.settings.configuration.engine, scratch)
        yield snapshot, connection, scratch


@contextmanager
def scratch_directory(run: Run) -> Iterator[Path]:
    """Make a directory for a while."""
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-lifecycle-") as directory:
        yield Path(directory)
