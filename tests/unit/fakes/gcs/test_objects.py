"""Objects: what is uploaded is what is read, described as the service does."""

import base64
import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import google_crc32c
import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse

from tests.fakes.gcs import GcsServer

NAMES = ("a b+c%20d%.bin", "línea/😀", "'quoted\"/*?[x]#&=", "trailing /space ", "a/./../b", "x" * 1024)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_exact(bucket: storage.Bucket, name: str) -> None:
    bucket.blob(name).upload_from_string(b"body")
    assert bucket.blob(name).download_as_bytes() == b"body"
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    bucket.blob(name).delete()
    assert not bucket.blob(name).exists()


def test_an_object_is_described_as_the_service_does(gcs: GcsServer, bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"owner": "nlp"}
    blob.upload_from_string(b"body", content_type="text/plain")
    found = bucket.get_blob("a")
    assert found.crc32c == base64.b64encode(google_crc32c.value(b"body").to_bytes(4, "big")).decode()
    assert found.md5_hash == base64.b64encode(hashlib.md5(b"body", usedforsecurity=False).digest()).decode()
    assert (found.size, found.content_type, found.metadata) == (4, "text/plain", {"owner": "nlp"})
    assert (found.storage_class, found.metageneration) == ("STANDARD", 1)
    assert found.time_created == found.updated == gcs.clock.now
    assert found.generation == int(gcs.clock.now.timestamp() * 1_000_000)


def test_generations_only_grow(gcs: GcsServer, bucket: storage.Bucket) -> None:
    seen = []
    for step in (timedelta(0), timedelta(0), timedelta(days=-1), timedelta(days=2)):
        gcs.clock.advance(step)
        blob = bucket.blob("a")
        blob.upload_from_string(b"")
        seen.append(blob.generation)
    assert seen == sorted(set(seen))


def test_a_large_upload_arrives_in_chunks_and_shows_at_the_end(
    gcs: GcsServer, bucket: storage.Bucket
) -> None:
    data = bytes(range(256)) * 4096 * 9 + b"the rest"
    gcs.fail_next("PUT", lambda target: "upload_id" in target, 503, times=2)
    bucket.blob("a", chunk_size=1024 * 1024).upload_from_file(io.BytesIO(data), size=len(data))
    assert bucket.blob("a").download_as_bytes() == data
    uploads = [request for request in gcs.requests if request.method == "PUT"]
    assert len(uploads) > 9


def test_an_upload_of_unknown_length_arrives(bucket: storage.Bucket) -> None:
    data = b"x" * (256 * 1024 * 3 + 17)
    with bucket.blob("a").open("wb", chunk_size=256 * 1024) as file:
        file.write(data)
    assert bucket.blob("a").download_as_bytes() == data


