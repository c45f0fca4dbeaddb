"""Versions, soft delete, holds, retention: what stays, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.fakes.gcs import GcsServer

WEEK = timedelta(days=7)

CHANGES: tuple[Callable[[storage.Bucket], object], ...] = (
    lambda bucket: bucket.blob("a").delete(),
    lambda bucket: bucket.blob("a").upload_from_string(b"2"),
    lambda bucket: bucket.blob("a").upload_from_string(b"2" * 9 * 1024 * 1024),
    lambda bucket: bucket.blob("a").update_storage_class("ARCHIVE"),
    lambda bucket: bucket.copy_blob(bucket.blob("other"), bucket, "a"),
    lambda bucket: bucket.blob("a").compose([bucket.blob("other")]),
)


@pytest.fixture
def soft(gcs: GcsServer, client: storage.Client) -> storage.Bucket:
    gcs.add_bucket("soft")
    return client.bucket("soft")


@pytest.fixture
def versioned(gcs: GcsServer, client: storage.Client) -> storage.Bucket:
    gcs.add_bucket(
        "versioned", versioning={"enabled": True}, softDeletePolicy={"retentionDurationSeconds": "0"}
    )
    return client.bucket("versioned")


def test_without_versions_and_soft_delete_nothing_is_left(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"1")
    gcs.put("b", "a", b"2")
    bucket.blob("a").delete()
    assert gcs.generations("b", "a") == []


def test_versions_stay_until_they_are_named(gcs: GcsServer, versioned: storage.Bucket) -> None:
    first = gcs.put("versioned", "a", b"1")
    gcs.clock.advance(timedelta(hours=1))
    second = gcs.put("versioned", "a", b"2")
    versioned.blob("a").delete(if_generation_match=second.generation)
    assert not versioned.blob("a").exists()
    listed = list(versioned.list_blobs(versions=True))
    assert [blob.generation for blob in listed] == [first.generation, second.generation]
    assert [blob.time_deleted for blob in listed] == [gcs.clock.now] * 2
    assert versioned.blob("a", generation=first.generation).download_as_bytes() == b"1"
    versioned.blob("a", generation=first.generation).delete()
    assert gcs.generations("versioned", "a") == [second]


def test_who_names_the_live_generation_deletes_it_for_good(gcs: GcsServer, versioned: storage.Bucket) -> None:
    known = gcs.put("versioned", "a", b"1")
    versioned.blob("a", generation=known.generation).delete()
    assert gcs.generations("versioned", "a") == []


@pytest.mark.parametrize("change", CHANGES[:3])
def test_soft_delete_keeps_what_is_deleted_and_what_is_overwritten(
    gcs: GcsServer, soft: storage.Bucket, change: Callable[[storage.Bucket], object]
) -> None:
    known = gcs.put("soft", "a", b"1")
    change(soft)
    [found] = soft.list_blobs(soft_deleted=True)
    assert (found.name, found.generation) == ("a", known.generation)
    assert (found.soft_delete_time, found.hard_delete_time) == (gcs.clock.now, gcs.clock.now + WEEK)
    assert soft.get_blob("a", generation=known.generation, soft_deleted=True).size == 1
    with pytest.raises(exceptions.NotFound):
        soft.blob("a", generation=known.generation).download_as_bytes()


def test_soft_deleted_objects_are_gone_in_time(gcs: GcsServer, soft: storage.Bucket) -> None:
    gcs.put("soft", "a", b"1")
    soft.blob("a").delete()
    gcs.clock.advance(WEEK - timedelta(seconds=1))
    assert len(list(soft.list_blobs(soft_deleted=True))) == 1
    gcs.clock.advance(timedelta(seconds=1))
    assert list(soft.list_blobs(soft_deleted=True)) == []
    assert gcs.generations("soft", "a") == []


def test_a_soft_deleted_object_is_restored_as_a_new_generation(gcs: GcsServer, soft: storage.Bucket) -> None:
    known = gcs.put("soft", "a", b"1", metadata={"owner": "nlp"}, storageClass="NEARLINE")
    soft.blob("a").delete()
    gcs.clock.advance(timedelta(days=1))
    restored = soft.restore_blob("a", generation=known.generation, if_generation_match=0)
    assert restored.generation > known.generation
    assert (restored.metadata, restored.storage_class, restored.metageneration) == (
        {"owner": "nlp"},
        "NEARLINE",
        1,
    )
    assert restored.time_created == gcs.clock.now
    assert restored.download_as_bytes() == b"1"
    assert [blob.generation for blob in soft.list_blobs(soft_deleted=True)] == [known.generation]


def test_a_restore_does_not_overwrite_unless_it_may(gcs: GcsServer, soft: storage.Bucket) -> None:
    old = gcs.put("soft", "a", b"old")
    live = gcs.put("soft", "a", b"new")
    with pytest.raises(exceptions.PreconditionFailed):
        soft.restore_blob("a", generation=old.generation, if_generation_match=0)
    with pytest.raises(exceptions.NotFound):
        soft.restore_blob("a", generation=live.generation)
    soft.restore_blob("a", generation=old.generation)
    assert soft.blob("a").download_as_bytes() == b"old"
    assert {blob.generation for blob in soft.list_blobs(soft_deleted=True)} == {
        old.generation,
        live.generation,
    }


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
@pytest.mark.parametrize("settings", [{}, {"versioning": {"enabled": True}}])
def test_a_hold_refuses_every_change_but_that_of_metadata(
    gcs: GcsServer,
    client: storage.Client,
    change: Callable[[storage.Bucket], object],
    hold: str,
    settings: dict[str, Any],
) -> None:
    name = "held"
    gcs.add_bucket(name, **settings)
    bucket = client.bucket(name)
    gcs.put(name, "other", b"x")
    known = gcs.put(name, "a", b"1", **{hold: True})
    with pytest.raises(exceptions.Forbidden, match="hold"):
        change(bucket)
    assert gcs.generations(name, "a") == [known]
    blob = bucket.blob("a")
    blob.metadata = {"seen": "1"}
    blob.patch()
    blob._patch_property(hold, value=False)
    blob.patch()
    change(bucket)
    assert gcs.live(name, "a") is not known


@pytest.mark.parametrize("change", CHANGES)
def test_a_retention_policy_refuses_until_an_object_is_old_enough(
    gcs: GcsServer, client: storage.Client, change: Callable[[storage.Bucket], object]
) -> None:
    gcs.add_bucket("kept", retentionPolicy={"retentionPeriod": "3600"})
    kept = client.bucket("kept")
    gcs.put("kept", "other", b"x")
    known = gcs.put("kept", "a", b"1")
    assert kept.get_blob("a").retention_expiration_time == gcs.clock.now + timedelta(hours=1)
    with pytest.raises(exceptions.Forbidden, match="retention policy"):
        change(kept)
    assert gcs.live("kept", "a") is known
    gcs.clock.advance(timedelta(hours=1))
    change(kept)


def test_an_event_starts_the_retention(gcs: GcsServer, client: storage.Client) -> None:
    gcs.add_bucket("kept", retentionPolicy={"retentionPeriod": "3600"}, defaultEventBasedHold=True)
    blob = client.bucket("kept").blob("a")
    blob.upload_from_string(b"1")
    assert blob.event_based_hold is True
    gcs.clock.advance(timedelta(days=1))
    blob.event_based_hold = False
    blob.patch()
    assert blob.retention_expiration_time == gcs.clock.now + timedelta(hours=1)
    with pytest.raises(exceptions.Forbidden):
        blob.delete()
    gcs.clock.advance(timedelta(hours=1))
    blob.delete()


@pytest.mark.parametrize("mode", ["Unlocked", "Locked"])
def test_retention_of_one_object_is_not_shortened(gcs: GcsServer, bucket: storage.Bucket, mode: str) -> None:
    gcs.put("b", "a", b"1")
    blob = bucket.get_blob("a")
    blob.retention.mode = mode
    blob.retention.retain_until_time = gcs.clock.now + timedelta(hours=2)
    blob.patch()
    with pytest.raises(exceptions.Forbidden):
        bucket.blob("a").delete()
    blob.retention.retain_until_time = gcs.clock.now + timedelta(hours=1)
    with pytest.raises(exceptions.Forbidden):
        blob.patch()
    if mode == "Unlocked":
        blob.patch(override_unlocked_retention=True)
        gcs.clock.advance(timedelta(hours=1))
        bucket.blob("a").delete()


def test_settings_of_a_bucket_are_kept_and_counted(client: storage.Client) -> None:
    made = client.create_bucket("new")
    assert made.soft_delete_policy.retention_duration_seconds == WEEK.total_seconds()
    made.versioning_enabled = True
    made.labels = {"team": "nlp"}
    made.add_lifecycle_delete_rule(age=30)
    made.retention_period = 60
    made.default_event_based_hold = True
    made.autoclass_enabled = True
    made.patch(if_metageneration_match=1)
    found = client.get_bucket("new")
    assert (found.versioning_enabled, found.labels, found.retention_period) == (True, {"team": "nlp"}, 60)
    assert [rule["action"]["type"] for rule in found.lifecycle_rules] == ["Delete"]
    assert (found.default_event_based_hold, found.autoclass_enabled) == (True, True)
    assert found.metageneration == 2
    with pytest.raises(exceptions.PreconditionFailed):
        found.patch(if_metageneration_match=1)
    with pytest.raises(exceptions.Conflict):
        client.create_bucket("new")


def test_a_locked_retention_policy_is_not_shortened(client: storage.Client) -> None:
    made = client.create_bucket("new")
    made.retention_period = 60
    made.patch()
    made.lock_retention_policy()
    made.retention_period = 30
    with pytest.raises(exceptions.Forbidden):
        made.patch()
    made.retention_period = None
    with pytest.raises(exceptions.Forbidden):
        made.patch()


def test_a_bucket_with_objects_is_not_deleted(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"1")
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.blob("a").delete()
    bucket.delete()
    assert not bucket.exists()


def test_settings_made_by_a_test_are_those_of_the_api(gcs: GcsServer, client: storage.Client) -> None:
    settings: dict[str, Any] = {"labels": {"team": "nlp"}, "storageClass": "NEARLINE"}
    gcs.add_bucket("named", **settings)
    found = client.get_bucket("named")
    assert (found.labels, found.storage_class, found.metageneration) == ({"team": "nlp"}, "NEARLINE", 1)
