"""A night that several machines share: what one of them found, others land, and one of them finishes."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines import ingestion, raw, sources, steps
from pipelines.domain.deliveries import Delivery, Part
from pipelines.errors import NotFound
from pipelines.sources import observed
from pipelines.stores import LocalStore, Store

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 2)
SETTINGS = """\
lake: {lake}
engine: {{temp_directory: {machine}}}
sources: [{{name: train, kind: s3-inventory, uri: bucket/lists/train/daily, bucket: train}}]
endpoints: [{{match: "s3://*", endpoint_url: "{url}"}}]
"""

Machine = Callable[[str], steps.Run]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a function that opens the night on a machine of that name; all of them share a directory."""
    return lambda name: open_night(tmp_path, name, "lake")


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def bucket_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 endpoint on this machine with an empty bucket `lake`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="lake")
    yield url
    server.stop()


def open_night(directory: Path, name: str, lake: str, url: str = "http://127.0.0.1:1") -> steps.Run:
    config = directory / f"{name}.yaml"
    config.write_text(SETTINGS.format(lake=lake, machine=name, url=url))
    return steps.open_run(config, DAY, NOW)


def deliver(directory: Path, files: int, *, day: int = 20) -> list[Path]:
    """Write an inventory of that many files, each of one object, and return them."""
    home = directory / "bucket" / "lists" / "train" / "daily"
    (home / "data").mkdir(parents=True, exist_ok=True)
    paths, listed = [], []
    for number in range(files):
        path = home / "data" / f"{day}-{number}.csv.gz"
        row = f'"train","runs/{day}/{number}","5","2026-11-01T00:00:00.000Z","STANDARD"\n'
        path.write_bytes(gzip.compress(row.encode(), mtime=0))
        paths.append(path)
        body = path.read_bytes()
        key = path.relative_to(directory / "bucket").as_posix()
        listed.append({"key": key, "size": len(body), "MD5checksum": md5(body)})
    manifest = {
        "sourceBucket": "train",
        "destinationBucket": "arn:aws:s3:::lists",
        "version": "2016-11-30",
        "creationTimestamp": str(int(datetime(2026, 11, day, 1).timestamp() * 1000)),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, StorageClass",
        "files": listed,
    }
    folder = home / f"2026-11-{day}T01-00Z"
    folder.mkdir()
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.checksum").write_text(md5(text))
    return paths


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def contents(lake: Store) -> dict[str, bytes]:
    return {blob.key: lake.read(blob.key) for blob in lake.list("raw/")}


def share(machine: Machine) -> steps.IngestReport:
    """Do the night as Airflow does: each task on a machine of its own."""
    _, chunks = steps.find(machine("finder"), "train")
    for number, chunk in enumerate(chunks):
        steps.land(machine(f"worker-{number}"), chunk)
    return steps.finish(machine("finisher"), "train", chunks)


def test_many_machines_make_the_lake_that_one_makes(tmp_path: Path, machine: Machine, lake: Store) -> None:
    deliver(tmp_path, 5)
    report = share(machine)
    alone = open_night(tmp_path, "alone", "another-lake")
    assert (report.landed, report.rows) == (1, 5)
    assert steps.ingest(alone, "train").rows == 5
    assert contents(lake) == contents(alone.lake)


def test_a_lake_in_a_bucket_is_all_that_the_machines_share(tmp_path: Path, bucket_url: str) -> None:
    deliver(tmp_path, 3)
    report = share(lambda name: open_night(tmp_path, name, "s3://lake/moraine", bucket_url))
    assert (report.landed, report.rows) == (1, 3)
    assert not list(tmp_path.glob("worker-*/*")), "nothing is left on the workers"


def test_every_part_is_in_one_chunk(tmp_path: Path, machine: Machine) -> None:
    for day, files in ((18, 1), (19, 40), (20, 7)):
        deliver(tmp_path, files, day=day)
    _, chunks = steps.find(machine("finder"), "train")
    found: dict[str, list[int]] = {}
    for chunk in chunks:
        found.setdefault(chunk.delivery_id, []).extend(range(chunk.start, chunk.stop))
    assert list(found.values()) == [[0], list(range(40)), list(range(7))]
    assert len(chunks) <= ingestion.MOST_CHUNKS + 3


def test_a_delivery_without_files_lands_where_it_was_found(
    tmp_path: Path, machine: Machine, lake: Store
) -> None:
    deliver(tmp_path, 0)
    report, chunks = steps.find(machine("finder"), "train")
    assert (report.landed, report.rows, chunks) == (1, 0, [])
    assert len(raw.ledger(lake)) == 1


def test_what_a_service_answers_lands_where_it_was_asked(
    tmp_path: Path, machine: Machine, lake: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tmp_path, 1)
    asked = Delivery("train", "mlflow", "mlflow_versions", "answer", NOW, "c", "train", (Part(""),))
    monkeypatch.setattr(
        sources, "find", lambda place, _now: sources.Found((observed.keep(place, asked, []),))
    )
    report, chunks = steps.find(machine("finder"), "train")
    assert (report.landed, chunks) == (1, [])
    assert [entry.delivery_id for entry in raw.ledger(lake)] == ["answer"]


