"""`moraine publish` and `moraine snapshots …` as people and machines use them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines import cli, published
from pipelines.domain.snapshots import BuildMeta
from pipelines.gates.results import write_results
from pipelines.stores import LocalStore
from tests.fakes.warehouses import DAY, PASSED, make_build, put_snapshot

ROOT = Path(__file__).parents[3]
Answer = tuple[int, str, str]
Moraine = Callable[..., Answer]


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    (tmp_path / "moraine.yaml").write_text(
        "lake: lake\nengine: {temp_directory: tmp}\nsources: [{name: bill, kind: focus, uri: bills}]\n"
        "snapshots: {keep_days: 2, keep_month_ends: false}\n"
    )
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def moraine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Moraine:
    """Return a function that runs a command line in this process: exit code, output, messages."""

    def call(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["moraine", *words, "--config", str(tmp_path / "moraine.yaml")])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


def build(lake: LocalStore, day: date, name: str = "a", cost: str = "1") -> str:
    """Put a checked build where `moraine publish` finds it; return the id of its snapshot."""
    path = make_build(lake.root / "build" / str(day) / "warehouse.duckdb", cost)
    with closing(duckdb.connect(str(path))) as connection:
        write_results(connection, [PASSED])
    meta = BuildMeta(name * 16, day, "0.1.0")
    lake.write(f"build/{day}/build.json", json.dumps(meta.to_json()).encode())
    return f"{day}-{name * 12}"


def test_a_night_is_published_and_an_older_one_beside_it(lake: LocalStore, moraine: Moraine) -> None:
    newer, older = build(lake, DAY), build(lake, DAY - timedelta(days=1))

    code, _, said = moraine("publish", "--as-of", str(DAY))
    assert (code, said) == (0, f"published {newer}; next: moraine report\n")

    code, out, said = moraine("publish", "--as-of", str(DAY - timedelta(days=1)), "--json")
    assert code == 0
    assert json.loads(out)["snapshot_id"] == older
    assert f"published {older}; {newer} stays current: it is about a newer day" in said
    assert f"moraine snapshots rollback {older}" in said
    assert published.current(lake).snapshot_id == newer


def test_snapshots_are_listed_with_why_they_stay(lake: LocalStore, moraine: Moraine) -> None:
    newest = build(lake, DAY)
    moraine("publish", "--as-of", str(DAY))
    old = put_snapshot(lake, DAY - timedelta(days=9))

    _, out, _ = moraine("snapshots", "list")
    lines = [line.split("  ") for line in out.splitlines() if "2026-" in line]
    assert [old.snapshot_id in "".join(lines[0]), newest in "".join(lines[1])] == [True, True]
    assert "*" in out.splitlines()[-2]

    _, out, _ = moraine("snapshots", "list", "--json")
    listed = json.loads(out)
    assert [(one["snapshot_id"], one["is_current"]) for one in listed] == [
        (old.snapshot_id, False),
        (newest, True),
    ]
    assert listed[0]["kept_because"] == ["the one before it", "newest 2 days"]
    assert listed[1]["size_bytes"] > 100_000


def test_publishing_removes_what_nothing_keeps_and_says_when_it_cannot(
    lake: LocalStore, moraine: Moraine, caplog: pytest.LogCaptureFixture
) -> None:
    for ago in range(4, 0, -1):
        put_snapshot(lake, DAY - timedelta(days=ago))
    build(lake, DAY)
    lake.write("plans/p/plan.json", b"damaged")

    assert moraine("publish", "--as-of", str(DAY))[0] == 0
    assert "old snapshots stay: a plan cannot be read" in caplog.text
    code, _, said = moraine("snapshots", "prune")
    assert code == 1
    assert "plans/p/plan.json" in said

    (lake.root / "plans" / "p" / "plan.json").unlink()
    assert moraine("publish", "--as-of", str(DAY))[0] == 0
    _, out, _ = moraine("snapshots", "list", "--json")
    assert [one["as_of"] for one in json.loads(out)] == ["2026-11-18", "2026-11-19"]
    assert moraine("snapshots", "prune", "--json")[1] == '{\n  "removed": []\n}\n'


def test_somebody_goes_back(lake: LocalStore, moraine: Moraine) -> None:
    ids = [build(lake, DAY - timedelta(days=1)), build(lake, DAY)]
    for ago in (1, 0):
        moraine("publish", "--as-of", str(DAY - timedelta(days=ago)))

    code, out, said = moraine("snapshots", "rollback", "previous")
    assert (code, out, said) == (0, "", f"current is now {ids[0]}; before it was {ids[1]}\n")
    assert published.current(lake).snapshot_id == ids[0]
    assert "nothing was changed" in moraine("snapshots", "rollback", ids[0])[2]

    (lake.root / "published" / ids[1] / "snapshot.json").unlink()
    code, _, said = moraine("snapshots", "rollback", str(DAY))
    assert code == 4
    assert "not whole" in said
    assert moraine("snapshots", "rollback", "2025-01-01")[0] == 1
    assert published.current(lake).snapshot_id == ids[0]


def test_two_nights_are_compared(lake: LocalStore, moraine: Moraine) -> None:
    for ago, cost in ((1, "10"), (0, "12.5")):
        build(lake, DAY - timedelta(days=ago), cost=cost)
        moraine("publish", "--as-of", str(DAY - timedelta(days=ago)))

    code, out, said = moraine("snapshots", "diff", str(DAY - timedelta(days=1)), "current")
    assert code == 0
    assert "2026-11-18-aaaaaaaaaaaa to 2026-11-19-aaaaaaaaaaaa" in said
    assert "not compared: " in said

    code, out, _ = moraine("snapshots", "diff", "--json")
    found = json.loads(out)
    assert found["before"]["as_of"] == "2026-11-18"
    assert found["moved"] == []


PUBLISHER = """
import os, sys, signal
from pipelines import cli
from pipelines.stores import LocalStore

