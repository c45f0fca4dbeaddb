"""What only S3 has: Object Lock and who may see it, frozen objects, pages of uploads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle.errors import ActionRefused, Gone
from lifecycle.providers import BucketSettings, Provider, S3Provider, Target
from pipelines.domain.configuration import Endpoint
from pipelines.errors import Transient
from tests.unit.lifecycle.providers.worlds import Canned, S3World, answering

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
RETAINED: dict[str, Any] = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
HEAD = {"etag": '"e"', "last-modified": "Fri, 20 Nov 2026 10:00:00 GMT", "x-amz-storage-class": "GLACIER"}
OFF, ON = (
    b"<VersioningConfiguration/>",
    b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
)


def test_object_lock_is_read_and_not_guessed(s3: S3World) -> None:
    assert s3.provider.settings(s3.bucket(versioned=True)) == BucketSettings("on")
    assert s3.provider.settings(s3.bucket(lockable=True)) == BucketSettings("on", object_lock=True)


@pytest.mark.parametrize(
    "code, status, locks",
    [
        ("ObjectLockConfigurationNotFoundError", 404, False),
        ("NotImplemented", 501, False),
        ("AccessDenied", 403, True),
        ("MethodNotAllowed", 405, True),
    ],
)
def test_a_lock_that_cannot_be_read_is_taken_to_be_there(
    environment: None, code: str, status: int, *, locks: bool
) -> None:
    del environment
    refusal = Canned(f"<Error><Code>{code}</Code></Error>".encode(), status)
    with answering(Canned(ON), refusal) as server:
        assert S3Provider(server.endpoints).settings("b") == BucketSettings("on", object_lock=locks)


def test_without_versions_nobody_asks_for_object_lock(environment: None) -> None:
    del environment
    with answering(Canned(OFF)) as server:
        assert S3Provider(server.endpoints).settings("b") == BucketSettings("off")
    assert len(server.asked) == 1


def test_holds_and_retentions_are_seen(s3: S3World) -> None:
    bucket = s3.bucket(lockable=True)
    assert s3.put(bucket, "held", ObjectLockLegalHoldStatus="ON").hold == "legal hold"
    assert "2030-01-01" in s3.put(bucket, "kept", **RETAINED).hold
    assert s3.put(bucket, "free").hold == ""


def test_a_store_without_tags_has_none_and_an_empty_answer_is_no_answer(environment: None) -> None:
    del environment
    refusal = Canned(b"<Error><Code>NotImplemented</Code></Error>", 501)
    with answering(refusal) as server:
        assert S3Provider(server.endpoints).tags("b", "k") == {}
    with answering(Canned(b"<Tagging><TagSet/></Tagging>")) as server:
        assert S3Provider(server.endpoints).tags("b", "k") == {}
    with answering(Canned(b"")) as server, pytest.raises(ActionRefused, match="tags"):
        S3Provider(server.endpoints).tags("b", "k")


def test_a_retention_ends(s3: S3World) -> None:
    bucket = s3.bucket(lockable=True)
    s3.put(bucket, "kept", **RETAINED)
    for year, is_held in ((2029, True), (2031, False)):
        provider = S3Provider(
            (Endpoint(match="s3://*", endpoint_url=s3.url),),
            clock=lambda y=year: datetime(y, 1, 2, tzinfo=None),  # type: ignore[misc]
        )
        assert bool(provider.head(bucket, "kept").hold) is is_held


def test_who_may_not_see_locks_is_told_that_everything_is_locked(environment: None) -> None:
    del environment
    lock = Canned(
        b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
    )
    denied = Canned(b"<Error><Code>AccessDenied</Code></Error>", 403)
    head = Canned(headers=HEAD)
    with answering(head, Canned(ON), lock, denied, head) as server:
        provider = S3Provider(server.endpoints)
        assert "may not be read" in provider.head("b", "x").hold
        assert "may not be read" in provider.head("b", "y").hold
    assert [method for method, *_ in server.asked] == ["HEAD", "GET", "GET", "GET", "HEAD"]


@pytest.mark.parametrize(
    "headers, thaw",
    [
        ({}, "frozen"),
        ({"x-amz-restore": 'ongoing-request="true"'}, "thawing"),
        ({"x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2026 00:00:00 GMT"'}, "thawed"),
        ({"x-amz-storage-class": "GLACIER_IR"}, ""),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING"}, ""),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"}, "frozen"),
    ],
)
def test_a_head_tells_whether_an_object_can_be_read(
    environment: None, headers: dict[str, str], thaw: str
) -> None:
    del environment
    with answering(Canned(headers=HEAD | headers), Canned(OFF)) as server:
        assert S3Provider(server.endpoints).head("b", "x").thaw == thaw


def test_an_object_under_a_customers_own_key_cannot_be_looked_at(environment: None) -> None:
    del environment
    with answering(Canned(status=400)) as server, pytest.raises(ActionRefused):
        S3Provider(server.endpoints).head("b", "x")


def test_uploads_go_on_after_the_first_page(environment: None) -> None:
    del environment
    pages = [
        f"<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>"
        f"<NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>{key}</Key><UploadId>u</UploadId>"
        "<Initiated>2026-11-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>"
        for more, key in (("true", "first +%41"), ("false", "second"))
    ]
    with answering(*(Canned(page.encode()) for page in pages)) as server:
        found = list(S3Provider(server.endpoints).uploads("b", ""))
    assert [upload.key for upload in found] == ["first +%41", "second"]
    assert "key-marker=first%20%2B%2541&upload-id-marker=u" in server.asked[1][1]


def test_a_delete_on_versions_of_s3_names_its_marker(s3: S3World) -> None:
    bucket = s3.bucket(versioned=True)
    left = s3.provider.delete(bucket, "x", s3.put(bucket, "x").token)
    (marker,) = [found for found in s3.provider.versions(bucket, "") if found.is_delete_marker]
    assert (marker.version_id, marker.is_current) == (left, True)


def test_a_restore_removes_the_newest_marker_only(s3: S3World) -> None:
    bucket = s3.bucket(versioned=True)
    ours = s3.provider.delete(bucket, "x", s3.put(bucket, "x").token)
    s3.client.delete_object(Bucket=bucket, Key="x")
    before = list(s3.provider.versions(bucket, ""))
    with pytest.raises(Gone):
        s3.provider.restore(bucket, "x", ours)
    assert list(s3.provider.versions(bucket, "")) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.settings("b"),
        lambda p: p.head("b", "x"),
        lambda p: list(p.list("b", "")),
        lambda p: list(p.versions("b", "")),
        lambda p: list(p.uploads("b", "")),
        lambda p: p.delete("b", "x", "1"),
        lambda p: p.delete_batch("b", [Target("x", "1")]),
        lambda p: p.restore("b", "x", "1"),
    ],
    ids=["settings", "head", "list", "versions", "uploads", "delete", "batch", "restore"],
)
def test_an_endpoint_that_does_not_answer_is_transient(
    environment: None, monkeypatch: pytest.MonkeyPatch, call: Callable[[Provider], object]
) -> None:
    del environment
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(Transient):
        call(S3Provider((Endpoint(match="s3://*", endpoint_url="http://127.0.0.1:9"),)))
