"""Tags come beside others and off again; nobody else's is ever lost, and no other version gets one."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lifecycle.canary import measure
from lifecycle.errors import ActionRefused, Gone
from lifecycle.providers import MOST_TAGS, KeepsRules, ObjectState, S3Provider
from lifecycle.providers.memory import MemoryBucket, MemoryProvider
from lifecycle.providers.s3_buckets import read_settings
from lifecycle.providers.s3_tags import change_tags, without_tag
from pipelines.errors import Transient
from tests.unit.lifecycle.providers.hostile_keys import HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import (
    AT,
    Canned,
    GcsWorld,
    MemoryWorld,
    S3World,
    World,
    answering,
)

OURS = ("moraine-archive", "plan-1")
UNTOLD = b"<Tagging></Tagging>"


@pytest.fixture(params=["memory", "s3"])
def world(request: pytest.FixtureRequest) -> World:
    """Each cloud whose objects have tags."""
    if request.param == "memory":
        return MemoryWorld(MemoryProvider())
    found: S3World = request.getfixturevalue("s3")
    return found


def cloud(world: World) -> KeepsRules:
    provider = world.provider
    assert isinstance(provider, KeepsRules)
    return provider


def set_tags(world: World, bucket: str, state: ObjectState, *tags: tuple[str, str]) -> None:
    for name, text in tags:
        cloud(world).tag(bucket, state, name, text)


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_a_tag_comes_beside_others_and_off_again(world: World, *, versioned: bool) -> None:
    bucket = world.bucket(versioned=versioned)
    state = world.put(bucket, "x")
    theirs = {"team": "nlp", "why": "a+b c=/:@"}
    set_tags(world, bucket, state, *theirs.items())
    cloud(world).tag(bucket, state, *OURS)
    cloud(world).tag(bucket, state, *OURS)
    assert world.provider.tags(bucket, "x") == {**theirs, OURS[0]: OURS[1]}
    cloud(world).untag(bucket, state, *OURS)
    cloud(world).untag(bucket, state, *OURS)
    assert world.provider.tags(bucket, "x") == theirs
    now = world.provider.head(bucket, "x")
    assert (now.etag, now.storage_class, now.version_id) == (
        state.etag,
        state.storage_class,
        state.version_id,
    )


def test_the_last_tag_comes_off(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    cloud(world).tag(bucket, state, *OURS)
    cloud(world).untag(bucket, state, *OURS)
    assert world.provider.tags(bucket, "x") == {}


def test_a_tag_with_another_text_is_somebodys(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    cloud(world).tag(bucket, state, OURS[0], "another plan")
    cloud(world).untag(bucket, state, *OURS)
    assert world.provider.tags(bucket, "x") == {OURS[0]: "another plan"}


def test_only_the_version_that_was_looked_at_gets_it(world: World) -> None:
    bucket = world.bucket(versioned=True)
    old = world.put(bucket, "x", b"old")
    world.put(bucket, "x", b"new")
    cloud(world).tag(bucket, old, *OURS)
    assert world.provider.tags(bucket, "x") == {}


def test_what_is_written_anew_has_no_tags(world: World) -> None:
    bucket = world.bucket()
    cloud(world).tag(bucket, world.put(bucket, "x"), *OURS)
    world.put(bucket, "x", b"new")
    assert world.provider.tags(bucket, "x") == {}


def test_ten_tags_are_the_most(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    full = [(f"t{number}", "x") for number in range(MOST_TAGS)]
    set_tags(world, bucket, state, *full)
    with pytest.raises(ActionRefused, match="10 tags"):
        cloud(world).tag(bucket, state, *OURS)
    assert world.provider.tags(bucket, "x") == dict(full)


def test_what_is_gone_is_told(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    world.provider.delete(bucket, "x", state.token)
    for change in (cloud(world).tag, cloud(world).untag):
        with pytest.raises(Gone):
            change(bucket, state, *OURS)


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_keys_are_exact_bytes(world: World, key: str) -> None:
    bucket = world.bucket()
    state, neighbour = world.put(bucket, key), world.put(bucket, f"{key}x")
    cloud(world).tag(bucket, state, *OURS)
    assert world.provider.tags(bucket, key) == {OURS[0]: OURS[1]}
    assert world.provider.tags(bucket, neighbour.key) == {}


def test_tags_that_a_store_does_not_tell_are_never_replaced(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del environment
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    state = ObjectState("x", "e", 1, AT, "STANDARD")
    for answer, error in ((Canned(UNTOLD), ActionRefused), (Canned(status=503), Transient)):
        with answering(answer) as server:
            provider = S3Provider(server.endpoints)
            for change in (provider.tag, provider.untag):
                with pytest.raises(error):
                    change("b", state, *OURS)
        assert {method for method, *_ in server.asked} == {"GET"}


def test_the_canary_tells_that_tags_are_taken(world: World) -> None:
    assert measure(world.provider, world.bucket(versioned=True), "token").takes_tags


def test_on_cloud_storage_nothing_is_tagged(gcs: GcsWorld) -> None:
    assert not measure(gcs.provider, gcs.bucket(), "token").takes_tags


def loses_others(provider: MemoryProvider) -> None:
    put = provider.tag

    def tag(bucket: str, state: ObjectState, name: str, text: str) -> None:
        provider.buckets[bucket].tags.clear()
        put(bucket, state, name, text)

    provider.tag = tag  # type: ignore[method-assign]


def keeps_all(provider: MemoryProvider) -> None:
    provider.untag = lambda *_said: None  # type: ignore[method-assign]


def takes_none(provider: MemoryProvider) -> None:
    provider.tag = lambda *_said: None  # type: ignore[method-assign]


def hides_rules(provider: MemoryProvider) -> None:
    def refuse(bucket: str) -> None:
        raise ActionRefused("the rules cannot be read (AccessDenied)", where=bucket, fix="Allow it.")

    provider.rules = refuse  # type: ignore[assignment,method-assign]


@pytest.mark.parametrize("fault", [loses_others, keeps_all, takes_none, hides_rules])
def test_a_store_that_does_not_keep_tags_as_it_should_is_found_out(
    fault: Callable[[MemoryProvider], None],
) -> None:
    provider = MemoryProvider()
    provider.buckets["b"] = MemoryBucket()
    fault(provider)
    found = measure(provider, "b", "token")
    assert (found.takes_tags, found.can_copy) == (False, True)
    assert not provider.buckets["b"].keys


@pytest.mark.parametrize("is_aws", [True, False])
def test_the_last_tag_goes_as_its_store_has_it(environment: None, *, is_aws: bool) -> None:
    del environment
    client = boto3.client("s3", endpoint_url=None if is_aws else "http://127.0.0.1:9")
    where: dict[str, Any] = {"Bucket": "b", "Key": "x", "VersionId": "v1"}
    with Stubber(client) as said:
        said.add_response(
            "get_object_tagging", {"TagSet": [dict(zip(("Key", "Value"), OURS, strict=True))]}, where
        )
        if is_aws:
            said.add_response("delete_object_tagging", {}, where)
        else:
            said.add_response("put_object_tagging", {}, {**where, "Tagging": {"TagSet": []}})
        change_tags(client, "b", ObjectState("x", "e", 1, AT, "STANDARD", "v1"), without_tag(*OURS))
        said.assert_no_pending_responses()


@pytest.mark.parametrize(
    "url, is_aws",
    [
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://amazonaws.com.example.org", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_amazon_is_told_from_what_speaks_like_it(
    environment: None, monkeypatch: pytest.MonkeyPatch, url: str, *, is_aws: bool
) -> None:
    del environment
    client = boto3.client("s3", endpoint_url=url)
    monkeypatch.setattr(client, "get_bucket_versioning", lambda **_said: {})
    assert read_settings(client, "b").is_aws is is_aws
