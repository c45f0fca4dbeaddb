"""One suite for every provider: what the lifecycle relies on is the same in memory and on S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import boto3
import pytest

from lifecycle.canary import measure
from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers import (
    CANARY_PREFIX,
    ClassChange,
    MemoryProvider,
    ObjectState,
    Provider,
    S3Provider,
)
from lifecycle.providers.memory import MemoryBucket
from pipelines.demo import DEMO_ENVIRONMENT, make_company, running_endpoint
from pipelines.demo.objects import StoredObject, declare, write
from pipelines.domain.configuration import Endpoint
from pipelines.errors import MoraineError, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "acme-training"
VERSIONED = "acme-datasets"
AT = datetime(2026, 9, 1, 12, 30, 15)
GIB = 1024**3
KEYS = (
    "a/plain.bin",
    "a/notes + 100%.txt",
    "a/Größe=1 of 2/ergebnis%20final+1.json",
    "a//double",
    "a/question?x=1#y",
)
OBJECTS = (
    *(declare(BUCKET, key, 200_000, AT) for key in KEYS),
    declare(BUCKET, "b/huge.bin", 9 * GIB, AT),
    declare(VERSIONED, "v/x.bin", 200_000, AT),
    write(BUCKET, "c/body.bin", bytes(range(256)) * 40_000, AT),
)


@dataclass
class Cloud:
    """A provider and a way to put objects behind its back."""

    provider: Provider
    url: str = ""


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in DEMO_ENVIRONMENT.items():
            patch.setenv(name, text)
        yield


@pytest.fixture(params=["memory", "s3"])
def cloud(request: pytest.FixtureRequest, environment: None) -> Iterator[Cloud]:
    del environment
    if request.param == "memory":
        provider = MemoryProvider()
        provider.buckets = {BUCKET: MemoryBucket(), VERSIONED: MemoryBucket("on")}
        for item in OBJECTS:
            state = ObjectState(item.key, item.etag, item.size_bytes, item.modified_at, item.storage_class)
            provider.put(item.bucket, state)
        yield Cloud(provider)
        return
    with serving(*OBJECTS) as served:
        yield served


def serving(*objects: StoredObject, plain: bool = False) -> _Serving:
    return _Serving(objects, plain=plain)


class _Serving:
    def __init__(self, objects: tuple[StoredObject, ...], *, plain: bool) -> None:
        company = replace(make_company(date(2026, 11, 20)), objects=objects, uploads=())
        self._endpoint = running_endpoint(company, plain=plain)

    def __enter__(self) -> Cloud:
        url = self._endpoint.__enter__().url
        return Cloud(S3Provider((Endpoint(match="s3://*", endpoint_url=url),)), url)

    def __exit__(self, *_: object) -> None:
        self._endpoint.__exit__(None, None, None)


def client(cloud: Cloud) -> S3Client:
    return boto3.client("s3", endpoint_url=cloud.url)


def colder(state: ObjectState, **said: object) -> ClassChange:
    return replace(ClassChange("GLACIER_IR", state.etag, state.etag), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_exact_bytes(cloud: Cloud, key: str) -> None:
    state = cloud.provider.head(BUCKET, key)
    assert (state.key, state.size_bytes, state.last_modified_at) == (key, 200_000, AT)
    assert (state.storage_class, state.hold) == ("STANDARD", "")
    cloud.provider.change_class(BUCKET, state, colder(state))
    after = cloud.provider.head(BUCKET, key)
    assert (after.storage_class, after.size_bytes) == ("GLACIER_IR", 200_000)
    cloud.provider.delete(BUCKET, key, after.etag)
    with pytest.raises(Gone):
        cloud.provider.head(BUCKET, key)
    assert len(list(cloud.provider.list(BUCKET, "a/"))) == len(KEYS) - 1


def test_a_listing_shows_every_current_object_below_a_prefix(cloud: Cloud) -> None:
    assert {state.key for state in cloud.provider.list(BUCKET, "a/")} == set(KEYS)
    listed = next(iter(cloud.provider.list(BUCKET, "b/")))
    assert (listed.size_bytes, listed.storage_class) == (9 * GIB, "STANDARD")
    assert listed.etag == cloud.provider.head(BUCKET, "b/huge.bin").etag


def test_a_copy_is_refused_when_the_source_or_the_destination_is_not_what_was_planned(cloud: Cloud) -> None:
    state = cloud.provider.head(BUCKET, KEYS[0])
    for said in ({"source": "0" * 32}, {"destination": "0" * 32}):
        for in_parts in (False, True):
            with pytest.raises(ConditionFailed):
                cloud.provider.change_class(BUCKET, state, colder(state, **said, in_parts=in_parts))
    assert cloud.provider.head(BUCKET, KEYS[0]) == state


def test_a_delete_is_refused_when_the_object_is_not_what_was_planned(cloud: Cloud) -> None:
    state = cloud.provider.head(BUCKET, KEYS[0])
    with pytest.raises(ConditionFailed):
        cloud.provider.delete(BUCKET, KEYS[0], "0" * 32)
    assert cloud.provider.head(BUCKET, KEYS[0]) == state


def test_what_is_gone_is_said_to_be_gone(cloud: Cloud) -> None:
    with pytest.raises(Gone):
        cloud.provider.head(BUCKET, "nothing")
    with pytest.raises((Gone, ConditionFailed)):
        cloud.provider.delete(BUCKET, "nothing", "0" * 32)


def test_a_bucket_that_does_not_exist_is_an_error_and_not_an_empty_one(cloud: Cloud) -> None:
    with pytest.raises(MoraineError):
        list(cloud.provider.list("acme-nowhere", ""))


def test_a_delete_where_versions_are_kept_leaves_the_version(cloud: Cloud) -> None:
    assert [cloud.provider.settings(name).versioning for name in (BUCKET, VERSIONED)] == ["off", "on"]
    state = cloud.provider.head(VERSIONED, "v/x.bin")
    cloud.provider.delete(VERSIONED, "v/x.bin", state.etag)
    assert not list(cloud.provider.list(VERSIONED, "v/"))
    found = list(cloud.provider.versions(VERSIONED, "v/"))
    assert sorted((v.key, v.is_delete_marker, v.is_current) for v in found) == [
        ("v/x.bin", False, False),
        ("v/x.bin", True, True),
    ]


def test_the_canary_finds_what_is_enforced_and_leaves_nothing(cloud: Cloud) -> None:
    for bucket, versioning in ((BUCKET, "off"), (VERSIONED, "on")):
        found = measure(cloud.provider, bucket, "token")
        assert found.can_copy
        assert found.copy_in_parts
        assert found.delete
        assert found.versioning == versioning
        assert not list(cloud.provider.versions(bucket, CANARY_PREFIX))


def test_only_canaries_are_written_and_erased() -> None:
    provider = S3Provider((Endpoint(match="s3://*", endpoint_url="http://127.0.0.1:9"),))
    with pytest.raises(ActionRefused):
        provider.put_canary(BUCKET, "runs/x", b"")
    with pytest.raises(ActionRefused):
        provider.erase_canary(BUCKET, "runs/x")


def test_plain_moto_is_found_out_by_the_canary(environment: None) -> None:
    del environment
    with serving(*OBJECTS, plain=True) as plain:
        found = measure(plain.provider, BUCKET, "token")
        assert not found.copy_source
        assert not found.copy_destination
        assert not found.copy_in_parts
        assert not list(plain.provider.list(BUCKET, CANARY_PREFIX))


@pytest.mark.parametrize("in_parts", [False, True], ids=["at-once", "in-parts"])
def test_a_copy_keeps_what_belongs_to_the_object(environment: None, *, in_parts: bool) -> None:
    del environment
    with serving(*OBJECTS) as cloud:
        body = bytes(range(256)) * 50_000
        s3 = client(cloud)
        s3.put_object(
            Bucket=BUCKET,
            Key="kept.bin",
            Body=body,
            Metadata={"run": "chat"},
            ContentType="application/x-weights",
            CacheControl="no-store",
            ContentEncoding="identity",
            Tagging="team=nlp&why=a%2Bb+c",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId="our-key",
        )
        provider = S3Provider((Endpoint(match="s3://*", endpoint_url=cloud.url),), part_bytes=5 * 1024**2)
        state = provider.head(BUCKET, "kept.bin")
        etag = provider.change_class(BUCKET, state, colder(state, in_parts=in_parts))
        found = s3.get_object(Bucket=BUCKET, Key="kept.bin")
        assert found["Body"].read() == body
        assert found["ETag"].strip('"') == etag
        assert ("-3" in etag) is in_parts
        assert found["StorageClass"] == "GLACIER_IR"
        assert found["Metadata"] == {"run": "chat"}
        assert found["ContentType"] == "application/x-weights"
        assert (found["CacheControl"], found["ContentEncoding"]) == ("no-store", "identity")
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "our-key")
        tags = {
            tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=BUCKET, Key="kept.bin")["TagSet"]
        }
        assert tags == {"team": "nlp", "why": "a+b c"}


def test_a_copy_in_parts_that_fails_leaves_no_open_upload(environment: None) -> None:
    del environment
    with serving(*OBJECTS) as cloud:
        state = cloud.provider.head(BUCKET, "b/huge.bin")
        with pytest.raises(ConditionFailed):
            cloud.provider.change_class(BUCKET, state, colder(state, destination="0" * 32, in_parts=True))
        assert not client(cloud).list_multipart_uploads(Bucket=BUCKET).get("Uploads")
        cloud.provider.change_class(BUCKET, state, colder(state, in_parts=True))
        after = cloud.provider.head(BUCKET, "b/huge.bin")
        assert (after.storage_class, after.size_bytes) == ("GLACIER_IR", 9 * GIB)


def test_holds_and_retentions_are_seen(environment: None) -> None:
    del environment
    with serving(*OBJECTS) as cloud:
        s3 = client(cloud)
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        s3.put_object(Bucket="locked", Key="held", Body=b"x", ObjectLockLegalHoldStatus="ON")
        until = datetime(2030, 1, 1, tzinfo=UTC)
        retained = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
        s3.put_object(Bucket="locked", Key="kept", Body=b"x", **retained)  # type: ignore[arg-type]
        assert cloud.provider.head("locked", "held").hold == "legal hold"
        assert "2030-01-01" in cloud.provider.head("locked", "kept").hold


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.head(BUCKET, "x"),
        lambda p: list(p.list(BUCKET, "")),
        lambda p: p.settings(BUCKET),
        lambda p: p.delete(BUCKET, "x", "e"),
    ],
    ids=["head", "list", "versioning", "delete"],
)
def test_an_endpoint_that_does_not_answer_is_transient(
    environment: None, monkeypatch: pytest.MonkeyPatch, call: Callable[[Provider], object]
) -> None:
    del environment
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    provider = S3Provider((Endpoint(match="s3://*", endpoint_url="http://127.0.0.1:9"),))
    with pytest.raises(Transient):
        call(provider)
