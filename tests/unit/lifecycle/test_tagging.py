"""Tagging objects for a rule: looked at, tagged, looked at again; nothing twice, nothing wrong left."""

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lifecycle.apply.chunk import ChunkReport, apply_chunk
from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.errors import ActionRefused
from lifecycle.providers import MOST_TAGS, ObjectState
from lifecycle.records.journal import Journal, open_journal
from pipelines.errors import Terminal, Transient
from tests.unit.lifecycle.chunks import AT, BUCKET, FILES, Cloud, World

PLAN = "stale-2026-11-20-1a2b3c4d"
MINE = {ARCHIVE_TAG: PLAN}
MODEL = "run/1/model.safetensors"
KEYS = [f"run/1/{name}" for name in FILES]
BUSY = Transient("the store is busy (SlowDown)", where="s3://train", fix="Run again.")


class Killed(BaseException):
    """What a SIGKILL looks like from inside."""


@pytest.fixture(params=["aws", "another store", "one that restarts an object's time"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A checkpoint to tag, on stores that differ in what a tag does."""
    made = World(tmp_path, Cloud())
    made.cloud.is_aws = request.param == "aws"
    made.cloud.tags_restart_age = "restarts" in request.param
    made.checkpoint("run/1", "tag-and-rule")
    return made


def apply(world: World) -> ChunkReport:
    capability = replace(world.capability, takes_tags=True, is_aws=world.cloud.is_aws)
    return world.apply(plan_id=PLAN, capabilities={capability.place: capability})


def tags(world: World) -> dict[str, dict[str, str]]:
    """Return all tags by key; what has none is left out."""
    return {key: dict(found) for key, found in world.bucket.tags.items() if found}


def once(name: str, key: str, act: Callable[[], object]) -> Callable[[str, str], None]:
    """Do something right before a change, the first time."""
    left = [act]

    def before(what: str, where: str) -> None:
        if (what, where) == (name, key) and left:
            left.pop()()

    return before


def overwrite(world: World, key: str = MODEL) -> ObjectState:
    """Write something else under a key, now."""
    return world.cloud.put(BUCKET, ObjectState(key, "newer", 7, AT, "STANDARD"))


def test_every_object_is_tagged_once_and_nothing_else_about_it_changes(world: World) -> None:
    before = {key: world.cloud.head(BUCKET, key) for key in KEYS}
    assert apply(world).results == {"done": 3}
    assert tags(world) == dict.fromkeys(KEYS, MINE)
    for key, state in before.items():
        now = world.cloud.head(BUCKET, key)
        assert replace(now, last_modified_at=state.last_modified_at) == state
    changes = list(world.cloud.changes)
    assert apply(world).results == {"done": 3}
    assert world.cloud.changes == changes


def test_what_is_overwritten_between_the_look_and_the_tag_loses_the_tag(world: World) -> None:
    world.cloud.before_change = once("tag", MODEL, lambda: overwrite(world))
    assert apply(world).results == {"done": 1, "changed": 1, "skipped": 1}
    assert tags(world) == {KEYS[0]: MINE}
    assert world.cloud.head(BUCKET, MODEL).etag == "newer"


def test_what_is_overwritten_right_after_the_tag_is_told_and_has_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.cloud.tag

    def tag_and_lose(bucket: str, state: ObjectState, name: str, text: str) -> None:
        tag(bucket, state, name, text)
        if state.key == MODEL:
            overwrite(world)

    monkeypatch.setattr(world.cloud, "tag", tag_and_lose)
    assert apply(world).results == {"done": 1, "changed": 1, "skipped": 1}
    assert tags(world) == {KEYS[0]: MINE}


def test_what_is_deleted_meanwhile_is_told(world: World) -> None:
    world.cloud.before_change = once("tag", MODEL, lambda: world.bucket.keys.pop(MODEL))
    assert apply(world).results == {"done": 1, "changed": 1, "skipped": 1}


def test_where_versions_are_kept_the_tag_hits_the_version_that_was_planned(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud())
    world.cloud.is_aws, world.bucket.versioning = True, "on"
    world.checkpoint("run/1", "tag-and-rule")
    world.cloud.before_change = once("tag", MODEL, lambda: overwrite(world))
    assert apply(world).results == {"done": 1, "changed": 1, "skipped": 1}
    assert tags(world) == {KEYS[0]: MINE}
    assert not any(world.bucket.hidden_tags.values())


def test_tags_of_others_stay_also_those_set_at_the_same_moment(world: World) -> None:
    def label() -> None:
        world.bucket.tags[MODEL] = {"team": "nlp"}

    world.cloud.before_change = once("tag", MODEL, label)
    world.bucket.tags[KEYS[0]] = {"owner": "ada"}
    assert apply(world).is_clean
    assert tags(world)[MODEL] == {"team": "nlp", **MINE}
    assert tags(world)[KEYS[0]] == {"owner": "ada", **MINE}


def test_who_wants_to_keep_it_at_the_same_moment_is_heard(world: World) -> None:
    def keep() -> None:
        world.bucket.tags[MODEL] = {"moraine:keep": "true"}

    world.cloud.before_change = once("tag", MODEL, keep)
    assert apply(world).results == {"done": 1, "protected": 1, "skipped": 1}
    assert tags(world)[MODEL] == {"moraine:keep": "true"}


@pytest.mark.parametrize(
    "there, why",
    [
        ({"moraine:keep": "true"}, "protected"),
        ({f"t{number}": "x" for number in range(MOST_TAGS)}, "skipped"),
        ({ARCHIVE_TAG: "another-plan"}, "skipped"),
    ],
    ids=["kept", "full", "of another plan"],
)
def test_an_object_that_cannot_take_the_tag_is_left_as_it_is(
    world: World, there: dict[str, str], why: str
) -> None:
    world.bucket.tags[MODEL] = there
    assert apply(world).results in ({"done": 1, why: 1, "skipped": 1}, {"done": 1, why: 2})
    assert tags(world) == {KEYS[0]: MINE, MODEL: there}


def test_nine_tags_leave_room_for_ours(world: World) -> None:
    world.bucket.tags[MODEL] = {f"t{number}": "x" for number in range(MOST_TAGS - 1)}
    assert apply(world).is_clean
    assert len(tags(world)[MODEL]) == MOST_TAGS


def test_a_held_object_is_not_tagged(world: World) -> None:
    held = world.bucket.keys[MODEL]
    held[-1] = replace(held[-1], hold="legal hold")
    assert apply(world).results == {"done": 1, "protected": 1, "skipped": 1}
    assert MODEL not in tags(world)


@pytest.mark.parametrize("has_effect", [False, True], ids=["before-it-was-sent", "after-it-was-done"])
@pytest.mark.parametrize("key", KEYS)
def test_killed_at_any_tag_and_run_again_everything_is_tagged_once(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str, *, has_effect: bool
) -> None:
    tag, deaths = world.cloud.tag, [key]

    def die(bucket: str, state: ObjectState, name: str, text: str) -> None:
        is_last = state.key in deaths
        if has_effect or not is_last:
            tag(bucket, state, name, text)
        if is_last:
            deaths.clear()
            raise Killed

    monkeypatch.setattr(world.cloud, "tag", die)
    with pytest.raises(Killed):
        apply(world)
    assert world.results()[key] == "begun"
    assert apply(world).results == {"done": 3}
    assert tags(world) == dict.fromkeys(KEYS, MINE)
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 3


def test_what_was_overwritten_before_a_killed_run_goes_on_loses_the_tag(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.cloud.tag

    def die(bucket: str, state: ObjectState, name: str, text: str) -> None:
        if state.key == MODEL:
            overwrite(world)
        tag(bucket, state, name, text)
        if state.key == MODEL:
            raise Killed

    monkeypatch.setattr(world.cloud, "tag", die)
    with pytest.raises(Killed):
        apply(world)
    assert MODEL in tags(world)
    monkeypatch.undo()
    assert apply(world).results == {"done": 1, "changed": 1, "skipped": 1}
    assert tags(world) == {KEYS[0]: MINE}


@pytest.mark.parametrize("what", ["tag", "untag"])
def test_an_answer_that_is_lost_is_settled_by_looking(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    change, lost = getattr(world.cloud, what), [MODEL]

    def lose(bucket: str, state: ObjectState, name: str, text: str) -> None:
        change(bucket, state, name, text)
        if state.key in lost:
            lost.clear()
            raise BUSY

    monkeypatch.setattr(world.cloud, what, lose)
    if what == "untag":
        world.cloud.before_change = once("tag", MODEL, lambda: overwrite(world))
    report = apply(world)
    assert report.results == ({"done": 3} if what == "tag" else {"done": 1, "changed": 1, "skipped": 1})
    assert tags(world) == dict.fromkeys(KEYS if what == "tag" else KEYS[:1], MINE)
    assert len(world.cloud.changes) == len(set(world.cloud.changes))


@pytest.mark.parametrize("writes", range(6))
def test_a_full_disk_leaves_no_tag_without_its_intent(world: World, writes: int) -> None:
    class Full:
        left = writes

        def __init__(self, file: object) -> None:
            self._file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def write(self, data: memoryview) -> int:
            Full.left -= 1
            if Full.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written: int = self._file.write(data)  # type: ignore[attr-defined]
            return written

    with open_journal(world.journal) as journal:
        full = Journal(Full(journal._file), {})  # type: ignore[arg-type]
        with pytest.raises(Terminal, match="No space left"):
            apply_chunk("chunk-00000", world.actions, full, world.hand(plan_id=PLAN), {})
    assert tags(world).keys() <= world.results().keys()
    assert apply(world).results == {"done": 3}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 3


def test_what_a_rule_moved_before_a_killed_run_goes_on_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.cloud.tag

    def die(bucket: str, state: ObjectState, name: str, text: str) -> None:
        tag(bucket, state, name, text)
        raise Killed

    monkeypatch.setattr(world.cloud, "tag", die)
    with pytest.raises(Killed):
        apply(world)
    monkeypatch.undo()
    moved = world.bucket.keys[KEYS[0]]
    moved[-1] = replace(moved[-1], storage_class="GLACIER_IR")
    assert apply(world).results == {"done": 3}


def test_a_store_that_refuses_the_tag_fails_and_may_be_tried_again(world: World) -> None:
    def refuse(what: str, key: str) -> None:
        if (what, key) == ("tag", MODEL):
            raise ActionRefused("the store refused the change (AccessDenied)", where=key, fix="Allow it.")

    world.cloud.before_change = refuse
    assert apply(world).results == {"done": 1, "failed": 1}
    world.cloud.before_change = lambda _name, _key: None
    assert apply(world).results == {"done": 3}


def test_without_a_plan_nothing_is_tagged(world: World) -> None:
    assert world.apply().results == {"failed": 1}
    assert tags(world) == {}
