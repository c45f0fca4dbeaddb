"""Small files of checkpoints, asked for once the list of their bucket has landed."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from pipelines import raw, steps
from pipelines.domain.configuration import Endpoint, Source
from pipelines.domain.uris import BucketUri
from pipelines.errors import Terminal, Transient
from pipelines.sources import checkpoint_states, state_candidates
from pipelines.sources.checkpoint_states import TABLE
from pipelines.stores import GcsStore, S3Store, Version, gcs_client
from tests.fakes.gcs import Clock, GcsServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime(2026, 11, 21, 2)
SETTINGS = """\
lake: {lake}
engine: {{temp_directory: scratch}}
sources: [{{name: train, kind: s3-inventory, uri: "{uri}", bucket: train{more}}}]
endpoints: [{{match: "s3://*", endpoint_url: "{url}"}}]
"""
STATE = {"global_step": 500, "best_model_checkpoint": "/job/out/checkpoint-500", "log_history": []}

Row = dict[str, Any]


@dataclass
class Night:
    """A bucket with its inventory, and the nights that read them."""

    directory: Path
    url: str
    s3: "S3Client"
    gets: list[str] = field(default_factory=list)
    hours: dict[str, int] = field(default_factory=dict)

    def put(self, objects: Mapping[str, bytes]) -> None:
        for key, body in objects.items():
            self.s3.put_object(Bucket="train", Key=key, Body=body)

    def list_it(self, day: int = 20, **changes: object) -> None:
        """Deliver an inventory of what the bucket holds now."""
        found = self.s3.list_objects_v2(Bucket="train").get("Contents", [])
        rows = "".join(
            f'"train","{each["Key"]}","{changes.get("size", each["Size"])}",'
            f'"2026-11-01T{self.hours.get(each["Key"], 0):02d}:00:00.000Z",'
            f"{changes.get('etag', each['ETag'])}\n"
            for each in found
        )
        body = gzip.compress(rows.encode(), mtime=0)
        home = f"lists/train/daily/2026-11-{day}T01-00Z"
        manifest = {
            "sourceBucket": "train",
            "destinationBucket": "arn:aws:s3:::lists",
            "version": "2016-11-30",
            "creationTimestamp": str(int(datetime(2026, 11, day, 1).timestamp() * 1000)),
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
            "files": [{"key": f"{home}.csv.gz", "size": len(body), "MD5checksum": md5(body)}],
        }
        text = json.dumps(manifest).encode()
        written = {
            f"{home}.csv.gz": body,
            f"{home}/manifest.json": text,
            f"{home}/manifest.checksum": md5(text).encode(),
        }
        for key, data in written.items():
            self.s3.put_object(Bucket="lists", Key=key, Body=data)
            path = self.directory / "lists" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def run(self, *, day: int = 20, lake: str = "lake", uri: str = "", more: str = "") -> steps.Run:
        config = self.directory / "moraine.yaml"
        place = uri or "s3://lists/lists/train/daily"
        config.write_text(SETTINGS.format(lake=lake, uri=place, url=self.url, more=more))
        return steps.open_run(config, date(2026, 11, day), NOW.replace(day=day + 1))

    def ingest(self, **how: Any) -> tuple[steps.IngestReport, list[Row]]:  # noqa: ANN401  (passed on)
        run = self.run(**how)
        report = steps.ingest(run, "train")
        return report, self.rows(run)

    def rows(self, run: steps.Run) -> list[Row]:
        """Return what the newest delivery of state files says."""
        entries = sorted(raw.ledger(run.lake, f"{TABLE}/"), key=lambda entry: entry.delivered_at)
        if not entries:
            return []
        scratch = self.directory / "looked-at"
        return [
            row
            for key in entries[-1].files
            for row in pq.read_table(run.lake.fetch(key, scratch)).to_pylist()
        ]


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """An S3 endpoint on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def night(tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Night:
    """The buckets `train`, `lists` and `lake`, all empty; reads of state files are written down."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    httpx.post(f"{s3_url}/moto-api/reset")
    client = boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1")
    for bucket in ("train", "lists", "lake"):
        client.create_bucket(Bucket=bucket)
    opened = Night(tmp_path, s3_url, client)
    write_down_reads(opened, monkeypatch)
    return opened


def write_down_reads(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    peek: Callable[[S3Store, str, int], Version] = S3Store.peek

    def written_down(store: S3Store, key: str, most_bytes: int) -> Version:
        night.gets.append(key)
        return peek(store, key, most_bytes)

    monkeypatch.setattr(S3Store, "peek", written_down)


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def of(rows: list[Row], key: str, framework: str) -> Row:
    [row] = [row for row in rows if (row["object_key"], row["framework"]) == (key, framework)]
    return row


def test_what_a_run_wrote_down_lands_beside_its_list(night: Night) -> None:
    night.put(
        {
            "runs/a/checkpoint-500/trainer_state.json": json.dumps(STATE).encode(),
            "runs/a/checkpoint-500/model.safetensors": b"x",
            "runs/b/latest": b"global_step3000\n",
        }
    )
    night.list_it()
    report, rows = night.ingest()
    assert (report.landed, report.warnings) == (3, ())
    best = of(rows, "runs/a/checkpoint-500/trainer_state.json", "hf_trainer")
    assert (best["status"], best["best_value"], best["latest_value"]) == (
        "read",
        "/job/out/checkpoint-500",
        None,
    )
    assert best["subject_directory"] == "runs/a/checkpoint-500/"
    assert of(rows, "runs/b/latest", "deepspeed")["latest_value"] == "global_step3000"
    assert sorted(night.gets) == ["runs/a/checkpoint-500/trainer_state.json", "runs/b/latest"]


def test_what_is_known_by_its_etag_is_not_asked_for_again(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1", "runs/b/latest": b"global_step1"})
    night.list_it(19)
    night.ingest(day=19)
    night.put({"runs/b/latest": b"global_step2"})
    night.list_it(20)
    night.gets.clear()
    _, rows = night.ingest(day=20)
    assert night.gets == ["runs/b/latest"]
    first, second = of(rows, "runs/a/latest", "deepspeed"), of(rows, "runs/b/latest", "deepspeed")
    assert (first["status"], first["latest_value"], first["read_at"]) == (
        "unchanged",
        "global_step1",
        NOW.replace(day=20),
    )
    assert first["listed_at"] == second["listed_at"]
    assert (second["status"], second["latest_value"]) == ("read", "global_step2")


def test_a_night_that_runs_again_lands_nothing_new(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()
    first, rows = night.ingest()
    again, same = night.ingest()
    assert (first.landed, again.landed) == (3, 0)
    assert rows == same


def test_without_an_etag_in_the_list_every_night_asks(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it(etag="")
    assert of(night.ingest()[1], "runs/a/latest", "deepspeed")["status"] == "read"
    night.ingest()
    assert night.gets == ["runs/a/latest"] * 2


def test_what_changed_since_it_was_listed_says_so_and_is_asked_for_again(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()
    night.put({"runs/a/latest": b"global_step2"})
    for _ in range(2):
        row = of(night.ingest()[1], "runs/a/latest", "deepspeed")
        assert (row["status"], row["latest_value"]) == ("changed", "global_step2")
    assert len(night.gets) == 2


def test_files_that_say_nothing_are_rows_and_a_warning_and_no_failure(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_states, "MOST_BYTES", dict.fromkeys(("text", "textproto", "json"), 20))
    night.put(
        {
            "runs/gone/latest": b"global_step1",
            "runs/huge/latest": b"x" * 21,
            "runs/grown/latest": b"x",
            "runs/binary/latest": b"\xff\xfe\x00",
            "runs/empty/latest": b"",
            "runs/good/latest": b"global_step1",
        }
    )
    night.list_it()
    night.s3.delete_object(Bucket="train", Key="runs/gone/latest")
    night.put({"runs/grown/latest": b"x" * 21})
    report, rows = night.ingest()
    told = {
        row["object_key"].split("/")[1]: (row["status"], row["latest_value"])
        for row in rows
        if row["framework"] == "deepspeed"
    }
    assert told == {
        "gone": ("missing", None),
        "huge": ("too_large", None),
        "grown": ("too_large", None),
        "binary": ("unreadable", None),
        "empty": ("unreadable", None),
        "good": ("read", "global_step1"),
    }
    assert not {"runs/huge/latest", "runs/empty/latest"} & set(night.gets), "their sizes were listed"
    [warning] = report.warnings
    assert warning.startswith("5 small files of checkpoints in s3://train/ could not be read")


def test_a_bucket_that_refuses_is_left_alone_soon_and_warned_of_once(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_store: S3Store, key: str, _most: int) -> Version:
        night.gets.append(key)
        raise Terminal("the store refused the request (AccessDenied)", where=key, fix="Give the right.")

    monkeypatch.setattr(S3Store, "peek", refuse)
    night.put({f"runs/{number}/latest": b"global_step1" for number in range(200)})
    night.list_it()
    report, rows = night.ingest()
    assert len(night.gets) == checkpoint_states.MOST_FAILURES
    assert {row["status"] for row in rows} == {"refused"}
    [warning] = report.warnings
    assert "AccessDenied" in warning
    assert "s3:GetObject" in warning


def test_a_store_that_falls_silent_is_asked_no_longer(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_silent(_store: S3Store, key: str, _most: int) -> Version:
        night.gets.append(key)
        if len(night.gets) <= checkpoint_states.MOST_FAILURES:
            return Version(b"global_step1", "etag")
        raise Transient("the store does not answer", where=key, fix="Run again.")

    monkeypatch.setattr(S3Store, "peek", fall_silent)
    night.put({f"runs/{number}/latest": b"global_step1" for number in range(120)})
    night.list_it()
    _, rows = night.ingest()
    assert len(night.gets) < 60
    assert {row["status"] for row in rows} == {"changed", "unanswered", "refused"}


def test_a_refused_night_keeps_what_was_known(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it(19)
    night.ingest(day=19)
    monkeypatch.setattr(S3Store, "peek", None)
    night.list_it(20)
    assert of(night.ingest(day=20)[1], "runs/a/latest", "deepspeed")["latest_value"] == "global_step1"


def test_of_a_long_run_only_the_newest_by_step_and_by_time_are_read(night: Night) -> None:
    keys = {step: f"runs/a/checkpoint-{step}/trainer_state.json" for step in range(9, 109)}
    night.put({key: json.dumps(STATE).encode() for key in keys.values()})
    night.hours = {keys[20]: 9, keys[10]: 8, keys[9]: 7}
    night.list_it()
    _, rows = night.ingest()
    assert {row["object_key"] for row in rows} == {keys[step] for step in (108, 107, 106, 20, 10, 9)}


def test_each_run_is_read_on_its_own_and_a_state_at_its_root_too(night: Night) -> None:
    state = json.dumps(STATE).encode()
    runs = ("sft/a", "sft/b[0-9]*", "sft/c")
    night.put({f"{run}/checkpoint-{step}/trainer_state.json": state for run in runs for step in (1, 2, 3, 4)})
    night.put({f"{run}/trainer_state.json": state for run in runs})
    night.list_it()
    subjects = [row["subject_directory"] for row in night.ingest()[1] if row["framework"] == "hf_trainer"]
    roots = [f"{run}/" for run in runs]
    assert sorted(subjects) == sorted(
        [*roots, *(f"{root}checkpoint-{step}/" for root in roots for step in (2, 3, 4))]
    )


def test_a_night_has_a_limit_and_the_next_one_goes_on(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_states, "MOST_FILES", 4)
    night.put({f"runs/{number}/latest": b"global_step1" for number in range(6)})
    night.list_it(19)
    report, rows = night.ingest(day=19)
    assert len({row["object_key"] for row in rows}) == 4
    assert report.warnings[0].startswith("2 more small files of checkpoints")
    night.list_it(20)
    report, rows = night.ingest(day=20)
    assert len({row["object_key"] for row in rows}) == 6
    assert sorted(night.gets) == [f"runs/{number}/latest" for number in range(6)]


def test_metrics_are_read_of_every_checkpoint_one_row_each(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_candidates, "MOST_METRICS", 5)
    night.put({f"tpu/run/{step}/metrics/metrics": b'{"eval_loss": 2.5, "f1": 0.25}' for step in range(1, 6)})
    night.list_it()
    rows = [row for row in night.ingest()[1] if row["framework"] == "orbax"]
    assert {row["subject_directory"] for row in rows} == {f"tpu/run/{step}/" for step in range(1, 6)}
    assert {(row["metric_name"], row["metric_value"]) for row in rows} == {("eval_loss", 2.5), ("f1", 0.25)}


def test_what_a_trial_reported_is_told_of_each_of_its_checkpoints(night: Night) -> None:
    lines = [
        {"loss": 2.0, "checkpoint_dir_name": "checkpoint_000000"},
        {"loss": 1.5, "checkpoint_dir_name": "checkpoint_000001"},
    ]
    reports = "\n".join(map(json.dumps, lines)).encode()
    snapshot = {
        "checkpoint_results": [{"checkpoint_dir_name": "checkpoint_b", "metrics": {"loss": 1.0}}],
        "latest_checkpoint_result": {"checkpoint_dir_name": "checkpoint_b", "metrics": {"loss": 1.0}},
    }
    night.put(
        {
            "ray/trial/result.json": reports,
            "ray/trial/params.pkl": b"\x80\x04.",
            "evaluation/result.json": reports,
            "ray/v2/checkpoint_manager_snapshot.json": json.dumps(snapshot).encode(),
        }
    )
    night.list_it(19)
    _, first = night.ingest(day=19)
    told = {
        (row["subject_directory"], row["tells"], row["latest_value"], row["metric_name"], row["metric_value"])
        for row in first
        if row["framework"] == "ray_train"
    }
    assert told == {
        ("ray/trial/checkpoint_000000/", "metric", None, "loss", 2.0),
        ("ray/trial/checkpoint_000001/", "metric", None, "loss", 1.5),
        ("ray/v2/", "latest", "checkpoint_b", None, None),
        ("ray/v2/checkpoint_b/", "metric", None, "loss", 1.0),
    }
    assert sorted(night.gets) == ["ray/trial/result.json", "ray/v2/checkpoint_manager_snapshot.json"], (
        "one request for both, none for a file that only has the name, and no pickle"
    )
    night.list_it(20)
    _, second = night.ingest(day=20)
    assert len(second) == len(first)
    assert {row["status"] for row in second} == {"unchanged"}


def test_lists_in_files_ask_no_bucket_unless_told_to(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()
    report, rows = night.ingest(uri="lists/lists/train/daily")
    assert (report.landed, rows, night.gets) == (1, [], [])
    _, rows = night.ingest(uri="lists/lists/train/daily", more=", read_states: true")
    assert of(rows, "runs/a/latest", "deepspeed")["latest_value"] == "global_step1"


def test_a_bucket_can_be_left_alone(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()
    _, rows = night.ingest(more=", read_states: false")
    assert (rows, night.gets) == ([], [])


def test_many_machines_and_a_lake_in_a_bucket_say_the_same(night: Night) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()
    run = night.run(lake="s3://lake/moraine")
    _, chunks = steps.find(run, "train")
    for chunk in chunks:
        steps.land(run, chunk)
    report = steps.finish(run, "train", chunks)
    assert (report.landed, report.rows) == (2, 3)
    assert of(night.rows(run), "runs/a/latest", "deepspeed")["latest_value"] == "global_step1"
    assert steps.finish(run, "train", []).landed == 0


def test_a_bucket_without_state_files_brings_no_delivery(night: Night) -> None:
    night.put({"data/part-0.parquet": b"x"})
    night.list_it()
    report, rows = night.ingest()
    assert (report.landed, rows) == (2, [])


def test_a_read_that_was_killed_is_done_again(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.put({"runs/a/latest": b"global_step1"})
    night.list_it()

    def killed(_store: S3Store, _key: str, _most: int) -> Version:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(S3Store, "peek", killed)
        with pytest.raises(KeyboardInterrupt):
            night.ingest()
    report, rows = night.ingest()
    assert report.landed == 1
    assert of(rows, "runs/a/latest", "deepspeed")["latest_value"] == "global_step1"


def test_a_bucket_of_google_is_read_by_generations(tmp_path: Path) -> None:
    with GcsServer(Clock(datetime.now(UTC))) as server:
        server.add_bucket("train")
        endpoints = (Endpoint(match="gs://*", endpoint_url=server.url),)
        bucket = GcsStore(BucketUri("gs", "train", ""), gcs_client("train", endpoints))
        bucket.write("runs/a/latest", b"global_step1")
        bucket.write("runs/b/latest", b"global_step1")
        config = tmp_path / "moraine.yaml"
        config.write_text(
            "lake: lake\nengine: {temp_directory: scratch}\n"
            "sources: [{name: train, kind: bucket-listing, uri: gs://train}]\n"
            f'endpoints: [{{match: "gs://*", endpoint_url: "{server.url}"}}]\n'
        )
        seen = []
        for day in (20, 21):
            run = steps.open_run(config, date(2026, 11, day), NOW.replace(day=day + 1))
            report = steps.ingest(run, "train")
            assert report.warnings == ()
            [entry] = [each for each in raw.ledger(run.lake, f"{TABLE}/") if each.delivered_at == run.now]
            rows = pq.read_table(run.lake.fetch(entry.files[0], tmp_path)).to_pylist()
            seen.append(
                {row["object_key"]: (row["status"], row["latest_value"], row["provider"]) for row in rows}
            )
            bucket.write("runs/b/latest", b"global_step2")
    assert seen == [
        {
            "runs/a/latest": ("read", "global_step1", "gcp"),
            "runs/b/latest": ("read", "global_step1", "gcp"),
        },
        {
            "runs/a/latest": ("unchanged", "global_step1", "gcp"),
            "runs/b/latest": ("read", "global_step2", "gcp"),
        },
    ]


def test_only_sources_that_list_a_bucket_have_states_to_read() -> None:
    with pytest.raises(ValidationError, match="lists no bucket"):
        Source(name="bill", kind="focus", uri="bills", read_states=True)
