"""Buckets on Ceph's gateway, and snapshots that describe them as an inventory would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lifecycle import steps
from pipelines.demo.objects import StoredObject
from tests.integration.rgw import Rgw
from tests.unit.lifecycle.conftest import Lab, Save

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lifecycle.model import Line
    from lifecycle.providers import Provider
    from lifecycle.verify.comparison import Verification

WRONG = "0" * 32
"""An ETag that no object has."""
FILES = {"model.safetensors": 300_000, "trainer_state.json": 2_000}
DAYS_LATER = 120
"""Every object is as new as the test: the snapshot is published that much later instead."""
ARCHIVE = "archive: {after: 30d, to: GLACIER_IR}"
DELETE = "delete: {after: 90d, irreversible: true}"
_POLICY = """
name: stale
match: {{kind: checkpoint, buckets: ["s3://{bucket}"], prefixes: ["runs/"]}}
keep: {{latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}}
quiet_for: 3d
{way}
limits: {{objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}}
expires: 24h
"""


@dataclass
class Night:
    """A bucket of a test's own, what was uploaded there, and runs of the lifecycle over it."""

    rgw: Rgw
    bucket: str
    lab: Lab

    @property
    def client(self) -> S3Client:
        return self.rgw.client

    @property
    def provider(self) -> Provider:
        return self.lab.provider

    def upload(self, key: str, body: bytes, how: str = "", tagging: str = "") -> StoredObject:
        """Upload an object, locked from the start if asked for, and return what the bucket says of it."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, Tagging=tagging, **locked(how))
        state = self.provider.head(self.bucket, key)
        return StoredObject(
            self.bucket,
            key,
            state.size_bytes,
            state.last_modified_at,
            state.etag,
            state.storage_class,
            version_id=state.version_id,
        )

    def save(self, step: int, how: str = "") -> Save:
        """Upload a checkpoint; the snapshot will know it."""
        folder = f"runs/chat/checkpoint-{step}"
        objects = tuple(self.upload(f"{folder}/{name}", bytes(size), how) for name, size in FILES.items())
        return self.lab.add(Save(f"s3://{self.bucket}/{folder}", "runs/chat", step, objects))

    def plan(self, way: str) -> str:
        """Publish what was uploaded, some months later, and plan; return the plan's id."""
        newest_at = max(item.modified_at for save in self.lab.saves for item in save.objects)
        self.lab.as_of = newest_at.date() + timedelta(days=DAYS_LATER)
        self.lab.publish()
        return self.lab.plan(_POLICY.format(bucket=self.bucket, way=way)).id

    def line(self, plan: str, save: Save) -> Line:
        """Return what a plan says about a checkpoint."""
        return steps.why(self.lab.run(), plan, save.uri)

    def apply(self, plan: str, **changes: object) -> dict[str, int]:
        """Approve and apply, in a run that is changed so; return how many actions came to which result."""
        steps.approve(self.lab.run(), plan, "Ada", "a test")
        counts: dict[str, int] = {}
        for chunk in steps.apply(self.lab.run(**changes), plan).chunks:
            for result, count in chunk.results.items():
                counts[result] = counts.get(result, 0) + count
        return counts

    def classes(self) -> dict[str, str]:
        """Return what the bucket holds now: key → storage class."""
        return {state.key: state.storage_class for state in self.provider.list(self.bucket, "")}

    def verify(self, plan: str) -> Verification:
        """Verify, as somebody would right now."""
        return steps.verify(self.lab.run(), plan)

    def versions(self) -> set[tuple[str, str]]:
        """Return key and ETag of every version, as the bucket itself lists them."""
        answer = self.client.list_object_versions(Bucket=self.bucket)
        return {(entry["Key"], entry["ETag"].strip('"')) for entry in answer.get("Versions", ())}

    def markers(self) -> dict[str, str]:
        """Return the delete markers on top: key → version."""
        answer = self.client.list_object_versions(Bucket=self.bucket)
        return {e["Key"]: e["VersionId"] for e in answer.get("DeleteMarkers", ()) if e["IsLatest"]}


def make_bucket(client: S3Client, kind: str, name: str) -> str:
    """Make a bucket whose versioning is `off`, `on` or `suspended`, or one with Object Lock: `locked`."""
    bucket = f"{name.strip('_').replace('_', '-')[:50]}-{kind}".lower()
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=kind == "locked")
    if kind in ("on", "suspended"):
        status: Any = {"on": "Enabled", "suspended": "Suspended"}[kind]
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    return bucket


def locked(how: str) -> dict[str, Any]:
    """Return what a request to store an object says about its lock."""
    until = datetime.now(UTC) + timedelta(days=1)
    ways: dict[str, dict[str, Any]] = {
        "": {},
        "legal hold": {"ObjectLockLegalHoldStatus": "ON"},
        "retention": {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until},
    }
    return ways[how]


def all_of(*saves: Save) -> set[tuple[str, str]]:
    """Return key and ETag of every object of these checkpoints."""
    return {(item.key, item.etag) for save in saves for item in save.objects}
