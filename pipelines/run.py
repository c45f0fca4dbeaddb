"""One run of the pipeline: its settings, its day, its lake, and what it keeps to itself while it works."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines import settings
from pipelines.settings import Settings
from pipelines.stores import Store, open_store
from pipelines.stores.locks import Hold, hold


@dataclass(frozen=True)
class Run:
    """One night: the settings, the day it is about, and the moment it runs."""

    settings: Settings
    as_of: date
    now: datetime
    """UTC, without a zone."""

    @cached_property
    def lake(self) -> Store:
        """Where everything Moraine knows is kept."""
        return open_store(self.settings.lake, self.settings.configuration.endpoints)


def open_run(config: Path, as_of: date, now: datetime) -> Run:
    """Return the run of `as_of` with the settings in `config`."""
    return Run(settings.load(config), as_of, now)


def source_names(run: Run) -> list[str]:
    """Return the names of all sources, in the file's order."""
    return [source.name for source in run.settings.configuration.sources]


def alone(run: Run, work: str) -> AbstractContextManager[Hold]:
    """Keep other runs out of one kind of work on this lake."""
    return hold(run.lake, work, clock=lambda: datetime.now(UTC).replace(tzinfo=None))


@contextmanager
def workspace(run: Run) -> Iterator[Path]:
    """Lend a directory of this run's own, below the one that all of its runs have."""
    parent = run.settings.scratch
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="moraine-") as directory:
        yield Path(directory)
