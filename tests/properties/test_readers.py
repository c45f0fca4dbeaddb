"""Many read while nights are published: nobody sees half a snapshot, and whoever opens sees the newest."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines import retention, snapshots
from pipelines.domain.configuration import Retention
from pipelines.stores import LocalStore
from tests.fakes.warehouses import make_build, publish_build

ROOT = Path(__file__).parents[2]
SECONDS = 30
READERS = 4
ROWS = 5_000
FIRST_DAY = date(2026, 1, 1)

READER = """
import json, sys
from contextlib import closing
from pathlib import Path
from pipelines import published
from pipelines.stores import LocalStore

home = Path(sys.argv[1])
lake, told = LocalStore(home / "lake"), home / "told"
seen = {"opened": 0, "torn": [], "stale": [], "changed": []}
ALL = '''
    select distinct effective_cost::bigint from marts.costs_daily
    union select distinct cost::bigint from marts.checkpoint_objects
    union select as_of - date '2026-01-01' from reference.snapshot
'''

HELD = "select distinct effective_cost::bigint from marts.costs_daily"

def numbers(connection, query=ALL):
    return [number for number, in connection.execute(query).fetchall()]

held, held_number = None, None
while (newest := told.read_text()) != "over":
    snapshot = published.current(lake)
    connection = published.open_snapshot(lake, snapshot, home)
    found = numbers(connection)
    seen["opened"] += 1
    if len(found) != 1:
        seen["torn"].append([snapshot.snapshot_id, found])
    if max(found) < int(newest):
        seen["stale"].append([newest, found])
    if held is not None and numbers(held, HELD) != held_number:
        seen["changed"].append(held_number)
    if held is None or seen["opened"] % 50 == 0:
        if held is not None:
            held.close()
        held, held_number = connection, found
    else:
        connection.close()
print(json.dumps(seen))
"""
"""Opens what is current again and again, and keeps an old one open beside it."""


def test_readers_see_whole_snapshots_and_the_newest_of_them_while_others_are_published(
    tmp_path: Path,
) -> None:
    lake = LocalStore(tmp_path / "lake")
    publish(lake, tmp_path, 0)
    with reading(tmp_path) as readers:
        count = publish_for(SECONDS, lake, tmp_path)
        tell(tmp_path, "over")
        seen = [json.loads(reader.communicate()[0]) for reader in readers]

    assert [reader.returncode for reader in readers] == [0] * READERS
    wrong = [one for reader in seen for kind in ("torn", "stale", "changed") for one in reader[kind]]
    assert wrong == []
    # Otherwise nothing was tried.
    assert all(reader["opened"] > 10 for reader in seen)
    assert count > 10
    assert len(snapshots.find(lake)) < 60


def publish_for(seconds: float, lake: LocalStore, home: Path) -> int:
    """Publish night after night, and remove the old ones; return how many were published."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        publish(lake, home, number)
        retention.prune(lake, Retention(keep_days=30), datetime(2026, 1, 1) + timedelta(days=1_000))
    return number


def publish(lake: LocalStore, home: Path, number: int) -> None:
    """Publish the night of that number, then tell the readers."""
    day = FIRST_DAY + timedelta(days=number)
    build = make_build(home / "build" / "warehouse.duckdb", str(number), rows=ROWS)
    at = datetime(day.year, day.month, day.day, 12)
    publish_build(lake, build, f"{number:016x}", day=day, published_at=at)
    tell(home, str(number))


def tell(home: Path, what: str) -> None:
    (home / "told.new").write_text(what)
    (home / "told.new").replace(home / "told")


@contextmanager
def reading(home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Let processes read; they make way for whoever else needs this machine."""
    words = ["nice", sys.executable, "-c", READER, str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ExitStack() as running:
        started = [
            running.enter_context(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
            for _ in range(READERS)
        ]
        # Whatever happens meanwhile, they come to an end.
        running.callback(tell, home, "over")
        yield started