def test_what_has_landed_is_not_found_again(tmp_path: Path, machine: Machine) -> None:
    deliver(tmp_path, 2)
    share(machine)
    report, chunks = steps.find(machine("finder"), "train")
    assert (report.known, chunks) == (1, [])


def test_every_task_may_run_again(tmp_path: Path, machine: Machine, lake: Store) -> None:
    deliver(tmp_path, 2)
    _, chunks = steps.find(machine("finder"), "train")
    assert steps.find(machine("other"), "train")[1] == chunks
    for chunk in chunks * 2:
        steps.land(machine("worker"), chunk)
    reports = [steps.finish(machine("finisher"), "train", chunks) for _ in range(2)]
    once = contents(lake)
    for chunk in chunks:
        steps.land(machine("late"), chunk)
    assert reports[0] == reports[1] == steps.IngestReport("train", landed=1, rows=2)
    assert contents(lake) == once


def test_a_command_line_on_the_same_night_does_no_harm(tmp_path: Path, machine: Machine, lake: Store) -> None:
    deliver(tmp_path, 2)
    _, chunks = steps.find(machine("finder"), "train")
    steps.land(machine("worker"), chunks[0])
    assert steps.ingest(machine("person"), "train").landed == 1
    steps.land(machine("worker"), chunks[1])
    assert steps.finish(machine("finisher"), "train", chunks).landed == 1
    assert [entry.row_count for entry in raw.ledger(lake)] == [2]


def test_a_delivery_of_which_chunks_are_damaged_is_in_quarantine_once(
    tmp_path: Path, machine: Machine, lake: Store
) -> None:
    deliver(tmp_path, 1, day=19)
    files = deliver(tmp_path, 4)
    for path in files[1:3]:
        path.write_bytes(b"spoiled")
    _, chunks = steps.find(machine("finder"), "train")
    rejected = [steps.land(machine("worker"), chunk) for chunk in chunks]
    report = steps.finish(machine("finisher"), "train", chunks)
    assert [one is not None for one in rejected] == [False, False, True, True, False]
    assert (report.landed, len(report.quarantined)) == (1, 1)
    assert [entry.row_count for entry in raw.ledger(lake)] == [1]
    (told,) = steps.quarantined(machine("finisher"))
    assert told in rejected
    assert "20-1.csv.gz" in told.where or "20-2.csv.gz" in told.where


def test_a_delivery_that_was_mended_lands_in_the_next_night(
    tmp_path: Path, machine: Machine, lake: Store
) -> None:
    damaged = deliver(tmp_path, 3)[1]
    whole = damaged.read_bytes()
    damaged.write_bytes(b"spoiled")
    assert len(share(machine).quarantined) == 1
    damaged.write_bytes(whole)
    assert share(machine) == steps.IngestReport("train", landed=1, rows=3)
    assert steps.quarantined(machine("finisher")) == []
    assert len(raw.ledger(lake)) == 1


def test_a_damaged_delivery_is_no_worry_once_a_newer_one_has_landed(tmp_path: Path, machine: Machine) -> None:
    deliver(tmp_path, 1, day=19)[0].write_bytes(b"spoiled")
    share(machine)
    assert len(steps.quarantined(machine("finisher"))) == 1
    deliver(tmp_path, 1, day=20)
    share(machine)
    assert steps.quarantined(machine("finisher")) == []


def test_a_chunk_that_did_not_land_is_missed(tmp_path: Path, machine: Machine, lake: Store) -> None:
    deliver(tmp_path, 3)
    _, chunks = steps.find(machine("finder"), "train")
    for chunk in chunks[:-1]:
        steps.land(machine("worker"), chunk)
    with pytest.raises(NotFound, match="part 3 of 3 has not landed yet"):
        steps.finish(machine("finisher"), "train", chunks)
    assert raw.ledger(lake) == []


def test_only_what_was_found_tonight_is_finished(tmp_path: Path, machine: Machine, lake: Store) -> None:
    deliver(tmp_path, 1, day=19)
    _, before = steps.find(machine("finder"), "train")
    deliver(tmp_path, 1, day=20)
    _, tonight = steps.find(machine("finder"), "train")
    for chunk in tonight:
        steps.land(machine("worker"), chunk)
    steps.finish(machine("finisher"), "train", tonight[1:])
    assert [entry.delivery_id for entry in raw.ledger(lake)] == [tonight[1].delivery_id]
    assert tonight[0] == before[0]


def test_a_chunk_that_nobody_found_is_not_landed(tmp_path: Path, machine: Machine) -> None:
    deliver(tmp_path, 1)
    _, (chunk,) = steps.find(machine("finder"), "train")
    with pytest.raises(NotFound):
        steps.land(machine("worker"), replace(chunk, delivery_id="never-found"))
