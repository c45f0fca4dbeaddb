"""Applying a clean-up: CPU of the client for each delete and each archive copy, and what journaling adds.

    python -m tests.bench.applying [--objects 50000] [--repeats 5]

The store is a canned endpoint on loopback in a process of its own. CPU of this process alone, all threads;
medians of cases that take turns; ratios are what to quote. Making a client and opening its first connection
is not counted: it is done once, whatever follows. Copies are asked for by as many threads as apply has.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import SimpleNamespace
from typing import IO, Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from lifecycle.apply.chunk import WORKERS, Hand, apply_chunk
from lifecycle.apply.pace import Paces
from lifecycle.apply.survey import Survey
from lifecycle.model import Action, BucketCapability, Line, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import BATCH, ClassChange, GcsProvider, ObjectState, S3Provider, Target
from lifecycle.records.journal import Journal, Outcome, open_journal
from pipelines.domain.configuration import Endpoint

BUCKET = "bench"
ETAG = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 11, 21, 6, tzinfo=UTC).replace(tzinfo=None)
MIB = 1024**2
CHUNK = "chunk-00000"
_COLUMNS = [field.name for field in fields(Action)]
_CALL_ID = re.compile(rb"Content-ID: (\S+)")
_EXCLUDED: list[float] = []
"""CPU seconds of making a case's input."""
_PLAN = cast("Plan", SimpleNamespace(policy=SimpleNamespace(keep=SimpleNamespace(min_complete_per_run=0))))
"""All that the survey asks a plan for."""
GENERATION = "1700000000000000"
Made = TypeVar("Made")
Case = Callable[[str, Sequence[Action], Path], None]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--copies", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve()
        return
    deletes, copies = _deletes(arguments.objects), _copies(arguments.copies)
    with _credentials(), _server() as url:
        _show(
            f"{arguments.objects:,} deletes, in batches",
            _measured(DELETES, url, deletes, arguments.repeats),
        )
        _show(f"{arguments.copies:,} archive copies", _measured(COPIES, url, copies, arguments.repeats))
        _tell_journal("deletes with their survey", url, deletes, arguments.repeats)
        _tell_journal("archive copies with their survey", url, copies, arguments.repeats)


def batches_alone(url: str, actions: Sequence[Action], _: Path) -> None:
    """The provider's conditional batches and nothing around them."""
    provider = _uncounted(lambda: _provider(url))
    for first in range(0, len(actions), BATCH):
        targets = [Target(action.object_key, action.token) for action in actions[first : first + BATCH]]
        provider.delete_batch(BUCKET, targets)


def google_batches(url: str, actions: Sequence[Action], _: Path) -> None:
    """The same on Cloud Storage: a hundred calls in a request, each with the generation it has to be."""
    provider = _uncounted(lambda: _google(url))
    for first in range(0, len(actions), BATCH):
        targets = [Target(action.object_key, GENERATION) for action in actions[first : first + BATCH]]
        answers = provider.delete_batch(BUCKET, targets)
        if any(answer.result != "done" for answer in answers):
            raise SystemExit("not everything was done")


def client_batches(url: str, actions: Sequence[Action], _: Path) -> None:
    """boto3's own delete_objects with the same conditions."""
    client = _uncounted(lambda: _client(url))
    for first in range(0, len(actions), BATCH):
        chosen = actions[first : first + BATCH]
        client.delete_objects(
            Bucket=BUCKET,
            Delete={"Objects": [{"Key": action.object_key, "ETag": action.token} for action in chosen]},
        )


def without_journal(url: str, actions: Sequence[Action], _: Path) -> None:
    """A chunk, with a journal that remembers and writes nothing."""
    apply_chunk(CHUNK, actions, _Silent(), _hand(url), {})


def with_journal(url: str, actions: Sequence[Action], home: Path) -> None:
    """A chunk, every line on disk before going on."""
    with open_journal(home / "chunk-00000.jsonl") as journal:
        report = apply_chunk(CHUNK, actions, journal, _hand(url), {})
    if not report.is_clean:
        raise SystemExit(f"not everything was done: {report}")


def whole_without_journal(url: str, actions: Sequence[Action], home: Path) -> None:
    """Reading the actions, listing and comparing every checkpoint, and deleting; no journal."""
    directory, hand = _planned(home, actions), _hand(url)
    found = tuple(directory.actions(CHUNK))
    left_out = _survey(directory, hand).of(CHUNK, found, {})
    apply_chunk(CHUNK, found, _Silent(), hand, left_out)


