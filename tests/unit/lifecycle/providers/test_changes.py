"""Changes of one object: done under the right condition, and under no other."""

import pytest

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers import MemoryProvider
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import COLDER, WRONG, MemoryWorld, S3World, World, colder

ALL_KEYS = HOSTILE_KEYS | CONTROL_KEYS


@pytest.mark.parametrize("key", ALL_KEYS.values(), ids=ALL_KEYS)
def test_keys_are_exact_bytes(world: World, key: str) -> None:
    bucket = world.bucket()
    # What a careless client would make of the hostile keys, with the same bytes and so the same ETag.
    beside = ["b", "a", "a/b", "a/trailing", "a/linefeed", "a/carriage\nreturn", "a/question"]
    for other in beside:
        world.put(bucket, other)
    state = world.put(bucket, key)
    world.provider.change_class(bucket, state, colder(world, state))
    after = world.provider.head(bucket, key)
    assert (after.storage_class, after.size_bytes) == (COLDER[world.provider.scheme], state.size_bytes)
    world.provider.delete(bucket, key, after.token)
    with pytest.raises(Gone):
        world.provider.head(bucket, key)
    left = {(found.key, found.storage_class) for found in world.provider.list(bucket, "")}
    assert left == {(other, "STANDARD") for other in beside}


def test_a_copy_is_refused_when_the_source_or_the_destination_is_not_what_was_planned(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    wrong = WRONG[world.provider.scheme]
    for said in ({"source": wrong}, {"destination": wrong}):
        for in_parts in (False, True):
            with pytest.raises(ConditionFailed):
                world.provider.change_class(bucket, state, colder(world, state, **said, in_parts=in_parts))
    assert world.provider.head(bucket, "x") == state


def test_a_copy_returns_the_token_that_the_object_has_afterwards(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    token = world.provider.change_class(bucket, state, colder(world, state))
    assert token == world.provider.head(bucket, "x").token


def test_what_was_written_since_the_look_is_not_copied_over(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x", b"planned")
    newer = world.put(bucket, "x", b"written since")
    with pytest.raises(ConditionFailed):
        world.provider.change_class(bucket, state, colder(world, state))
    assert world.provider.head(bucket, "x") == newer


def test_a_delete_is_refused_when_the_object_is_not_what_was_planned(world: World) -> None:
    for versioned in (False, True):
        bucket = world.bucket(versioned=versioned)
        state = world.put(bucket, "x")
        with pytest.raises(ConditionFailed):
            world.provider.delete(bucket, "x", WRONG[world.provider.scheme])
        assert world.provider.head(bucket, "x") == state


def test_what_is_gone_is_not_deleted_again(world: World) -> None:
    bucket = world.bucket()
    with pytest.raises((Gone, ConditionFailed)):
        world.provider.delete(bucket, "nothing", WRONG[world.provider.scheme])


def test_a_held_object_is_not_copied(world: World) -> None:
    bucket = world.bucket(lockable=True)
    world.put(bucket, "held")
    world.hold(bucket, "held")
    state = world.provider.head(bucket, "held")
    with pytest.raises(ActionRefused):
        world.provider.change_class(bucket, state, colder(world, state))
    assert world.provider.head(bucket, "held") == state


def test_a_held_version_is_not_removed(world: World) -> None:
    bucket = world.bucket(versioned=True, lockable=True)
    state = world.put(bucket, "held")
    world.hold(bucket, "held")
    with pytest.raises(ActionRefused):
        world.provider.delete_version(bucket, "held", state.version_id or "")
    assert world.provider.head(bucket, "held").token == state.token


def test_only_the_version_that_was_named_is_removed(world: World) -> None:
    bucket = world.bucket(versioned=True)
    first, second = world.put(bucket, "x", b"first"), world.put(bucket, "x", b"second")
    world.provider.delete_version(bucket, "x", first.version_id or "")
    assert [state.version_id for state in world.provider.versions(bucket, "x")] == [second.version_id]
    assert world.provider.head(bucket, "x") == second


@pytest.mark.parametrize("name", ["memory-s3", "s3"])
def test_only_the_upload_that_was_named_is_aborted(name: str, request: pytest.FixtureRequest) -> None:
    world: MemoryWorld | S3World = (
        MemoryWorld(MemoryProvider()) if name == "memory-s3" else request.getfixturevalue("s3")
    )
    bucket = world.bucket()
    for _ in range(2):
        world.open_upload(bucket, "x")
    first, second = world.provider.uploads(bucket, "")
    world.provider.abort_upload(bucket, "x", first.upload_id)
    assert list(world.provider.uploads(bucket, "")) == [second]
    with pytest.raises(Gone):
        world.provider.abort_upload(bucket, "x", first.upload_id)
