"""One run at a time: locks on a store, so that two runs cannot write the same lake at once.

    a directory   `locks/<name>.lock`, held by the operating system: it is free again when the process ends,
                  however it ends
    a bucket      `locks/<name>.json`, a lease: created on a condition, renewed while the run lives, and free
                  for others when it ran out

A lease is never deleted, only written over. It protects no more than its server does: Cloud Storage and S3
enforce conditions on writes; a server that ignores them lets two runs in, and on one that cannot compare
ETags (Ceph 16) two that take over one stale lease at the same moment may both believe they have it.
Machines whose clocks differ by more than `Terms.grace` can take a lease too early; its holder notices, and
fails.
"""

import fcntl
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock, Thread

from pipelines.errors import MoraineError, Refused, Terminal, Transient
from pipelines.stores.local import LocalStore
from pipelines.stores.protocol import ConditionalStore, Store

Clock = Callable[[], datetime]
"""Tells UTC, without a zone."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts."""

    lease: timedelta = timedelta(minutes=5)
    renewed_every: timedelta = timedelta(minutes=1)
    grace: timedelta = timedelta(minutes=1)
    """How much later others may take it over: what clocks may differ by."""


class Hold:
    """A lock that is held."""

    def check(self) -> None:
        """Pass while the lock is ours.

        Raises:
            Transient: it was lost, and another run may be writing.
        """


def hold(
    store: Store, name: str, *, clock: Clock, terms: Terms | None = None
) -> AbstractContextManager[Hold]:
    """Hold the lock `name` of a store for the length of a `with` block.

    Raises:
        Refused: another run holds it; the message says who, since when and until when.
        Transient: the lease was lost meanwhile (told at the end of the block, or by `check`).
        Terminal: the store cannot hold locks, or the lock's file is damaged.
    """
    if isinstance(store, LocalStore):
        return _held_file(store.root / "locks" / f"{name}.lock", clock)
    if isinstance(store, ConditionalStore):
        return _held_lease(_Lease(store, f"locks/{name}.json", clock, terms or Terms()))
    raise Terminal("this store cannot hold locks", where=store.uri, fix="Use a directory or a bucket.")


@dataclass(frozen=True, slots=True)
class _Holder:
    """What a lock's file says; the random token tells one process from its successor of the same number."""

    host: str
    pid: int
    token: str
    since: str
    until: str = ""
    released: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()


def _here(clock: Clock) -> _Holder:
    return _Holder(socket.gethostname(), os.getpid(), uuid.uuid4().hex, clock().isoformat(timespec="seconds"))


def _parse(data: bytes, where: str) -> _Holder:
    try:
        holder = _Holder(**json.loads(data))
        datetime.fromisoformat(holder.until or holder.since)
    except (ValueError, TypeError) as error:
        raise Terminal(
            "the lock's file is damaged", where=where, fix="See that no run is going on, then remove it."
        ) from error
    return holder


@contextmanager
def _held_file(path: Path, clock: Clock) -> Iterator[Hold]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # "a+": the file of the one who holds it is not emptied by those who only try.
        file = path.open("a+b")
    except OSError as error:
        raise Terminal(
            f"this machine refuses: {error.strerror or error}",
            where=str(path),
            fix="Check the permissions and the free space there, then run again.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _refused_file(file.read(), path) from None
        file.truncate(0)
        file.write(_here(clock).to_json())
        file.flush()
        yield Hold()
        # Closing the file frees the lock; what stands in it then means nothing.


def _refused_file(data: bytes, path: Path) -> Refused:
    fix = "Wait until it has ended, or end it: the lock goes with its process."
    try:
        holder = _parse(data, str(path))
    except Terminal:
        # It has the lock and has not written its name yet.
        return Refused("another run is going on", where=str(path), fix=fix)
    return Refused(f"another run is going on: {_who(holder)}", where=str(path), fix=fix)


@contextmanager
def _held_lease(lease: "_Lease") -> Iterator[Hold]:
    lease.take()
    stop = Event()
    renewals = Thread(target=lease.keep, args=(stop,), name=f"renews {lease.where}", daemon=True)
    renewals.start()
    try:
        yield lease
    except BaseException:
        _end(stop, renewals)
        # What went wrong in the block is what the caller must hear of.
        lease.release(is_quiet=True)
        raise
    _end(stop, renewals)
    lease.release()


def _end(stop: Event, renewals: Thread) -> None:
    stop.set()
    renewals.join()


class _Lease(Hold):
    def __init__(self, store: ConditionalStore, key: str, clock: Clock, terms: Terms) -> None:
        self._store, self._key, self._clock, self._terms = store, key, clock, terms
        self.where = f"{store.uri}/{key}"
        self._version = ""
        self._holder = _here(clock)
        self._is_lost = False
        self._lock = Lock()

    def take(self) -> None:
        """Create the lease, or take over one that is released or has run out."""
        wanted = self._renewed()
        version = self._store.create(self._key, wanted.to_json())
        if version is None:
            current = self._store.read_version(self._key)
            self._refuse_unless_free(_parse(current.data, self.where))
            version = self._store.replace(self._key, wanted.to_json(), current.name)
        if version is None:
            faster = _parse(self._store.read_version(self._key).data, self.where)
            raise self._refused(faster)
        self._holder, self._version = wanted, version

    def keep(self, stop: Event) -> None:
        """Renew until told to stop; what a store does not answer now it may answer next time."""
        while not stop.wait(self._terms.renewed_every.total_seconds()) and not self._is_lost:
            try:
                self.renew()
            except MoraineError:
                continue

    def renew(self) -> None:
        """Move the end of the lease."""
        with self._lock:
            wanted = self._renewed()
            version = self._store.replace(self._key, wanted.to_json(), self._version)
            if version is None:
                self._is_lost = True
            else:
                self._holder, self._version = wanted, version

    def check(self) -> None:
        if self._is_lost or self._clock() >= datetime.fromisoformat(self._holder.until):
            raise self._lost()

    def release(self, *, is_quiet: bool = False) -> None:
        """Write over the lease that it is free; nothing in a store can delete."""
        try:
            # A lease that has run out and that nobody took was ours all the time.
            freed = replace(self._holder, released=True).to_json()
            if self._is_lost or self._store.replace(self._key, freed, self._version) is None:
                raise self._lost()
        except MoraineError:
            if not is_quiet:
                raise

    def _renewed(self) -> _Holder:
        until = self._clock() + self._terms.lease
        return replace(self._holder, until=until.isoformat(timespec="seconds"))

    def _refuse_unless_free(self, found: _Holder) -> None:
        if not found.released and self._clock() < self._free_at(found):
            raise self._refused(found)

    def _free_at(self, found: _Holder) -> datetime:
        return datetime.fromisoformat(found.until) + self._terms.grace

    def _refused(self, found: _Holder) -> Refused:
        free_at = self._free_at(found).isoformat(sep=" ", timespec="seconds")
        return Refused(
            f"another run is going on: {_who(found)}, its lease lasts until {found.until} UTC",
            where=self.where,
            fix=f"Wait until it has ended. If its process is gone, the lock is free at {free_at} UTC.",
        )

    def _lost(self) -> Transient:
        return Transient(
            "the lock was lost while this run was writing; another run may have written too",
            where=self.where,
            fix="Run again: what is whole in the lake is kept. See that the clocks of both machines agree.",
        )


def _who(holder: _Holder) -> str:
    return f"process {holder.pid} on {holder.host}, since {holder.since} UTC"
