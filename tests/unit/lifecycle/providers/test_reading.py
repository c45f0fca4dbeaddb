"""What every provider tells of buckets and objects."""

import pytest

from lifecycle.errors import Gone
from lifecycle.providers import MemoryProvider
from pipelines.errors import MoraineError
from tests.unit.lifecycle.providers.hostile_keys import HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import GcsWorld, MemoryWorld, S3World, World

MORE_THAN_A_PAGE = [f"many/{number:04}" for number in range(1001)]


def test_an_object_is_told_as_it_is(world: World) -> None:
    bucket = world.bucket()
    world.put(bucket, "a/x.bin", b"12345")
    state = world.provider.head(bucket, "a/x.bin")
    assert (state.key, state.size_bytes, state.storage_class) == ("a/x.bin", 5, "STANDARD")
    assert (state.hold, state.thaw, state.is_current, state.is_delete_marker) == ("", "", True, False)
    assert state.scheme == world.provider.scheme
    assert state.token


def test_the_token_changes_with_the_content(world: World) -> None:
    bucket = world.bucket()
    assert world.put(bucket, "x", b"one").token != world.put(bucket, "x", b"two").token


def test_an_empty_object_is_an_object(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "empty", b"")
    assert state.size_bytes == 0
    assert world.provider.delete(bucket, "empty", state.token) == ""


def test_a_listing_shows_every_current_object_below_a_prefix_and_nothing_beside(world: World) -> None:
    bucket = world.bucket()
    keys = sorted([*HOSTILE_KEYS.values(), "a", "b/x"], key=str.encode)
    for key in keys:
        world.put(bucket, key)
    listed = list(world.provider.list(bucket, ""))
    assert sorted((state.key for state in listed), key=str.encode) == keys
    below = {key for key in keys if key.startswith("a/")}
    assert {state.key for state in world.provider.list(bucket, "a/")} == below
    for state in listed:
        assert state.token == world.provider.head(bucket, state.key).token
        assert state.last_modified_at == world.provider.head(bucket, state.key).last_modified_at


def test_a_listing_goes_on_after_the_first_page(world: World) -> None:
    bucket = world.bucket()
    world.put_many(bucket, MORE_THAN_A_PAGE)
    assert [state.key for state in world.provider.list(bucket, "many/")] == MORE_THAN_A_PAGE


def test_versions_go_on_after_the_first_page(world: World) -> None:
    bucket = world.bucket(versioned=True)
    world.put_many(bucket, MORE_THAN_A_PAGE)
    world.put(bucket, "many/0000", b"again")
    found = list(world.provider.versions(bucket, "many/"))
    assert len(found) == len(MORE_THAN_A_PAGE) + 1
    assert len({(state.key, state.version_id) for state in found}) == len(found)
    assert [state.key for state in found if not state.is_current] == ["many/0000"]


@pytest.mark.parametrize("scheme", ["memory-s3", "s3"])
def test_a_thousand_and_one_uploads_are_listed(scheme: str, request: pytest.FixtureRequest) -> None:
    world: MemoryWorld | S3World = (
        MemoryWorld(MemoryProvider()) if scheme == "memory-s3" else request.getfixturevalue("s3")
    )
    bucket = world.bucket()
    for key in MORE_THAN_A_PAGE:
        if isinstance(world, S3World):
            world.backend.create_multipart_upload(bucket, key, {}, "STANDARD", None, None, None, None)
        else:
            world.open_upload(bucket, key)
    found = list(world.provider.uploads(bucket, "many/"))
    assert sorted(upload.key for upload in found) == MORE_THAN_A_PAGE
    assert not list(world.provider.uploads(bucket, "few/"))


def test_cloud_storage_has_no_uploads_to_show(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    assert not list(gcs.provider.uploads(bucket, ""))
    with pytest.raises(Gone):
        gcs.provider.abort_upload(bucket, "x", "1")


def test_what_is_not_there_is_said_to_be_gone(world: World) -> None:
    bucket = world.bucket()
    for ask in (world.provider.head, world.provider.tags):
        with pytest.raises(Gone):
            ask(bucket, "nothing")


def test_a_bucket_that_does_not_exist_is_an_error_and_not_an_empty_one(world: World) -> None:
    with pytest.raises(MoraineError):
        list(world.provider.list("acme-nowhere", ""))
    with pytest.raises(MoraineError):
        world.provider.settings("acme-nowhere")


def test_settings_tell_whether_versions_are_kept(world: World) -> None:
    assert world.provider.settings(world.bucket()).versioning == "off"
    assert world.provider.settings(world.bucket(versioned=True)).versioning == "on"


def test_a_hold_is_seen(world: World) -> None:
    bucket = world.bucket(lockable=True)
    world.put(bucket, "held")
    world.put(bucket, "free")
    world.hold(bucket, "held")
    assert "hold" in world.provider.head(bucket, "held").hold
    assert world.provider.head(bucket, "free").hold == ""
