"""`moraine-lifecycle apply` killed with SIGKILL on its way: run again, it finishes; nothing is done twice."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from lifecycle import steps
from lifecycle.providers import CANARY_PREFIX

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

PATIENCE_SECONDS = 60
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
"""The command under test reads the clock; a plan is valid for a day."""


class Gate:
    """Counts the changes that pass, and holds the n-th: before the store has it, or before it answers."""

    def __init__(self, at: int, when: str) -> None:
        self.at, self.when = at, when
        self.begun = 0
        self.effects: Counter[str] = Counter()
        self.is_held, self.is_open = threading.Event(), threading.Event()
        self._counting = threading.Lock()

    def open(self) -> None:
        self.at = 0
        self.is_open.set()

    def begin(self) -> int:
        with self._counting:
            self.begun += 1
            return self.begun

    def had_effect(self, key: str) -> None:
        with self._counting:
            self.effects[key] += 1

    def hold(self, number: int, when: str) -> bool:
        """Wait at the n-th change, and with all that comes later: a kill finds the same state each time."""
        is_later = 0 < self.at < number and when == "before"
        is_it = number > 0 and (number, when) == (self.at, self.when)
        if is_it:
            self.is_held.set()
        return (is_it or is_later) and self.is_open.wait(PATIENCE_SECONDS)


class Proxy(ThreadingHTTPServer):
    """Forwards everything to the endpoint, through the gate."""

    daemon_threads = True

    def __init__(self, url: str, gate: Gate) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.place, self.gate = urlsplit(url), gate


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def forward(self) -> None:
        gate, sent = self.server.gate, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        keys = self.changed(sent)
        number = gate.begin() if keys else 0
        if gate.hold(number, "before"):
            # Whoever asked is dead by now; a request that never left reaches nobody.
            self.close_connection = True
            return
        answer, body = self.ask(sent)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            for key in keys:
                gate.had_effect(key)
        gate.hold(number, "after")
        self.reply(answer, body)

    def changed(self, sent: bytes) -> list[str]:
        """Return the keys that a request changes, but for those of canaries."""
        path, _, query = self.path.partition("?")
        is_copy = self.command == "PUT" and "x-amz-copy-source" in self.headers
        keys = [path.removeprefix("/acme-training/")] if self.command == "DELETE" or is_copy else []
        if self.command == "POST" and "delete" in query:
            keys = [key.decode() for key in re.findall(rb"<Key>([^<]*)</Key>", sent)]
        return [key for key in keys if not key.startswith(CANARY_PREFIX)]

    def ask(self, sent: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        place = self.server.place
        upstream = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE_SECONDS)
        upstream.request(self.command, self.path, sent, dict(self.headers))
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        return answer, body

    def reply(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        try:
            self.send_response(answer.status)
            for name, text in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    # The names that http.server calls.
    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def gated(url: str, gate: Gate) -> Iterator[str]:
    server = Proxy(url, gate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        gate.open()
        server.shutdown()
        server.server_close()
        thread.join()


def command(lab: Lab, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lifecycle.cli", *words, "--config", str(lab.home / "moraine.yaml"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AWS_MAX_ATTEMPTS": "1"},
    )


def fill(lab: Lab) -> None:
    for step in (100, 200):
        lab.save(step, 120 - step / 10)
    for step in (300, 400):
        lab.save(step, 60 - step / 20)
    lab.save(500, 10)


@pytest.mark.parametrize(
    "at, when", [(2, "before"), (5, "after")], ids=["before-it-was-sent", "after-it-was-done"]
)
def test_a_killed_apply_run_again_finishes_with_nothing_done_twice(
    serve: Callable[..., Lab], at: int, when: str
) -> None:
    lab = serve(fill, as_of=YESTERDAY)
    plan = lab.approved()
    changes = sum(line.action_count for line in lab.lines(plan))
    gate = Gate(at, when)
    with gated(lab.url, gate) as url:
        lab.url = url
        assert lab.config.exists()
        first = command(lab, "apply", plan)
        assert gate.is_held.wait(PATIENCE_SECONDS), first.communicate()[1]
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert first.returncode == -signal.SIGKILL
        # Several requests are under way at a time, and one may delete many objects.
        assert sum(gate.effects.values()) < changes
        gate.open()
        second = command(lab, "apply", plan)
        said, complaints = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, complaints
    assert json.loads(said)["is_finished"]
    assert len(gate.effects) == changes
    assert set(gate.effects.values()) == {1}
    assert steps.verify(lab.run(), plan).is_clean


@pytest.mark.parametrize("moment", ["after", "torn"])
def test_killed_at_every_write_of_the_journal_everything_is_done_once(
    serve: Callable[..., Lab], moment: str
) -> None:
    lab = serve(fill_versioned, as_of=YESTERDAY)
    plan = lab.approved()
    dying = Path(__file__).with_name("dying_applies.py")
    words = [sys.executable, str(dying), str(lab.config), plan, moment]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS * 5)
    assert said.returncode == 0, said.stderr
    deaths = json.loads(said.stdout)["deaths"]
    # Of each of two requests an intent and an outcome; a torn one is written again by the next process.
    assert deaths >= 4 - (moment == "torn")
    markers = [v for v in lab.provider.versions("acme-datasets", "runs/") if v.is_delete_marker]
    gone = {key for made in lab.saves[:-1] for key in made.keys}
    assert sorted(marker.key for marker in markers) == sorted(gone)
    assert set(lab.results(plan).values()) == {"done"}
    assert steps.verify(lab.run(), plan).is_clean


def fill_versioned(lab: Lab) -> None:
    for step in (100, 200):
        lab.save(step, 120 - step / 10, bucket="acme-datasets")
    lab.save(500, 10, bucket="acme-datasets")
