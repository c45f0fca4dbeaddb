"""A small lab: a bucket, a published snapshot that describes it, a policy, and runs of the lifecycle."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import boto3
import duckdb
import pytest

from lifecycle import settings, steps
from lifecycle.model import Line
from lifecycle.providers import MemoryProvider, ObjectState, Provider, S3Provider, UploadState
from lifecycle.providers.memory import MemoryBucket
from lifecycle.steps.run import directory_of
from pipelines.demo import DEMO_ENVIRONMENT, make_company, running_endpoint
from pipelines.demo.objects import StoredObject, declare
from pipelines.domain.configuration import Endpoint
from pipelines.domain.snapshots import POINTER, Snapshot, snapshot_key

AS_OF = date(2026, 11, 20)
BUCKET = "acme-training"
VERSIONED = "acme-datasets"
GIB = 1024**3
FILES = {"model.safetensors": GIB, "optimizer.pt": 2 * GIB, "trainer_state.json": 2_000}
MARKERS = ("trainer_state.json", ".metadata")
POLICY = """
name: stale
match: {kind: checkpoint, buckets: ["s3://acme-training", "s3://acme-datasets"], prefixes: ["runs/"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
quiet_for: 3d
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 90d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
expires: 24h
"""


@dataclass(frozen=True)
class Save:
    """One checkpoint: what the snapshot says of it."""

    uri: str
    run: str
    step: int | None
    objects: tuple[StoredObject, ...]
    state: str = "complete"
    kind: str = "intermediate"
    is_best: bool = False
    is_protected: bool = False
    protected_because: str = ""

    @property
    def bucket(self) -> str:
        return self.objects[0].bucket

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.objects]


@dataclass
class Lab:
    """Fill it, publish, and run steps."""

    home: Path
    provider: Provider
    as_of: date = AS_OF
    saves: list[Save] = field(default_factory=list)
    failed_gates: list[tuple[str, str, str]] = field(default_factory=list)
    """Blocking checks: id, scope, reason."""
    exclusions: list[tuple[str, str, str]] = field(default_factory=list)
    """Checks that failed for one bucket, which is left out while all else was published."""
    uploads: list[tuple[str, UploadState, int]] = field(default_factory=list)
    """Uploads that nobody completed: bucket, upload, bytes."""
    also: list[Callable[[duckdb.DuckDBPyConnection], None]] = field(default_factory=list)
    """Write more into a snapshot."""
    url: str = ""
    put: Callable[[StoredObject], None] = lambda _item: None

    @property
    def ends_at(self) -> datetime:
        return datetime.combine(self.as_of, time()) + timedelta(days=1)

    @property
    def now(self) -> datetime:
        return self.ends_at + timedelta(hours=6)

    def save(
        self,
        step: int,
        days_old: float,
        *,
        run: str = "runs/chat",
        bucket: str = BUCKET,
        files: dict[str, int] | None = None,
        storage_class: str = "STANDARD",
        **said: object,
    ) -> Save:
        """Put a checkpoint into the bucket and remember what the snapshot will say of it."""
        at = (self.ends_at - timedelta(days=days_old)).replace(microsecond=0)
        folder = f"{run}/checkpoint-{step}"
        objects = tuple(
            declare(bucket, f"{folder}/{name}", size, at, storage_class=storage_class)
            for name, size in (files or FILES).items()
        )
        made = replace(Save(f"s3://{bucket}/{folder}", run, step, objects), **said)  # type: ignore[arg-type]
        return self.add(made)

    def add(self, made: Save) -> Save:
        for item in made.objects:
            self.put(item)
        self.saves.append(made)
        return made

    def fill(self) -> dict[str, Save]:
        """Four checkpoints of one run: one to delete, one to archive, one young, the latest."""
        return {
            "old": self.save(100, 120),
            "stale": self.save(200, 60),
            "young": self.save(300, 20),
            "latest": self.save(400, 10),
        }

    def publish(self, name: str = "one") -> Snapshot:
        """Publish a snapshot of what was put."""
        snapshot_id = f"{self.as_of}-{name}"
        snapshot = Snapshot(
            snapshot_id, self.as_of, self.ends_at, snapshot_key(snapshot_id, "warehouse.duckdb"), "0"
        )
        warehouse = self.home / "lake" / snapshot.warehouse
        warehouse.parent.mkdir(parents=True)
        with closing(duckdb.connect(str(warehouse))) as connection:
            write_marts(connection, self.saves)
            write_uploads(connection, self.uploads, self.ends_at - timedelta(hours=2))
            write_results(connection, self.failed_gates, "block")
            write_results(connection, self.exclusions, "warn")
            for write in self.also:
                write(connection)
        (warehouse.parent / "snapshot.json").write_text(json.dumps(snapshot.to_json()))
        (self.home / "lake" / POINTER).write_text(json.dumps(snapshot.to_json()))
        return snapshot

    def policy(self, text: str = POLICY) -> Path:
        path = self.home / "policy.yaml"
        path.write_text(text)
        return path

    def registered(self, *sources: str) -> None:
        """Write the answer of the model registry."""
        path = self.home / "registry" / "answer.json"
        path.parent.mkdir(exist_ok=True)
        versions = [{"name": "m", "version": "1", "source": source} for source in sources]
        path.write_text(json.dumps({"model_versions": versions}))

    @property
    def config(self) -> Path:
        path = self.home / "moraine.yaml"
        endpoints = f'\nendpoints: [{{match: "s3://*", endpoint_url: "{self.url}"}}]\n' if self.url else "\n"
        path.write_text(
            "lake: lake\nengine: {memory_limit: 1GB, threads: 1, temp_directory: tmp}\n"
            "sources: [{name: registry, kind: mlflow, uri: 'file:registry'}]" + endpoints
        )
        return path

    def run(self, **changes: object) -> steps.Run:
        run = steps.Run(
            settings.load(self.config),
            self.now,
            {"s3": self.provider},
            clock=lambda: self.now,
            pause=lambda _seconds: None,
        )
        return replace(run, **changes)  # type: ignore[arg-type]

    def plan(self, text: str = POLICY) -> steps.PlanReport:
        return steps.plan(self.run(), self.policy(text))

    def approved(self, text: str = POLICY) -> str:
        """Publish, plan and approve; return the plan's id."""
        if not (self.home / "lake" / POINTER).exists():
            self.publish()
        made = self.plan(text)
        steps.approve(self.run(), made.id, "Ada", "a test")
        return made.id

    def lines(self, plan: str) -> list[Line]:
        """Return every decision of a plan, in its order."""
        return list(directory_of(self.run(), plan).lines())

    def classes(self, bucket: str = BUCKET) -> dict[str, str]:
        """Return what the bucket holds now: key → storage class."""
        return {state.key: state.storage_class for state in self.provider.list(bucket, "")}

    def results(self, plan: str) -> dict[str, str]:
        """Return the newest outcome by key, read from the receipts."""
        found: dict[str, str] = {}
        for path in sorted((self.home / "lake" / "plans" / plan / "receipts").glob("*.jsonl")):
            for line in path.read_text().splitlines():
                receipt = json.loads(line)
                found[receipt["uri"].split("/", 3)[3]] = receipt.get("result", "intent")
        return found


def write_marts(connection: duckdb.DuckDBPyConnection, saves: list[Save]) -> None:
    """Write the tables of a snapshot that the lifecycle reads."""
    connection.execute(_TABLES)
    for made in saves:
        size = sum(item.size_bytes for item in made.objects)
        newest_at = max(item.modified_at for item in made.objects)
        cost = (Decimal(size) / GIB * Decimal("0.02")).quantize(Decimal("0.000001"))
        connection.execute(
            "insert into marts.checkpoints values "
            "(?, ?, ?, ?, 'hf_trainer', ?, null, ?, '', ?, false, ?, ?, ?, ?, ?, ?, ?)",
            [
                made.uri,
                made.uri,
                made.bucket,
                made.run,
                made.step,
                made.state,
                made.kind,
                made.is_best,
                made.is_protected,
                made.protected_because,
                len(made.objects),
                size,
                newest_at,
                cost,
            ],
        )
        for item in made.objects:
            connection.execute(
                "insert into marts.checkpoint_objects values (?, ?, ?, ?, ?, ?, ?, ?, ?, true)",
                [
                    item.bucket,
                    item.key,
                    item.version_id,
                    made.uri,
                    item.size_bytes,
                    item.storage_class,
                    item.etag,
                    item.modified_at,
                    item.key.endswith(MARKERS),
                ],
            )


def write_uploads(
    connection: duckdb.DuckDBPyConnection, uploads: list[tuple[str, UploadState, int]], listed_at: datetime
) -> None:
    """Write the table of uploads."""
    for bucket, upload, size in uploads:
        cost = (Decimal(size) / GIB * Decimal("0.02")).quantize(Decimal("0.000001"))
        connection.execute(
            "insert into marts.uploads values ('aws', ?, ?, ?, ?, ?, ?, ?)",
            [bucket, upload.key, upload.upload_id, size, cost, upload.initiated_at, listed_at],
        )


def write_results(
    connection: duckdb.DuckDBPyConnection, failed: list[tuple[str, str, str]], level: str
) -> None:
    """Write results of checks that failed: id, scope, reason."""
    for check_id, scope, reason in failed:
        connection.execute(
            "insert into marts.quality_results values (?, ?, false, '72 h', 'at most 48h', ?, ?, ?)",
            [check_id, level, reason, scope, level == "warn"],
        )


_TABLES = """
    create schema marts;
    create schema reference;
    create table marts.checkpoints (
        checkpoint_id varchar, checkpoint_uri varchar, bucket varchar, run varchar, framework varchar,
        step bigint, epoch bigint, state varchar, state_reason varchar, kind varchar,
        is_latest boolean, is_best boolean,
        is_protected boolean, protected_because varchar, object_count bigint, size_bytes bigint,
        last_modified_at timestamp, cost_usd_month decimal(18, 6)
    );
    create table marts.checkpoint_objects (
        bucket varchar, object_key varchar, version_id varchar, checkpoint_id varchar, size_bytes bigint,
        storage_class varchar, etag varchar, last_modified_at timestamp, is_marker boolean,
        is_latest_version boolean
    );
    create table marts.uploads (
        provider varchar, bucket varchar, object_key varchar, upload_id varchar, size_bytes bigint,
        cost_usd_month decimal(18, 6), initiated_at timestamp, listed_at timestamp
    );
    create table marts.prefix_costs (
        usage_date date, bucket varchar, meter_group varchar, is_residual boolean, size_bytes bigint,
        provider varchar
    );
    create table marts.quality_results (
        check_id varchar, level varchar, passed boolean, observed varchar, expected varchar, reason varchar,
        scope varchar, excludes boolean
    );
    create table reference.prices (
        provider varchar, storage_class varchar, meter varchar, usd decimal(38, 12), from_gb bigint,
        valid_from date, valid_until date, region_id varchar default 'us-east-1',
        confirmed boolean default true
    );
    insert into reference.prices
        (provider, storage_class, meter, usd, from_gb, valid_from, valid_until)
    values
        ('aws', 'STANDARD', 'storage', 0.02, 0, '2026-01-01', '9999-12-31'),
        ('aws', 'STANDARD', 'storage', 0.99, 0, '2020-01-01', '2026-01-01'),
        ('aws', 'STANDARD', 'storage', 0.01, 51200, '2026-01-01', '9999-12-31'),
        ('aws', 'STANDARD_IA', 'storage', 0.01, 0, '2026-01-01', '9999-12-31'),
        ('aws', 'STANDARD_IA', 'retrieval', 0.01, 0, '2026-01-01', '9999-12-31'),
        ('aws', 'GLACIER_IR', 'storage', 0.004, 0, '2026-01-01', '9999-12-31'),
        ('aws', 'GLACIER_IR', 'put', 0.00002, 0, '2026-01-01', '9999-12-31');
    create table reference.storage_classes (
        provider varchar, storage_class varchar, minimum_days bigint, overhead_bytes bigint default 0,
        overhead_standard_bytes bigint default 0
    );
    insert into reference.storage_classes (provider, storage_class, minimum_days) values
        ('aws', 'STANDARD', 0), ('aws', 'STANDARD_IA', 30), ('aws', 'GLACIER_IR', 90);
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab over a cloud in memory: one bucket without versions, one with."""
    return lab_in_memory(tmp_path)


def lab_in_memory(home: Path) -> Lab:
    """Return such a lab."""
    provider = MemoryProvider()
    provider.buckets = {BUCKET: MemoryBucket(), VERSIONED: MemoryBucket("on")}
    made = Lab(home, provider)
    made.put = lambda item: put_in_memory(provider, item)
    made.registered()
    return made


def put_in_memory(provider: MemoryProvider, item: StoredObject) -> None:
    state = ObjectState(item.key, item.etag, item.size_bytes, item.modified_at, item.storage_class)
    provider.put(item.bucket, state)


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in DEMO_ENVIRONMENT.items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def serve(tmp_path: Path, s3_environment: None) -> Iterator[Callable[..., Lab]]:
    """Return a function that serves what a lab was filled with: strictly, or as plain moto does."""
    del s3_environment
    with ExitStack() as running:

        def start(fill: Callable[[Lab], object], *, plain: bool = False, as_of: date = AS_OF) -> Lab:
            stored: list[StoredObject] = []
            made = Lab(tmp_path, MemoryProvider(), as_of, put=stored.append)
            made.registered()
            fill(made)
            company = replace(make_company(as_of), objects=tuple(stored), uploads=())
            made.url = running.enter_context(running_endpoint(company, plain=plain)).url
            made.provider = S3Provider((Endpoint(match="s3://*", endpoint_url=made.url),))
            made.put = lambda item: put_in_s3(made.url, item)
            return made

        yield start


def put_in_s3(url: str, item: StoredObject) -> None:
    boto3.client("s3", endpoint_url=url).put_object(Bucket=item.bucket, Key=item.key, Body=item.body)
