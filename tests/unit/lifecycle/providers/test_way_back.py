"""Deletes that leave something behind, and what brings it back."""

import pytest

from lifecycle.errors import ConditionFailed, Gone
from tests.unit.lifecycle.providers.worlds import World


def test_a_delete_where_versions_are_kept_leaves_the_version(world: World) -> None:
    bucket = world.bucket(versioned=True)
    state = world.put(bucket, "v/x.bin")
    assert world.provider.delete(bucket, "v/x.bin", state.token)
    assert not list(world.provider.list(bucket, "v/"))
    with pytest.raises(Gone):
        world.provider.head(bucket, "v/x.bin")
    left = [version for version in world.provider.versions(bucket, "v/") if not version.is_delete_marker]
    assert [(version.key, version.is_current) for version in left] == [("v/x.bin", False)]
    assert left[0].version_id == state.version_id


def test_a_delete_where_nothing_is_kept_says_so(world: World) -> None:
    bucket = world.bucket()
    state = world.put(bucket, "x")
    assert world.provider.delete(bucket, "x", state.token) == ""
    assert not list(world.provider.versions(bucket, ""))


def test_a_deleted_object_comes_back_as_it_was(world: World) -> None:
    bucket = world.bucket(versioned=True)
    state = world.put(bucket, "x", b"precious")
    left = world.provider.delete(bucket, "x", state.token)
    back = world.provider.restore(bucket, "x", left)
    now = world.provider.head(bucket, "x")
    assert back == now
    assert (now.size_bytes, now.storage_class) == (state.size_bytes, state.storage_class)


def test_a_restore_never_replaces_what_lives(world: World) -> None:
    bucket = world.bucket(versioned=True)
    state = world.put(bucket, "x", b"old")
    left = world.provider.delete(bucket, "x", state.token)
    newer = world.put(bucket, "x", b"written since")
    with pytest.raises(ConditionFailed):
        world.provider.restore(bucket, "x", left)
    assert world.provider.head(bucket, "x") == newer


def test_a_restore_happens_once(world: World) -> None:
    bucket = world.bucket(versioned=True)
    left = world.provider.delete(bucket, "x", world.put(bucket, "x").token)
    back = world.provider.restore(bucket, "x", left)
    with pytest.raises((ConditionFailed, Gone)):
        world.provider.restore(bucket, "x", left)
    assert world.provider.head(bucket, "x") == back


def test_what_left_nothing_does_not_come_back(world: World) -> None:
    bucket = world.bucket(versioned=True)
    with pytest.raises(Gone):
        world.provider.restore(bucket, "x", "1234567")


def test_a_restore_touches_one_key_only(world: World) -> None:
    bucket = world.bucket(versioned=True)
    deleted = {
        key: world.provider.delete(bucket, key, world.put(bucket, key).token) for key in ("x", "x2", "x/y")
    }
    world.provider.restore(bucket, "x", deleted["x"])
    assert [state.key for state in world.provider.list(bucket, "")] == ["x"]