def test_damaged_content_is_refused(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.crc32c = "AAAAAA=="
    with pytest.raises(exceptions.BadRequest, match="doesn't match"):
        blob.upload_from_string(b"body", checksum=None)
    assert not bucket.blob("a").exists()


@pytest.mark.parametrize("start, end, found", [(0, 3, b"0123"), (4, None, b"456789"), (8, 99, b"89")])
def test_a_range_is_read(bucket: storage.Bucket, start: int, end: int | None, found: bytes) -> None:
    bucket.blob("a").upload_from_string(b"0123456789")
    assert bucket.blob("a").download_as_bytes(start=start, end=end) == found


def test_a_range_outside_is_refused(bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"0123456789")
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        bucket.blob("a").download_as_bytes(start=10)


def test_metadata_is_merged_and_counted(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"x", metadata={"keep": "1", "drop": "2"}, contentType="text/plain")
    gcs.clock.advance(timedelta(hours=1))
    blob = bucket.blob("a")
    blob.metadata = {"new": "3", "drop": None}
    blob.custom_time = datetime(2026, 1, 1, tzinfo=UTC)
    blob.patch()
    found = bucket.get_blob("a")
    assert found.metadata == {"keep": "1", "new": "3"}
    assert found.content_type == "text/plain"
    assert found.custom_time == datetime(2026, 1, 1, tzinfo=UTC)
    assert (found.metageneration, found.updated) == (2, gcs.clock.now)
    assert found.time_created < found.updated


def test_custom_time_never_goes_back(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.custom_time = datetime(2026, 1, 2, tzinfo=UTC)
    blob.upload_from_string(b"")
    blob.custom_time = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(exceptions.BadRequest, match="earlier"):
        blob.patch()


def test_the_class_is_not_changed_by_metadata(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"")
    blob._patch_property("storageClass", "NEARLINE")
    with pytest.raises(exceptions.BadRequest, match="rewriting"):
        blob.patch()


def test_what_is_not_there_is_not_found(client: storage.Client, bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.NotFound, match="No such object: b/a"):
        bucket.blob("a").download_as_bytes()
    with pytest.raises(exceptions.NotFound, match="No such object"):
        bucket.blob("a").delete()
    with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
        list(client.list_blobs("no-such-bucket"))


def test_objects_too_large_for_a_test_have_a_size_all_the_same(
    gcs: GcsServer, bucket: storage.Bucket
) -> None:
    gcs.put("b", "big", size=6 * 1024**4)
    assert bucket.get_blob("big").size == 6 * 1024**4
    with pytest.raises(exceptions.InternalServerError):
        bucket.blob("big").download_as_bytes(retry=None)


# Conditions


def test_every_call_keeps_its_conditions_on_generations(gcs: GcsServer, bucket: storage.Bucket) -> None:
    known = gcs.put("b", "a", b"1")
    wrong, right = known.generation - 1, known.generation
    blob = bucket.blob("a")
    calls: tuple[Callable[..., object], ...] = (
        lambda **conditions: blob.upload_from_string(b"2", **conditions),
        lambda **conditions: bucket.blob("a").patch(**conditions),
        lambda **conditions: bucket.blob("a").reload(**conditions),
        lambda **conditions: bucket.blob("a").download_as_bytes(**conditions),
        lambda **conditions: bucket.blob("a").rewrite(bucket.blob("a"), **conditions),
        lambda **conditions: bucket.copy_blob(bucket.blob("a"), bucket, "a", **conditions),
        lambda **conditions: bucket.blob("a").compose([bucket.blob("a")], **conditions),
        lambda **conditions: bucket.blob("a").delete(**conditions),
    )
    for call in calls:
        for conditions in (
            {"if_generation_match": wrong},
            {"if_generation_match": 0},
            {"if_metageneration_match": 99},
        ):
            with pytest.raises(exceptions.PreconditionFailed):
                call(**conditions)
        assert gcs.live("b", "a") is known
    bucket.blob("a").delete(if_generation_match=right)
    assert gcs.live("b", "a") is None


def test_a_read_of_what_has_not_changed_says_so(gcs: GcsServer, bucket: storage.Bucket) -> None:
    known = gcs.put("b", "a", b"1")
    with pytest.raises(exceptions.NotModified):
        bucket.blob("a").reload(if_generation_not_match=known.generation)
    bucket.blob("a").reload(if_generation_not_match=1, if_metageneration_not_match=2)


def test_a_write_can_want_another_generation_there(gcs: GcsServer, bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"", if_generation_not_match=0)
    known = gcs.put("b", "a", b"1")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"", if_generation_not_match=known.generation)
    bucket.blob("a").upload_from_string(b"2", if_generation_not_match=0)
    assert bucket.blob("a").download_as_bytes() == b"2"


def test_what_does_not_exist_meets_generation_0_only(bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"", if_generation_match=7)
    bucket.blob("a").upload_from_string(b"", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"", if_generation_match=0)


def test_a_large_upload_keeps_its_condition_until_the_end(gcs: GcsServer, bucket: storage.Bucket) -> None:
    blob = bucket.blob("a", chunk_size=256 * 1024)
    writer = blob.open("wb", if_generation_match=0, ignore_flush=True)
    writer.write(b"x" * 256 * 1024 * 2)
    gcs.put("b", "a", b"somebody else's")
    with pytest.raises(InvalidResponse, match="412"):
        writer.close()
    assert bucket.blob("a").download_as_bytes() == b"somebody else's"
