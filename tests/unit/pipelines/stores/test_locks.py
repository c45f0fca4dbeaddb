"""One run at a time: who holds, who is refused, and who notices that it lost."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import Refused, Terminal, Transient
from pipelines.stores import ConditionalStore, GcsStore, LocalStore, Store
from pipelines.stores.locks import Terms, hold
from tests.fakes.gcs import GcsServer

KEY = "locks/lake.json"
STILL = Terms(renewed_every=timedelta(days=1))
"""Leases that nothing renews while a test runs."""


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 6, 30)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_second_run_is_refused_and_told_of_the_first(store: Store, clock: Clock) -> None:
    with (
        hold(store, "lake", clock=clock, terms=STILL),
        pytest.raises(Refused, match=r"process \d+ on .*, since 2026-11-20T06:30:00 UTC"),
        hold(store, "lake", clock=clock, terms=STILL),
    ):
        pytest.fail("two runs at once")


def test_the_lock_is_free_when_the_block_ends_well_or_badly(store: Store, clock: Clock) -> None:
    for _ in range(2):
        with hold(store, "lake", clock=clock, terms=STILL):
            pass
        with pytest.raises(KeyError), hold(store, "lake", clock=clock, terms=STILL):
            raise KeyError


def test_locks_of_other_names_do_not_meet(store: Store, clock: Clock) -> None:
    with hold(store, "lake", clock=clock, terms=STILL), hold(store, "clean-up", clock=clock, terms=STILL):
        pass


def test_one_who_was_refused_leaves_the_lock_as_it_is(store: Store, clock: Clock) -> None:
    with hold(store, "lake", clock=clock, terms=STILL) as held:
        for _ in range(2):
            with pytest.raises(Refused), hold(store, "lake", clock=clock, terms=STILL):
                pytest.fail("two runs at once")
        held.check()


# A directory: the operating system holds the lock.

_HOLDS = """
import sys
import threading
from datetime import datetime
from pathlib import Path
from pipelines.stores import LocalStore
from pipelines.stores.locks import hold
with hold(LocalStore(Path(sys.argv[1])), "lake", clock=lambda: datetime(2026, 11, 20)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that holds the lock until its input ends or it is killed."""
    command = [sys.executable, "-c", _HOLDS, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_killed_process_frees_the_lock_of_a_directory(tmp_path: Path, clock: Clock) -> None:
    store = LocalStore(tmp_path / "lake")
    with another_process(store.root) as process:
        refused = pytest.raises(Refused, match=f"process {process.pid} on .*, since 2026-11-20T00:00:00")
        with refused, hold(store, "lake", clock=clock):
            pytest.fail("two processes at once")
        process.kill()
        process.wait()
        with hold(store, "lake", clock=clock):
            pass


def test_a_process_that_ends_frees_the_lock_of_a_directory(tmp_path: Path, clock: Clock) -> None:
    store = LocalStore(tmp_path / "lake")
    with another_process(store.root) as process:
        process.communicate("")
        assert process.returncode == 0
        with hold(store, "lake", clock=clock):
            pass


def test_a_lock_whose_holder_has_not_said_its_name_is_held_all_the_same(tmp_path: Path, clock: Clock) -> None:
    store = LocalStore(tmp_path)
    with hold(store, "lake", clock=clock):
        (tmp_path / "locks" / "lake.lock").write_bytes(b"")
        with pytest.raises(Refused, match="another run is going on"), hold(store, "lake", clock=clock):
            pytest.fail("two runs at once")


def test_a_directory_that_cannot_be_written_is_one_clear_message(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(Terminal, match="refuses"), hold(LocalStore(tmp_path), "lake", clock=clock):
        pytest.fail("a lock of nothing")


# A bucket: a lease.


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_notices(
    bucket: ConditionalStore, clock: Clock
) -> None:
    def run() -> None:
        with hold(bucket, "lake", clock=clock, terms=STILL) as first:
            clock.now += STILL.lease + STILL.grace
            with hold(bucket, "lake", clock=clock, terms=STILL) as second:
                second.check()
                with pytest.raises(Transient, match="lost"):
                    first.check()

    with pytest.raises(Transient, match="lost"):
        run()


def test_a_lease_is_not_taken_over_while_clocks_may_differ(bucket: ConditionalStore, clock: Clock) -> None:
    with hold(bucket, "lake", clock=clock, terms=STILL):
        clock.now += STILL.lease + STILL.grace - timedelta(seconds=1)
        with (
            pytest.raises(Refused, match=r"free at 2026-11-20 06:36:00 UTC"),
            hold(bucket, "lake", clock=clock, terms=STILL),
        ):
            pytest.fail("two runs at once")


def test_a_lease_that_ran_out_and_that_nobody_took_was_never_lost(
    bucket: ConditionalStore, clock: Clock
) -> None:
    with hold(bucket, "lake", clock=clock, terms=STILL):
        clock.now += timedelta(days=1)
    with hold(bucket, "lake", clock=clock, terms=STILL):
        pass


def test_a_lost_lease_does_not_hide_what_went_wrong_in_the_block(
    bucket: ConditionalStore, clock: Clock
) -> None:
    def run() -> None:
        with hold(bucket, "lake", clock=clock, terms=STILL):
            bucket.write(KEY, b"{}")
            raise KeyError

    with pytest.raises(KeyError):
        run()


def test_the_renewing_thread_moves_the_end_of_the_lease(
    bucket: ConditionalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = _after_each_replace(bucket, monkeypatch)
    with hold(bucket, "lake", clock=clock, terms=Terms(renewed_every=timedelta(milliseconds=1))) as held:
        clock.now += timedelta(minutes=4)
        renewed.clear()
        # Of the renewals after the clock was moved, the second has surely seen it, and the third follows it.
        for _ in range(3):
            assert renewed.wait(30)
            renewed.clear()
        clock.now += timedelta(minutes=4)
        held.check()


def test_the_renewing_thread_notices_that_another_took_over(
    bucket: ConditionalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = _after_each_replace(bucket, monkeypatch)

    def run() -> None:
        with hold(bucket, "lake", clock=clock, terms=Terms(renewed_every=timedelta(milliseconds=1))) as held:
            assert renewed.wait(30)
            bucket.write(KEY, b"somebody else's")
            # The thread ends once it has seen the loss.
            for thread in threading.enumerate():
                if thread.name.startswith("renews"):
                    thread.join(30)
            with pytest.raises(Transient, match="lost"):
                held.check()

    with pytest.raises(Transient, match="lost"):
        run()
    assert bucket.read(KEY) == b"somebody else's"


def test_a_store_that_does_not_answer_for_a_while_costs_no_lease(
    gcs: GcsServer,
    gcs_store: Callable[[str], GcsStore],
    clock: Clock,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del impatient
    store = gcs_store("lake")
    renewed = _after_each_replace(store, monkeypatch)
    with hold(store, "lake", clock=clock, terms=Terms(renewed_every=timedelta(milliseconds=1))) as held:
        gcs.fail_next("POST", lambda target: "/upload/" in target, 503, times=5)
        assert renewed.wait(30)
        held.check()


def test_a_lost_answer_to_the_take_over_is_no_loss(
    gcs: GcsServer, gcs_store: Callable[[str], GcsStore], clock: Clock, no_pauses: None
) -> None:
    del no_pauses
    store = gcs_store("lake")
    for _ in range(2):
        gcs.fail_next("POST", lambda target: "/upload/" in target, "lose_response")
        with hold(store, "lake", clock=clock, terms=STILL) as held:
            held.check()


def test_of_two_who_take_over_at_once_one_wins(
    bucket: ConditionalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(bucket, "lake", clock=clock, terms=STILL):
        pass
    read_version = type(bucket).read_version
    others: list[object] = []

    def read_and_be_overtaken(self: ConditionalStore, key: str) -> object:
        found = read_version(self, key)
        if not others:
            others.append(hold(bucket, "lake", clock=clock, terms=STILL))
            others[0].__enter__()  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(type(bucket), "read_version", read_and_be_overtaken)
    with pytest.raises(Refused, match="another run"), hold(bucket, "lake", clock=clock, terms=STILL):
        pytest.fail("two runs at once")
    others[0].__exit__(None, None, None)  # type: ignore[attr-defined]


def test_a_released_lease_stays_in_the_bucket_and_says_so(bucket: ConditionalStore, clock: Clock) -> None:
    with hold(bucket, "lake", clock=clock, terms=STILL):
        assert json.loads(bucket.read(KEY))["released"] is False
    assert json.loads(bucket.read(KEY))["released"] is True


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"host": 1, "pid": 1, "token": "", "since": "x"}'])
def test_a_damaged_lease_is_never_taken_over(bucket: ConditionalStore, clock: Clock, damage: bytes) -> None:
    bucket.write(KEY, damage)
    with pytest.raises(Terminal, match="damaged"), hold(bucket, "lake", clock=clock, terms=STILL):
        pytest.fail("a run beside another")
    assert bucket.read(KEY) == damage


def _after_each_replace(store: ConditionalStore, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set after each conditional write."""
    done, replace = threading.Event(), store.replace

    def replace_and_tell(key: str, data: bytes, version: str) -> str | None:
        made = replace(key, data, version)
        done.set()
        return made

    monkeypatch.setattr(store, "replace", replace_and_tell)
    return done