def whole(url: str, actions: Sequence[Action], home: Path) -> None:
    """The same, every line on disk before going on."""
    directory, hand = _planned(home, actions), _hand(url)
    found = tuple(directory.actions(CHUNK))
    left_out = _survey(directory, hand).of(CHUNK, found, {})
    with open_journal(directory.receipts(CHUNK)) as journal:
        report = apply_chunk(CHUNK, found, journal, hand, left_out)
    if not report.is_clean:
        raise SystemExit(f"not everything was done: {report}")


def client_copies(url: str, actions: Sequence[Action], _: Path) -> None:
    """boto3's own copy_object with the same conditions."""
    client = _uncounted(lambda: _client(url))
    _by_threads(partial(_copy, client), actions)


def client_heads_and_copies(url: str, actions: Sequence[Action], _: Path) -> None:
    """The same after a head_object, which says what a copy would lose."""
    client = _uncounted(lambda: _client(url))

    def head_and_copy(action: Action) -> None:
        client.head_object(Bucket=BUCKET, Key=action.object_key)
        _copy(client, action)

    _by_threads(head_and_copy, actions)


def copies_alone(url: str, actions: Sequence[Action], _: Path) -> None:
    """The provider's conditional copies; what they carry over is known."""
    provider = _uncounted(lambda: _provider(url))

    def change(action: Action) -> None:
        state = ObjectState(action.object_key, ETAG, MIB, AT, "STANDARD")
        provider.change_class(BUCKET, state, ClassChange("GLACIER_IR", ETAG, ETAG))

    _by_threads(change, actions)


DELETES: Mapping[str, Case] = {
    "batches alone": batches_alone,
    "batches alone, Cloud Storage": google_batches,
    "boto3's delete_objects": client_batches,
    "apply, no journal": without_journal,
    "apply": with_journal,
    "apply and its survey, no journal": whole_without_journal,
    "apply and its survey": whole,
}
COPIES: Mapping[str, Case] = {
    "boto3's copy_object": client_copies,
    "copies alone": copies_alone,
    "boto3's head_object and copy_object": client_heads_and_copies,
    "apply, no journal": without_journal,
    "apply": with_journal,
}


