"""`moraine ingest` killed with SIGKILL while it reads small files: run again, it reads all of them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines import raw, steps
from pipelines.sources.checkpoint_states import TABLE
from tests.contract import deliveries as made

PATIENCE_SECONDS = 60
RUNS = 40
DAY = datetime(2026, 11, 20)


class Bucket(ThreadingHTTPServer):
    """The bucket `train` on this machine: it holds the n-th request, and all later ones."""

    daemon_threads = True

    def __init__(self, hold_at: int) -> None:
        super().__init__(("127.0.0.1", 0), Reply)
        self.hold_at = hold_at
        self.asked: list[str] = []
        self.is_held, self.is_open = threading.Event(), threading.Event()
        self._counting = threading.Lock()

    def pass_gate(self, key: str) -> None:
        with self._counting:
            self.asked.append(key)
            is_held = 0 < self.hold_at <= len(self.asked)
        if is_held:
            self.is_held.set()
            self.is_open.wait(PATIENCE_SECONDS)

    def open(self) -> None:
        self.hold_at = 0
        self.is_open.set()


class Reply(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_GET(self) -> None:
        self.server.pass_gate(self.path.removeprefix("/train/"))
        try:
            self.send_response(200)
            self.send_header("ETag", '"tag"')
            self.send_header("Content-Length", "12")
            self.end_headers()
            self.wfile.write(b"global_step1")
        except OSError:
            # Who asked is dead.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(hold_at: int) -> Iterator[Bucket]:
    server = Bucket(hold_at)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.open()
        server.shutdown()
        server.server_close()
        thread.join()


def deliver(home: Path, url: str) -> Path:
    inventory = made.s3_inventory("CSV")
    keys = [f"runs/{number}/{leaf}" for number in range(RUNS) for leaf in ("latest", "global_step1/x.pt")]
    inventory.deliver(home / "lists", 1, made.objects(*keys)).settle()
    config = home / "moraine.yaml"
    source = inventory.settings(home / "lists").replace("{name:", "{read_states: true, name:")
    config.write_text(
        f"lake: lake\nengine: {{temp_directory: scratch}}\nsources: [{source}]\n"
        f'endpoints: [{{match: "s3://*", endpoint_url: "{url}"}}]\n'
    )
    return config


def ingest(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pipelines.cli",
            "ingest",
            "--config",
            str(config),
            "--as-of",
            str(DAY.date()),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_MAX_ATTEMPTS": "1",
        },
    )


def landed(config: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the tables that are whole in the lake, and what was read of the small files."""
    run = steps.open_run(config, DAY.date(), DAY)
    entries = raw.ledger(run.lake)
    rows = [
        row
        for entry in entries
        if entry.table == TABLE
        for key in entry.files
        for row in pq.read_table(run.lake.fetch(key, config.parent)).to_pylist()
    ]
    return sorted(entry.table for entry in entries), rows


@pytest.mark.parametrize("at", [1, RUNS // 2], ids=["at-the-first-request", "half-way"])
def test_a_night_killed_while_it_reads_small_files_leaves_none_and_the_next_reads_all(
    tmp_path: Path, at: int
) -> None:
    with serving(at) as bucket:
        config = deliver(tmp_path, f"http://127.0.0.1:{bucket.server_port}")
        first = ingest(config)
        assert bucket.is_held.wait(PATIENCE_SECONDS), first.communicate()[1]
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert first.returncode == -signal.SIGKILL
        assert landed(config) == (["s3_inventory"], []), "a part of what they say would pass for all of it"

        bucket.open()
        bucket.asked.clear()
        second = ingest(config)
        _, complaints = second.communicate(timeout=PATIENCE_SECONDS)

    assert second.returncode == 0, complaints
    tables, rows = landed(config)
    assert tables == [TABLE, "s3_inventory"]
    told = {(row["object_key"], row["status"], row["latest_value"]) for row in rows}
    assert told == {(f"runs/{number}/latest", "read", "global_step1") for number in range(RUNS)}
    assert sorted(bucket.asked) == sorted(f"runs/{number}/latest" for number in range(RUNS))
