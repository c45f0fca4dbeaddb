"""Many deletes in one request: each object goes under its own condition or stays, and each gets an answer."""

from lifecycle.providers import BATCH, Target
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import WRONG, World


def test_only_what_is_as_planned_goes(world: World) -> None:
    bucket = world.bucket()
    state = {key: world.put(bucket, key) for key in ("right", "wrong", "changed")}
    world.put(bucket, "changed", b"written since")
    targets = [
        Target("right", state["right"].token),
        Target("wrong", WRONG[world.provider.scheme]),
        Target("changed", state["changed"].token),
        Target("nothing", state["right"].token),
    ]
    answers = world.provider.delete_batch(bucket, targets)
    assert [answer.key for answer in answers] == [target.key for target in targets]
    assert [answer.result for answer in answers] == ["done", "changed", "changed", "gone"]
    assert [found.key for found in world.provider.list(bucket, "")] == ["changed", "wrong"]


def test_keys_are_exact_bytes(world: World) -> None:
    bucket = world.bucket()
    beside = ["b", "a", "a/b", "a/trailing", "a/linefeed", "a/carriage\nreturn", "a/question"]
    for other in beside:
        world.put(bucket, other)
    states = [world.put(bucket, key) for key in (HOSTILE_KEYS | CONTROL_KEYS).values()]
    targets = [Target(state.key, state.token) for state in states]
    answers = world.provider.delete_batch(bucket, targets)
    assert {answer.key: answer.result for answer in answers} == {state.key: "done" for state in states}
    assert sorted(found.key for found in world.provider.list(bucket, "")) == sorted(beside)


def test_more_than_one_request_takes(world: World) -> None:
    bucket = world.bucket()
    world.put_many(bucket, [f"many/{number:04}" for number in range(BATCH + 1)])
    world.put(bucket, "other")
    targets = [Target(state.key, state.token) for state in world.provider.list(bucket, "many/")]
    answers = world.provider.delete_batch(bucket, targets)
    assert [(answer.key, answer.result) for answer in answers] == [(t.key, "done") for t in targets]
    assert [state.key for state in world.provider.list(bucket, "")] == ["other"]


def test_an_answer_says_where_the_way_back_begins(world: World) -> None:
    bucket = world.bucket(versioned=True)
    states = [world.put(bucket, key) for key in ("x", "y")]
    answers = world.provider.delete_batch(bucket, [Target(state.key, state.token) for state in states])
    assert not list(world.provider.list(bucket, ""))
    for answer, state in zip(answers, states, strict=True):
        back = world.provider.restore(bucket, answer.key, answer.version_id)
        assert (back.key, back.size_bytes) == (state.key, state.size_bytes)


def test_a_held_object_keeps_its_version(world: World) -> None:
    bucket = world.bucket(lockable=True)
    states = [world.put(bucket, key) for key in ("held", "free")]
    world.hold(bucket, "held")
    held, free = world.provider.delete_batch(bucket, [Target(s.key, s.token) for s in states])
    assert free.result == "done"
    # Object Lock keeps the version, and lets a delete marker be put on top of it.
    assert held.result == ("done" if world.provider.scheme == "s3" else "refused")
    assert states[0].size_bytes in [
        version.size_bytes for version in world.provider.versions(bucket, "held") if version.key == "held"
    ]


def test_nothing_is_asked_for_nothing(world: World) -> None:
    assert list(world.provider.delete_batch(world.bucket(), [])) == []