class _Metered(Journal):
    """Knows what it cost, in CPU seconds of the threads that wrote into it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, {})
        self.seconds: list[float] = []

    def intend_all(self, actions: Sequence[Action], at: datetime) -> None:
        """Say what is about to be changed."""
        begun = time.thread_time()
        super().intend_all(actions, at)
        self.seconds.append(time.thread_time() - begun)

    def conclude_all(self, outcomes: Sequence[Outcome], at: datetime) -> None:
        """Say what came of many."""
        begun = time.thread_time()
        super().conclude_all(outcomes, at)
        self.seconds.append(time.thread_time() - begun)


class _Silent(Journal):
    """Remembers how actions stand; nothing reaches a disk."""

    def __init__(self) -> None:
        super().__init__(sys.stderr.buffer, {})

    def intend_all(self, actions: Sequence[Action], at: datetime) -> None:
        """Remember."""
        del at
        self._standing.update({action.action_id: "begun" for action in actions})

    def conclude_all(self, outcomes: Sequence[Outcome], at: datetime) -> None:
        """Remember."""
        del at
        self._standing.update({outcome.action.action_id: outcome.result for outcome in outcomes})


class _Directory(PlanDirectory):
    """A plan's directory with a file of actions; its lines are in memory."""

    def __init__(self, path: Path, actions: Sequence[Action]) -> None:
        super().__init__(path)
        (path / "actions").mkdir()
        columns = {name: [getattr(action, name) for action in actions] for name in _COLUMNS}
        pq.write_table(pa.table(columns), path / "actions" / f"{CHUNK}.parquet")
        self._lines_of = [_line(uri) for uri in dict.fromkeys(action.checkpoint_id for action in actions)]

    def lines(self, chunk: str | None = None) -> Iterator[Line]:
        """Yield a line for each checkpoint."""
        del chunk
        return iter(self._lines_of)

    def staying(self, place: str, run: str) -> Iterator[Line]:
        """Yield nothing: all of these checkpoints go."""
        del place, run
        return iter(())

    def remaining(self, checkpoints: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return nothing: all of these checkpoints go."""
        del checkpoints
        return {}


def _uncounted(make: Callable[[], Made]) -> Made:
    """Return what a case begins with; making it is none of its cost."""
    begun = time.process_time()
    made = make()
    _EXCLUDED.append(time.process_time() - begun)
    return made


def _planned(home: Path, actions: Sequence[Action]) -> _Directory:
    # Writing the plan is no part of applying it.
    return _uncounted(lambda: _Directory(home, actions))


def _by_threads(ask: Callable[[Action], None], actions: Sequence[Action]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(ask, actions):
            pass


def _copy(client: Any, action: Action) -> None:  # noqa: ANN401  (boto3's client)
    client.copy_object(
        Bucket=BUCKET,
        Key=action.object_key,
        CopySource={"Bucket": BUCKET, "Key": action.object_key},
        CopySourceIfMatch=ETAG,
        IfMatch=ETAG,
        StorageClass="GLACIER_IR",
        MetadataDirective="COPY",
        TaggingDirective="COPY",
    )


def _survey(directory: _Directory, hand: Hand) -> Survey:
    return Survey(hand.clouds, _PLAN, directory, AT.date(), hand.workers)


def _line(uri: str) -> Line:
    run = uri.removeprefix(f"s3://{BUCKET}/").rpartition("/")[0]
    return Line(uri, uri, BUCKET, run, 1, "complete", "delete", "", "", 100, 0, Decimal(0))


def _deletes(count: int) -> list[Action]:
    """Checkpoints of 100 objects, as they are: a marker, then shards."""
    return [
        _action(
            number, f"team/run-{number // 10_000}/checkpoint-{number // 100}", number % 100 == 0, "delete"
        )
        for number in range(count)
    ]


def _copies(count: int) -> list[Action]:
    return [
        _action(number, f"team/run/checkpoint-{number // 10}", False, "archive") for number in range(count)
    ]


def _action(number: int, folder: str, is_marker: bool, kind: str) -> Action:  # noqa: FBT001  (rows of a table)
    return Action(
        f"{number // 1_000_000:05d}-{number % 1_000_000:06d}",
        "delete" if kind == "delete" else "archive",
        "s3",
        BUCKET,
        f"{folder}/{_file(number % 100)}",
        None,
        ETAG,
        MIB,
        AT,
        "STANDARD",
        "" if kind == "delete" else "GLACIER_IR",
        f"s3://{BUCKET}/{folder}",
        "delete-batch-if-match" if kind == "delete" else "copy-in-place",
        is_marker,
    )


def _file(number: int) -> str:
    return f"model-{number:05d}-of-00100.safetensors"


def _hand(url: str) -> Hand:
    provider = _uncounted(lambda: _provider(url))
    capability = BucketCapability(BUCKET, "off", *(True, True, True, True), delete_batch=True)
    return Hand(
        {"s3": provider},
        lambda: AT,
        capabilities={capability.place: capability},
        paces=Paces(time.monotonic),
        pause=lambda _seconds: None,
    )


def _provider(url: str) -> S3Provider:
    provider = S3Provider((Endpoint(match="*", endpoint_url=url),))
    provider.has_acls(BUCKET)
    return provider


def _google(url: str) -> GcsProvider:
    provider = GcsProvider((Endpoint(match="*", endpoint_url=url),))
    provider.settings(BUCKET)
    return provider


def _client(url: str) -> Any:  # noqa: ANN401  (boto3's client)
    connections = Config(max_pool_connections=WORKERS)
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=connections)
    client.get_bucket_ownership_controls(Bucket=BUCKET)
    return client


def _measured(
    cases: Mapping[str, Case], url: str, actions: Sequence[Action], repeats: int
) -> dict[str, float]:
    """Return the median microseconds of CPU for each object."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for name, case in cases.items():
        _timed(partial(case, url, actions[:100]))
        del name
    for _ in range(repeats):
        for name, case in cases.items():
            _EXCLUDED.clear()
            seconds = _timed(partial(case, url, actions)) - sum(_EXCLUDED)
            taken[name].append(seconds / len(actions) * 1e6)
    return {name: statistics.median(found) for name, found in taken.items()}


def _tell_journal(title: str, url: str, actions: Sequence[Action], repeats: int) -> None:
    """Measure the journal inside the very run that it belongs to: no two runs are compared."""
    shares: list[tuple[float, float]] = []
    for _ in range(max(3, repeats)):
        _EXCLUDED.clear()
        metered: list[float] = []
        total = _timed(partial(_whole_metered, url, actions, metered)) - sum(_EXCLUDED)
        journal = sum(metered)
        shares.append((journal / (total - journal), journal / len(actions) * 1e6))
    shares.sort()
    share, cost = shares[len(shares) // 2]
    lowest, highest = shares[0][0], shares[-1][0]
    sys.stdout.write(
        f"{title}: the journal takes {cost:.1f} µs an object, {share:.1%} of all else "
        f"({lowest:.1%} to {highest:.1%}, {len(shares)} runs)\n"
    )


def _whole_metered(url: str, actions: Sequence[Action], metered: list[float], home: Path) -> None:
    directory, hand = _planned(home, actions), _hand(url)
    found = tuple(directory.actions(CHUNK))
    left_out = _survey(directory, hand).of(CHUNK, found, {})
    with (home / "metered.jsonl").open("ab", buffering=0) as file:
        journal = _Metered(file)
        apply_chunk(CHUNK, found, journal, hand, left_out)
    metered.extend(journal.seconds)


def _timed(case: Callable[[Path], None]) -> float:
    with TemporaryDirectory(prefix="moraine-bench-") as directory:
        begun = time.process_time()
        case(Path(directory))
        return time.process_time() - begun


def _show(title: str, measured: Mapping[str, float]) -> None:
    table = Table(title=f"{title}: CPU of the client")
    first = next(iter(measured))
    for column in ("case", "µs an object", f"against {first}"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for name, value in measured.items():
        table.add_row(name, f"{value:,.1f}", f"{value / measured[first]:.2f}")
    Console(width=100).print(table)


@contextmanager
def _credentials() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(
        AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_EC2_METADATA_DISABLED="true"
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _server() -> Iterator[str]:
    words = [sys.executable, "-m", "tests.bench.applying", "--serve"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            # It serves until its input ends.
            process.communicate()


def _serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Canned)
    server.daemon_threads = True
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def _page(prefix: str) -> bytes:
    """Return the listing of a checkpoint's folder; of anything else, that there is nothing."""
    numbers = range(100) if "/checkpoint-" in prefix and prefix.endswith("/") else ()
    entries = "".join(
        f"<Contents><Key>{prefix}{_file(number)}</Key><LastModified>2026-11-21T06:00:00.000Z</LastModified>"
        f"<ETag>&quot;{ETAG}&quot;</ETag><Size>{MIB}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in numbers
    )
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        f"{entries}</ListBucketResult>"
    ).encode()


def _google_answers(body: bytes) -> bytes:
    """Return what Cloud Storage answers to a batch of deletes, all of them done."""
    parts = [
        b"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-%s>\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n\r\n" % number.strip(b"<>")
        for number in _CALL_ID.findall(body)
    ]
    return b"".join(parts) + b"--batch_x--\r\n"


class _Canned(BaseHTTPRequestHandler):
    """Answers what S3 would, whatever is asked for."""

    protocol_version = "HTTP/1.1"
    _KEYS = re.compile(rb"<Key>[^<]*</Key>")
    _COPIED = (
        f'<?xml version="1.0"?><CopyObjectResult><ETag>&quot;{ETAG}&quot;</ETag>'
        "<LastModified>2026-11-21T06:00:00.000Z</LastModified></CopyObjectResult>"
    ).encode()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/batch/"):
            self._answer(_google_answers(body), "multipart/mixed; boundary=batch_x")
            return
        gone = b"".join(b"<Deleted>" + key + b"</Deleted>" for key in self._KEYS.findall(body))
        self._answer(
            b'<?xml version="1.0"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            + gone
            + b"</DeleteResult>"
        )

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self._COPIED)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{ETAG}"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 06:00:00 GMT")
        self.send_header("Content-Length", str(MIB))
        self.send_header("Content-Type", "binary/octet-stream")
        self.end_headers()

    def do_GET(self) -> None:
        if self.path.startswith("/storage/v1/"):
            self._answer(b'{"kind": "storage#bucket", "name": "bench"}', "application/json")
            return
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" in asked:
            self._answer(_page(asked.get("prefix", [""])[0]))
            return
        if "tagging" in asked:
            self._answer(b'<?xml version="1.0"?><Tagging><TagSet></TagSet></Tagging>')
            return
        self._answer(
            b'<?xml version="1.0"?><OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced'
            b"</ObjectOwnership></Rule></OwnershipControls>"
        )

    def _answer(self, body: bytes, kind: str = "application/xml") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
