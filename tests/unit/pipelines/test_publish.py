"""Publishing: nothing false, nothing half."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest

from pipelines import published, snapshots
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.errors import NotFound, Refused, Terminal, Transient
from pipelines.publish import Rollback, publish, roll_back
from pipelines.snapshots import point_at
from pipelines.stores import Blob, LocalStore
from tests.fakes.warehouses import (
    BUILD_ID,
    DAY,
    PASSED,
    PUBLISHED_AT,
    make_build,
    publish_build,
    put_snapshot,
)

ROOT = Path(__file__).parents[3]
OBJECTS = "select object_key, size_bytes from marts.checkpoint_objects"


class FailingLake:
    """A lake whose n-th write dies: a full disk, a lost network, a killed process."""

    def __init__(self, root: Path, *, dies_at: int) -> None:
        self._lake = LocalStore(root)
        self._left = dies_at

    @property
    def uri(self) -> str:
        return self._lake.uri

    def list(self, prefix: str = "") -> Iterator[Blob]:
        return self._lake.list(prefix)

    def read(self, key: str) -> bytes:
        return self._lake.read(key)

    def fetch(self, key: str, scratch: Path) -> Path:
        return self._lake.fetch(key, scratch)

    def write(self, key: str, data: bytes) -> None:
        self._count(key)
        self._lake.write(key, data)

    def upload(self, path: Path, key: str) -> None:
        self._count(key)
        self._lake.upload(path, key)

    def _count(self, key: str) -> None:
        if self._left == 0:
            raise Transient("the lake is gone", where=key, fix="Run again.")
        self._left -= 1


class BucketLake(FailingLake):
    """A lake in a bucket: its files have to be fetched, under names that are not theirs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, dies_at=-1)
        self.fetched: list[str] = []

    @property
    def uri(self) -> str:
        return "s3://lake/here"

    def fetch(self, key: str, scratch: Path) -> Path:
        self.fetched.append(key)
        copy = scratch / f"copy-{key.rpartition('/')[2]}"
        copy.write_bytes(self._lake.read(key))
        return copy


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "the lake's")


def meta(build_id: str = BUILD_ID) -> BuildMeta:
    return BuildMeta(build_id, DAY, "0.1.0")


def facts(
    lake: LocalStore | FailingLake, snapshot: Snapshot, query: str, scratch: Path
) -> list[tuple[object, ...]]:
    with closing(published.open_snapshot(lake, snapshot, scratch)) as connection:
        return connection.execute(query).fetchall()


