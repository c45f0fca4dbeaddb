"""Whatever comes in whatever order, and wherever a night is killed: the lake ends as after one clean run."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines import raw, steps
from pipelines.domain.deliveries import in_force
from pipelines.errors import Transient
from pipelines.stores import LocalStore
from tests.contract import deliveries as made
from tests.contract.deliveries import Delivered, Provider

ROOT = Path(__file__).parents[2]
AS_OF = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 6)
PROVIDERS = (
    made.s3_inventory("CSV"),
    made.s3_inventory("Parquet"),
    made.data_export("aws-cur2", "csv.gz"),
    made.data_export("focus", "parquet"),
    made.focus_file(),
    made.gcp_billing(),
)
MOST_DELIVERIES = 3

Contents = dict[str, object]


@dataclass
class World:
    """A provider that delivers, and two lakes: one that lives through everything, one of a single night."""

    base: Path
    provider: Provider
    delivered: dict[int, Delivered] = field(default_factory=dict)
    whole: dict[int, bytes] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.base / "bucket"

    def run(self, lake: str = "lake") -> steps.Run:
        return steps.open_run(self.config(lake), AS_OF, NOW)

    def config(self, lake: str = "lake") -> Path:
        path = self.base / f"{lake}.yaml"
        path.write_text(f"lake: {lake}\nsources: [{self.provider.settings(self.folder)}]\n")
        return path

    def deliver(self, number: int) -> None:
        """Deliver a number, or the same again; a file that is written in place does not become older."""
        if self.provider.name == "focus-file":
            number = max([number, *self.delivered])
        delivered = self.provider.deliver(self.folder, number, self.provider.rows(number))
        delivered.settle()
        self.delivered[number] = delivered
        # A bill that is written in place: only its last version can be mended.
        self.whole = {n: body for n, body in self.whole.items() if self.data(n) != self.data(number)}
        self.whole[number] = self.data(number).read_bytes()

    def damage(self, number: int, how: Callable[[Delivered, Path], None]) -> None:
        if number in self.whole:
            how(self.delivered[number], self.folder)
            self.delivered[number].settle()

    def mend(self) -> None:
        for number, body in self.whole.items():
            self.data(number).write_bytes(body)
            self.delivered[number].settle()

    def data(self, number: int) -> Path:
        return self.delivered[number].data[0]

    def ingest(self, lake: str = "lake", killed_at: int | None = None) -> None:
        """Do what a night does; it may be killed before the write of that number."""
        if not self.delivered:
            return
        with killed(killed_at):
            survives = nullcontext() if killed_at is None else suppress(Transient)
            with survives:
                steps.ingest(self.run(lake), self.provider.name)


@contextmanager
def killed(at: int | None) -> Iterator[None]:
    """Let nothing be written any more from the write of that number on."""
    if at is None:
        yield
        return
    left = at

    def live() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Transient("killed", where="here", fix="Run again.")

    write, upload = LocalStore.write, LocalStore.upload

    def writing(store: LocalStore, key: str, data: bytes) -> None:
        live()
        write(store, key, data)

    def uploading(store: LocalStore, path: Path, key: str) -> None:
        live()
        upload(store, path, key)

    with patch.object(LocalStore, "write", writing), patch.object(LocalStore, "upload", uploading):
        yield


def contents(base: Path, lake: str, *, of: set[str] | None = None) -> Contents:
    """Return the ledger with the rows of each of its files; only of some deliveries when told."""
    store = LocalStore(base / lake)
    return {
        f"{entry.table}/{entry.delivery_id}": (
            entry,
            [rows(base / lake / file) for file in entry.files],
            [(table, rows(base / lake / file)) for table, file in entry.rollups],
        )
        for entry in raw.ledger(store)
        if of is None or f"{entry.table}/{entry.delivery_id}" in of
    }


def rows(path: Path) -> list[dict[str, object]]:
    return [*pq.read_table(path, partitioning=None).to_pylist()]


numbers = st.integers(1, MOST_DELIVERIES)
events = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), numbers),
        st.tuples(st.just("damage"), numbers, st.sampled_from([made.cut, made.gone, made.noise])),
        st.tuples(st.just("mend")),
        st.tuples(st.just("ingest")),
        st.tuples(st.just("kill"), st.integers(0, 8)),
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(story=events)
@example(story=[("deliver", 1), ("damage", 1, made.noise), ("ingest",)])
@example(story=[("deliver", 1), ("ingest",), ("deliver", 2), ("damage", 2, made.cut), ("kill", 4)])
def test_any_story_ends_in_the_lake_of_one_clean_night(
    provider: Provider, story: list[tuple[object, ...]]
) -> None:
    with TemporaryDirectory() as directory:
        world = World(Path(directory), provider)
        for event in story:
            tell(world, event)
        world.mend()
        world.ingest()
        world.ingest("clean")

        clean = contents(world.base, "clean")
        lived = contents(world.base, "lake")
        # A bill written in place has versions that only the lake which lived has seen.
        assert {name: lived[name] for name in clean} == clean
        assert set(lived) == set(clean) or provider.name == "focus-file"
        assert raw.quarantined(LocalStore(world.base / "lake")) == []
        if world.delivered:
            current = in_force(raw.ledger(LocalStore(world.base / "lake")), AS_OF)
            assert current == in_force(raw.ledger(LocalStore(world.base / "clean")), AS_OF)


def tell(world: World, event: tuple[object, ...]) -> None:
    match event:
        case ("deliver", int(number)):
            world.deliver(number)
        case ("damage", int(number), how) if callable(how):
            world.damage(number, how)
        case ("mend",):
            world.mend()
        case ("ingest",):
            ingest_what_is_there(world, None)
        case ("kill", int(at)):
            ingest_what_is_there(world, at)


def ingest_what_is_there(world: World, killed_at: int | None) -> None:
    # With every file gone there is nothing that could be a source.
    if any(path.is_file() for path in world.folder.rglob("*")):
        world.ingest(killed_at=killed_at)


KILLED = """
import os, signal, sys
from pipelines import cli
from pipelines.stores import LocalStore

left = int(sys.argv.pop(1))

def dying(method):
    def called(*words):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*words)
    return called

LocalStore.write, LocalStore.upload = dying(LocalStore.write), dying(LocalStore.upload)
cli.main()
"""
"""A night that kills itself before a write; what a process holds in memory is lost with it."""


def test_a_night_that_is_killed_at_each_of_its_writes_goes_on_where_it_was(tmp_path: Path) -> None:
    world = World(tmp_path, made.data_export("aws-cur2", "csv.gz"))
    for number in (1, 2):
        world.deliver(number)
    world.damage(2, made.noise)
    world.ingest("clean")
    clean = contents(tmp_path, "clean")
    assert len(clean) == 1
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    for writes in itertools.count():
        lake = f"lake-{writes}"
        words = [sys.executable, "-c", KILLED, str(writes), "ingest", "--config", str(world.config(lake))]
        ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert contents(tmp_path, lake) in ({}, clean)
        world.ingest(lake)
        assert contents(tmp_path, lake) == clean
        assert raw.quarantined(LocalStore(tmp_path / lake)) == raw.quarantined(LocalStore(tmp_path / "clean"))
        if ended.returncode != -signal.SIGKILL:
            break

    assert ended.returncode == 3, ended.stderr
    assert writes == WRITES


WRITES = 8
"""The listing; of the good delivery what was found, a file, a roll-up, the piece and the entry; of the bad
one what was found and the reason."""