upload = LocalStore.upload
def waiting(store, path, key):
    if "warehouse.duckdb" in key:
        print("at work", flush=True)
        sys.stdin.readline()
    upload(store, path, key)

LocalStore.upload = waiting
cli.main()
"""
"""Stands still in the middle of a publication until it hears something."""


def test_two_publishers_at_once_are_told_apart(lake: LocalStore, moraine: Moraine, tmp_path: Path) -> None:
    first, second = build(lake, DAY), build(lake, DAY + timedelta(days=1))
    words = [sys.executable, "-c", PUBLISHER, "publish", "--as-of", str(DAY)]
    with subprocess.Popen(
        [*words, "--config", str(tmp_path / "moraine.yaml")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "at work\n"

        for day in (DAY, DAY + timedelta(days=1)):
            code, _, said = moraine("publish", "--as-of", str(day))
            assert code == 4
            assert f"process {other.pid}" in said
        assert moraine("snapshots", "rollback", "2026")[0] == 4
        assert moraine("snapshots", "prune")[0] == 4

        other.stdin.write("go on\n")
        other.stdin.close()
    assert other.returncode == 0
    assert published.current(lake).snapshot_id == first
    assert moraine("publish", "--as-of", str(DAY + timedelta(days=1)))[0] == 0
    assert published.current(lake).snapshot_id == second


def test_a_killed_publisher_keeps_nobody_out(lake: LocalStore, moraine: Moraine, tmp_path: Path) -> None:
    first = build(lake, DAY)
    words = [sys.executable, "-c", PUBLISHER, "publish", "--as-of", str(DAY)]
    with subprocess.Popen(
        [*words, "--config", str(tmp_path / "moraine.yaml")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "at work\n"
        os.kill(other.pid, signal.SIGKILL)

    assert moraine("publish", "--as-of", str(DAY))[0] == 0
    assert published.current(lake).snapshot_id == first