def test_a_snapshot_holds_the_marts_with_every_digit_and_comment(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    assert snapshot == published.current(lake)
    assert snapshot.snapshot_id == "2026-11-19-abcdef012345"
    assert facts(lake, snapshot, "select team, effective_cost from marts.costs_daily", tmp_path) == [
        ("o'brien", Decimal("12.345678901234"))
    ]
    comments = (
        "select comment from duckdb_{}() where comment is not null and schema_name = 'marts' order by all"
    )
    assert facts(lake, snapshot, comments.format("columns"), tmp_path) == [("Bytes.",), ("Whose it is.",)]
    assert facts(lake, snapshot, comments.format("tables"), tmp_path) == [
        ("One row per day: what it's about.",)
    ]
    assert facts(lake, snapshot, comments.format("views"), tmp_path) == [("One row per object.",)]


def test_heavy_layers_stay_behind_and_objects_stay_in_parquet(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    schemas = "select distinct schema_name from duckdb_tables() order by all"
    assert facts(lake, snapshot, schemas, tmp_path) == [("marts",), ("reference",)]
    views = "select schema_name, view_name from duckdb_views() where not internal"
    assert facts(lake, snapshot, views, tmp_path) == [("marts", "checkpoint_objects")]
    assert facts(lake, snapshot, OBJECTS, tmp_path) == [("runs/a_%;--", 7)]


def test_every_mart_is_also_zstd_parquet(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    files = lake.root / "published" / snapshot.snapshot_id / "marts"
    assert sorted(path.name for path in files.iterdir()) == [
        "checkpoint_objects.parquet",
        "costs_daily.parquet",
    ]
    with closing(duckdb.connect()) as connection:
        path = str(files / "costs_daily.parquet")
        rows = connection.execute("select effective_cost from read_parquet(?)", [path]).fetchall()
        codecs = connection.execute("select distinct compression from parquet_metadata(?)", [path]).fetchall()
    assert rows == [(Decimal("12.345678901234"),)]
    assert codecs == [("ZSTD",)]


def test_the_file_says_which_snapshot_it_is(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    assert facts(lake, snapshot, "from reference.snapshot", tmp_path) == [
        (snapshot.snapshot_id, "abcdef0123456789", "0.1.0", date(2026, 11, 19), PUBLISHED_AT)
    ]


def test_the_file_can_be_read_by_older_duckdb(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    # Bytes 12 to 20 of a DuckDB file are its storage version; 64 is what 0.9 to 1.4 write, 69 is that of 2.0.
    header = (lake.root / snapshot.warehouse).read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") < 68
    assert not (lake.root / f"{snapshot.warehouse}.wal").exists()


def test_a_failed_blocking_check_keeps_the_previous_snapshot(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    before = publish_build(lake, build)
    failed = CheckResult(
        "bill_closes", "marts.costs_daily", "block", False, "0.01", "0", "Sums close.", scope="train"
    )

    with pytest.raises(Refused) as refusal:
        publish(
            lake, warehouse=build, results=[PASSED, failed], meta=meta("f" * 16), published_at=PUBLISHED_AT
        )

    assert refusal.value.exit_code == 4
    assert "bill_closes (train): 0.01, expected 0" in str(refusal.value)
    assert "previous snapshot stays in force" in str(refusal.value)
    assert published.current(lake) == before


def test_a_failed_warning_is_published(lake: LocalStore, tmp_path: Path) -> None:
    warning = CheckResult(
        "unallocated", "marts.costs_daily", "warn", False, "0.5", "0.2", "Nobody's dollars."
    )

    publish(
        lake,
        warehouse=make_build(tmp_path / "build" / "warehouse.duckdb"),
        results=[warning],
        meta=meta(),
        published_at=PUBLISHED_AT,
    )

    assert published.current(lake).snapshot_id == "2026-11-19-abcdef012345"


def test_a_build_that_nobody_checked_is_refused(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")

    with pytest.raises(Refused, match="nothing was checked"):
        publish(lake, warehouse=build, results=[], meta=meta(), published_at=PUBLISHED_AT)


def test_publishing_the_same_build_again_writes_nothing_but_the_pointer(
    lake: LocalStore, tmp_path: Path
) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    first = publish_build(lake, build)
    publish_build(lake, make_build(build, "99"), "0" * 16)
    before = {blob.key: blob.etag for blob in lake.list("published/2026-11-19-abcdef012345/")}

    again = publish(
        lake, warehouse=build, results=[PASSED], meta=meta(), published_at=datetime(2026, 11, 21, 1, 0)
    )

    assert again == first
    assert published.current(lake) == first
    assert {blob.key: blob.etag for blob in lake.list("published/2026-11-19-abcdef012345/")} == before


@dataclass
class Disk:
    """Counts what is made durable, and is full from some moment on."""

    full_after: int = 1_000_000
    made: int = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        sync = os.fsync

        def synced(descriptor: int) -> None:
            if self.made >= self.full_after:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.made += 1
            sync(descriptor)

        with patch("os.fsync", synced):
            yield


def test_a_disk_that_fills_at_any_moment_leaves_the_pointer_on_a_whole_snapshot(tmp_path: Path) -> None:
    disk = Disk()
    build = make_build(tmp_path / "build" / "warehouse.duckdb", "2")
    with disk.watched():
        publish_build(LocalStore(tmp_path / "counted"), build, "2" * 16)
    # Two marts, the file, snapshot.json, the pointer: their bytes, and their names after those. And the new
    # folders: the lake's own, published/, the snapshot's, its marts/.
    assert disk.made == 5 * 2 + 4

    for moment in range(MOMENTS):
        lake = LocalStore(tmp_path / f"lake-{moment}")
        before = put_snapshot(lake, DAY, "1")
        point_at(lake, before)

        with Disk(full_after=moment).watched(), pytest.raises(Terminal, match="No space left"):
            publish_build(lake, build, "2" * 16)

        assert_whole(lake)
        after = publish_build(lake, build, "2" * 16)
        assert published.current(lake) == after
        assert facts(lake, after, "select effective_cost from marts.costs_daily", tmp_path) == [(Decimal(2),)]


def assert_whole(lake: LocalStore) -> Snapshot:
    """Return what the pointer names, every file of which is there and none of them half."""
    current = published.current(lake)
    (stored,) = snapshots.find(lake, current.snapshot_id)
    assert stored.snapshot == current
    return current


KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.stores import LocalStore
from tests.fakes.warehouses import publish_build

def publish_until(left, lake, build):
    sync = os.fsync

    def synced(descriptor):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = synced
    publish_build(LocalStore(lake), build, "2" * 16)

build, lakes = Path(sys.argv[1]), sys.argv[2:]
for moment, lake in enumerate(lakes):
    child = os.fork()
    if child == 0:
        publish_until(moment, Path(lake), build)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Publishers that kill themselves before the bytes or the name of a file are durable: before its rename, and
after it. A process of its own each; what it held in memory is lost."""

MOMENTS = 12
"""Five files, each synced before its rename and its folder after it; and the parents of two new folders."""


def test_a_publisher_killed_at_any_moment_leaves_the_pointer_on_a_whole_snapshot(tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb", "2")
    lakes = [LocalStore(tmp_path / f"lake-{moment}") for moment in range(MOMENTS + 1)]
    for lake in lakes:
        before = put_snapshot(lake, DAY, "1")
        point_at(lake, before)

    words = [sys.executable, "-c", KILLED, str(build), *(str(lake.root) for lake in lakes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    assert ended.stdout.split() == [*[str(-signal.SIGKILL)] * MOMENTS, "0"], ended.stderr
    named = [assert_whole(lake).snapshot_id for lake in lakes]
    # Only the rename of the pointer changes what is current; what is left is to make that durable.
    assert named == [*[before.snapshot_id] * (MOMENTS - 1), *["2026-11-19-222222222222"] * 2]
    for lake in lakes:
        again = publish_build(lake, build, "2" * 16)
        assert published.current(lake) == again == assert_whole(lake)
    assert list(build.parent.iterdir()) == [build]


def test_what_a_killed_publication_left_is_cleared(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    leftover = build.parent / ".publish-2026-11-19-abcdef012345" / "marts"
    leftover.mkdir(parents=True)
    (leftover.parent / "warehouse.duckdb").write_bytes(b"half a file")
    (leftover / "costs_daily.parquet").write_bytes(b"half a file")

    snapshot = publish_build(lake, build)

    assert facts(lake, snapshot, "select count(*) from marts.costs_daily", tmp_path) == [(1,)]
    assert list(build.parent.iterdir()) == [build]


def test_a_first_publication_that_dies_publishes_nothing(tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")

    with pytest.raises(Transient):
        publish_build(FailingLake(tmp_path / "lake", dies_at=4), build)

    with pytest.raises(Terminal, match="nothing was published"):
        published.current(LocalStore(tmp_path / "lake"))


def test_an_older_day_is_published_beside_the_current_one(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    newer = publish_build(lake, build, "1" * 16)

    older = publish_build(lake, build, "2" * 16, day=DAY - timedelta(days=1))

    assert published.current(lake) == newer
    assert snapshots.whole(snapshots.find(lake)) == [older, newer]
    assert publish_build(lake, build, "3" * 16) == published.current(lake)


def test_a_pointer_to_nothing_does_not_keep_an_older_day_from_becoming_current(
    lake: LocalStore, tmp_path: Path
) -> None:
    point_at(lake, replace(put_snapshot(lake, DAY), snapshot_id="2026-12-31-gone"))

    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    assert published.current(lake) == snapshot


def test_a_snapshot_that_lost_a_file_is_written_again(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    first = publish_build(lake, build)
    (lake.root / "published" / first.snapshot_id / "marts" / "costs_daily.parquet").unlink()

    assert publish_build(lake, build).snapshot_id == first.snapshot_id
    assert_whole(lake)


def test_a_publisher_that_lost_its_lock_does_not_move_the_pointer(lake: LocalStore, tmp_path: Path) -> None:
    def lost() -> None:
        raise Transient("the lock was lost", where="here", fix="Run again.")

    before = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"), "1" * 16)
    with pytest.raises(Transient):
        publish(
            lake,
            warehouse=tmp_path / "build" / "warehouse.duckdb",
            results=[PASSED],
            meta=meta("2" * 16),
            published_at=PUBLISHED_AT,
            still_alone=lost,
        )

    assert published.current(lake) == before


def test_going_back_moves_the_pointer_and_the_next_newer_day_moves_it_on(
    lake: LocalStore, tmp_path: Path
) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb")
    old = publish_build(lake, build, "1" * 16, day=DAY - timedelta(days=1))
    new = publish_build(lake, build, "2" * 16)

    assert roll_back(lake, "previous") == Rollback(new, old)
    assert published.current(lake) == old
    assert not roll_back(lake, old.snapshot_id).has_moved
    newest = publish_build(lake, build, "3" * 16, day=DAY + timedelta(days=1))
    assert published.current(lake) == newest


def test_nobody_goes_back_to_what_is_half_or_unknown(lake: LocalStore, tmp_path: Path) -> None:
    current = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))
    half = put_snapshot(lake, DAY - timedelta(days=1))
    (lake.root / half.warehouse).unlink()

    with pytest.raises(Refused, match="not whole"):
        roll_back(lake, half.snapshot_id)
    with pytest.raises(NotFound, match="2026-01-01"):
        roll_back(lake, "2026-01-01")
    assert published.current(lake) == current


def test_a_reader_of_the_old_snapshot_is_not_disturbed(lake: LocalStore, tmp_path: Path) -> None:
    build = make_build(tmp_path / "build" / "warehouse.duckdb", "1")
    old = publish_build(lake, build, "1" * 16)
    make_build(build, "2")

    with closing(published.open_snapshot(lake, old, tmp_path)) as reader:
        publish_build(lake, build, "2" * 16)
        new = published.current(lake)
        costs = "select effective_cost from marts.costs_daily"
        assert reader.execute(costs).fetchall() == [(Decimal(1),)]
        assert reader.execute("select count(*) from marts.checkpoint_objects").fetchall() == [(1,)]
        assert facts(lake, new, costs, tmp_path) == [(Decimal(2),)]


def test_a_lake_in_a_bucket_is_read_through_its_store_when_objects_are_asked_for(tmp_path: Path) -> None:
    lake = BucketLake(tmp_path / "bucket")
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))
    view = "select sql from duckdb_views() where view_name = 'checkpoint_objects'"

    ((sql,),) = facts(lake, snapshot, view, tmp_path)
    assert f"s3://lake/here/published/{snapshot.snapshot_id}/marts/checkpoint_objects.parquet" in str(sql)
    assert lake.fetched == [snapshot.warehouse]
    assert facts(lake, snapshot, OBJECTS, tmp_path) == [("runs/a_%;--", 7)]
    assert lake.fetched[-1].endswith("/marts/checkpoint_objects.parquet")


def test_a_build_that_is_no_database_is_explained(lake: LocalStore, tmp_path: Path) -> None:
    build = tmp_path / "warehouse.duckdb"
    build.write_bytes(b"not a database" * 1000)

    with pytest.raises(Terminal, match="cannot be published"):
        publish_build(lake, build)

    assert list(lake.list("published/")) == []


def test_snapshot_json_counts_the_rows_of_every_mart(lake: LocalStore, tmp_path: Path) -> None:
    snapshot = publish_build(lake, make_build(tmp_path / "build" / "warehouse.duckdb"))

    contents = json.loads(lake.read(f"published/{snapshot.snapshot_id}/snapshot.json"))
    assert contents["tables"] == {"checkpoint_objects": 1, "costs_daily": 1}
    assert contents["build_id"] == "abcdef0123456789"
