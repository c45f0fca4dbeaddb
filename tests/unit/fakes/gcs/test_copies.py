"""Rewrite, copy, compose."""

from datetime import timedelta

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.fakes.gcs import GcsServer

MIB = 1024 * 1024


def test_a_change_of_class_takes_as_many_calls_as_the_object_is_long(
    gcs: GcsServer, bucket: storage.Bucket
) -> None:
    before = gcs.put("b", "a", size=10 * MIB)
    gcs.clock.advance(timedelta(days=1))
    blob = bucket.blob("a")
    token = None
    steps: list[int] = []
    blob._patch_property("storageClass", "NEARLINE")
    while token is not None or not steps:
        token, done, size = blob.rewrite(bucket.blob("a"), token=token, if_generation_match=before.generation)
        assert size == 10 * MIB
        steps.append(done)
        assert (gcs.live("b", "a") is before) == (token is not None)
    assert steps == [number * MIB for number in range(1, 11)]
    after = gcs.live("b", "a")
    assert after is not None
    assert after.generation > before.generation
    assert (after.storage_class, after.created_at, after.content) == (
        "NEARLINE",
        gcs.clock.now,
        before.content,
    )


def test_the_client_s_own_change_of_class_goes_to_the_end(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"x" * 3 * MIB, metadata={"owner": "nlp"}, contentType="text/plain")
    blob = bucket.get_blob("a")
    blob.update_storage_class("COLDLINE", if_generation_match=blob.generation)
    found = bucket.get_blob("a")
    assert (found.storage_class, found.metadata, found.content_type) == (
        "COLDLINE",
        {"owner": "nlp"},
        "text/plain",
    )
    assert found.download_as_bytes() == b"x" * 3 * MIB


def test_who_names_the_class_alone_loses_the_metadata(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"x", metadata={"owner": "nlp"}, contentType="text/plain")
    bucket.blob("a").update_storage_class("COLDLINE")
    found = bucket.get_blob("a")
    assert (found.metadata, found.content_type) == (None, None)


def test_who_names_nothing_copies_the_metadata_into_the_class_of_the_bucket(
    gcs: GcsServer, bucket: storage.Bucket
) -> None:
    gcs.put("b", "a", b"x", metadata={"owner": "nlp"}, storageClass="ARCHIVE", temporaryHold=True)
    token, _, _ = bucket.blob("copy").rewrite(bucket.blob("a"))
    assert token is None
    found = bucket.get_blob("copy")
    assert (found.metadata, found.storage_class, found.temporary_hold) == ({"owner": "nlp"}, "STANDARD", None)


def test_a_source_that_changed_is_not_rewritten(gcs: GcsServer, bucket: storage.Bucket) -> None:
    old = gcs.put("b", "a", b"1")
    new = gcs.put("b", "a", b"2")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("c").rewrite(bucket.blob("a"), if_source_generation_match=old.generation)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("c").rewrite(bucket.blob("a"), if_source_metageneration_match=9)
    bucket.blob("c").rewrite(bucket.blob("a"), if_source_generation_match=new.generation)
    assert bucket.blob("c").download_as_bytes() == b"2"


def test_a_rewrite_whose_target_changed_meanwhile_is_refused(gcs: GcsServer, bucket: storage.Bucket) -> None:
    known = gcs.put("b", "a", size=2 * MIB)
    blob = bucket.blob("a")
    blob._patch_property("storageClass", "NEARLINE")
    token, _, _ = blob.rewrite(bucket.blob("a"), if_generation_match=known.generation)
    assert token is not None
    newer = gcs.put("b", "a", b"newer")
    with pytest.raises((exceptions.PreconditionFailed, exceptions.NotFound)):
        blob.rewrite(bucket.blob("a"), token=token, if_generation_match=known.generation)
    assert gcs.live("b", "a") is newer


def test_a_token_is_for_its_own_objects(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", size=2 * MIB)
    gcs.put("b", "other", size=2 * MIB)
    blob = bucket.blob("a")
    blob._patch_property("storageClass", "NEARLINE")
    token, _, _ = blob.rewrite(bucket.blob("a"))
    with pytest.raises(exceptions.BadRequest, match="token"):
        blob.rewrite(bucket.blob("other"), token=token)


def test_a_noncurrent_generation_is_copied_back(gcs: GcsServer, client: storage.Client) -> None:
    gcs.add_bucket("versioned", versioning={"enabled": True})
    old = gcs.put("versioned", "a", b"old")
    gcs.put("versioned", "a", b"new")
    versioned = client.bucket("versioned")
    versioned.blob("a").delete()
    versioned.copy_blob(
        versioned.blob("a"), versioned, "a", source_generation=old.generation, if_generation_match=0
    )
    assert versioned.blob("a").download_as_bytes() == b"old"
    assert len(gcs.generations("versioned", "a")) == 3


def test_autoclass_keeps_its_own_classes(gcs: GcsServer, client: storage.Client) -> None:
    gcs.add_bucket("auto", autoclass={"enabled": True})
    gcs.put("auto", "a", b"x")
    blob = client.bucket("auto").get_blob("a")
    blob.update_storage_class("ARCHIVE")
    assert client.bucket("auto").get_blob("a").storage_class == "STANDARD"


def test_objects_are_composed(gcs: GcsServer, bucket: storage.Bucket) -> None:
    first, second = gcs.put("b", "1", b"one "), gcs.put("b", "2", b"two")
    sources = [bucket.blob("1"), bucket.blob("2")]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("c").compose(
            sources, if_source_generation_match=[first.generation, second.generation - 1]
        )
    bucket.blob("c").compose(sources, if_source_generation_match=[first.generation, second.generation])
    found = bucket.get_blob("c")
    assert (found.component_count, found.md5_hash, found.download_as_bytes()) == (2, None, b"one two")
