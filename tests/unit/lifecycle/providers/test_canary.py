"""The canary tells what a bucket enforces, believes nothing, and leaves nothing behind."""

from dataclasses import fields
from typing import Any

import pytest

from lifecycle.canary import measure
from lifecycle.errors import ActionRefused
from lifecycle.model import BucketCapability
from lifecycle.providers import CANARY_PREFIX, GcsProvider, MemoryProvider, S3Provider
from lifecycle.providers.memory import CONDITIONS, MemoryBucket
from pipelines.domain.configuration import Endpoint
from tests.fakes.gcs import rules
from tests.unit.lifecycle.providers.worlds import GcsWorld, MemoryWorld, S3World, World

ENFORCED = {"copy_source", "copy_destination", "copy_in_parts", "delete", "delete_batch"}
DEPENDENT = {
    "copy-source": {"copy_source", "copy_in_parts"},
    "copy-destination": {"copy_destination", "copy_in_parts"},
    "copy-in-parts": {"copy_in_parts"},
    "delete": {"delete"},
    "delete-batch": {"delete_batch"},
}


def enforced(found: BucketCapability) -> set[str]:
    return {field.name for field in fields(found) if field.name in ENFORCED and getattr(found, field.name)}


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_it_finds_what_is_enforced_and_leaves_nothing(world: World, *, versioned: bool) -> None:
    bucket = world.bucket(versioned=versioned)
    world.put(bucket, "somebody's", b"object")
    before = list(world.provider.versions(bucket, ""))
    found = measure(world.provider, bucket, "token")
    assert enforced(found) == ENFORCED
    assert (found.versioning, found.scheme) == ("on" if versioned else "off", world.provider.scheme)
    assert list(world.provider.versions(bucket, "")) == before


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("ignored", sorted(CONDITIONS))
def test_each_condition_that_is_ignored_is_found_out(scheme: str, ignored: str) -> None:
    assert DEPENDENT.keys() == CONDITIONS
    world = MemoryWorld(MemoryProvider(CONDITIONS - {ignored}, "gs" if scheme == "gs" else "s3"))
    found = measure(world.provider, world.bucket(), "token")
    assert enforced(found) == ENFORCED - DEPENDENT[ignored]


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_plain_moto_is_found_out(plain_s3: S3World, *, versioned: bool) -> None:
    bucket = plain_s3.bucket(versioned=versioned)
    assert enforced(measure(plain_s3.provider, bucket, "token")) == {"delete"}
    assert not list(plain_s3.provider.versions(bucket, ""))


def test_cloud_storage_without_conditions_is_found_out(
    gcs: GcsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules.Conditions, "check", lambda *_said, **_named: None)
    bucket = gcs.bucket()
    assert enforced(measure(gcs.provider, bucket, "token")) == set()
    assert not list(gcs.provider.versions(bucket, ""))


def test_it_tells_what_a_bucket_is_set_to(gcs: GcsWorld, s3: S3World) -> None:
    week: Any = {"retentionDurationSeconds": str(7 * 86400)}
    kept = measure(gcs.provider, gcs.bucket(softDeletePolicy=week), "token")
    assert (kept.soft_delete_days, kept.autoclass, kept.object_lock) == (7, False, False)
    locked = measure(s3.provider, s3.bucket(lockable=True), "token")
    assert (locked.object_lock, locked.versioning, enforced(locked)) == (True, "on", ENFORCED)


def test_where_the_bucket_moves_objects_itself_no_copy_is_relied_on(gcs: GcsWorld) -> None:
    found = measure(gcs.provider, gcs.bucket(autoclass={"enabled": True}), "token")
    assert (found.autoclass, enforced(found)) == (True, {"delete", "delete_batch"})


@pytest.mark.parametrize(
    "settings",
    [{"retentionPolicy": {"retentionPeriod": "86400"}}, {"defaultEventBasedHold": True}],
    ids=["retention", "hold"],
)
def test_nothing_is_written_where_it_would_have_to_stay(gcs: GcsWorld, settings: dict[str, Any]) -> None:
    bucket = gcs.bucket(**settings)
    assert enforced(measure(gcs.provider, bucket, "token")) == set()
    assert not list(gcs.provider.versions(bucket, ""))
    with pytest.raises(ActionRefused):
        gcs.provider.put_canary(bucket, f"{CANARY_PREFIX}x", b"")


def test_nothing_is_written_where_s3_locks_it_by_default(s3: S3World) -> None:
    bucket = s3.bucket(lockable=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},  # type: ignore[typeddict-item]
    )
    found = measure(s3.provider, bucket, "token")
    assert (found.object_lock, enforced(found)) == (True, set())
    assert not list(s3.provider.versions(bucket, ""))


def test_in_memory_nothing_is_written_either_where_it_would_have_to_stay() -> None:
    provider = MemoryProvider()
    provider.buckets["b"] = MemoryBucket("on", keeps_new=True)
    assert enforced(measure(provider, "b", "token")) == set()
    assert not provider.buckets["b"].keys


def test_who_may_not_write_is_told_so(gcs: GcsWorld, s3: S3World) -> None:
    bucket = gcs.bucket()
    gcs.server.fail_next("POST", lambda target: "upload" in target, 403, times=None)
    with pytest.raises(ActionRefused, match=r"\(403, forbidden\)"):
        measure(gcs.provider, bucket, "token")
    denied = s3.bucket()
    s3.deny(denied, "s3:PutObject")
    with pytest.raises(ActionRefused, match=r"\(403"):
        measure(s3.provider, denied, "token")


def test_a_canary_is_erased_when_measuring_fails(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(versioned=True)
    gcs.server.fail_next("POST", lambda target: "rewriteTo" in target, 403)
    with pytest.raises(ActionRefused):
        measure(gcs.provider, bucket, "token")
    assert not list(gcs.provider.versions(bucket, ""))


@pytest.mark.parametrize("kind", [S3Provider, GcsProvider])
def test_only_canaries_are_written_and_erased(kind: type[S3Provider | GcsProvider], s3: S3World) -> None:
    nowhere = "http://127.0.0.1:9"
    provider = kind((Endpoint(match="*", endpoint_url=nowhere),))
    del s3
    with pytest.raises(ActionRefused, match="not a canary"):
        provider.put_canary("b", "runs/x", b"")
    with pytest.raises(ActionRefused, match="not a canary"):
        provider.erase_canary("b", "runs/x")
