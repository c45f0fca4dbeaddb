"""The way back of a chunk on buckets in memory: it restores what was, and touches nothing that came later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.errors import ActionRefused
from lifecycle.model import Action, Scheme
from lifecycle.model import Path as Way
from lifecycle.providers import ClassChange, ObjectState
from lifecycle.records.journal import read_receipts
from lifecycle.records.traces import Change, changes_in, read_traces
from lifecycle.undo.journey import UndoneChunk, report_undone
from lifecycle.undo.take_back import take_back
from pipelines.errors import Terminal, Transient
from tests.unit.lifecycle.chunks import AT, BUCKET, FILES, OLD, Cloud, World

WAYS: dict[str, tuple[Scheme, Way]] = {
    "s3-marker": ("s3", "delete-marker"),
    "s3-copy": ("s3", "copy-in-place"),
    "gs-soft-delete": ("gs", "soft-delete"),
    "gs-copy": ("gs", "copy-in-place"),
}
Entry = tuple[str, str, int]
"""Key, class and size."""


class Killed(BaseException):
    """What a SIGKILL looks like from inside."""


class Sky(Cloud):
    """A cloud whose clock is ours, and that can break off after a change."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme)
        self.after_change: Callable[[str], None] = lambda _key: None
        self.is_listable = True

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        state = super().restore(bucket, key, version_id)
        self.after_change(key)
        return state

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        token = super().change_class(bucket, state, change)
        self.after_change(state.key)
        return token

    def thaw(self, bucket: str, key: str, days: int) -> None:
        super().thaw(bucket, key, days)
        self.after_change(key)

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        if not self.is_listable:
            raise Terminal("access denied", where=bucket, fix="Allow it.")
        return super().versions(bucket, prefix)

    def _now(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return AT + timedelta(seconds=self._tick())


@dataclass
class There(World):
    """A world with a way back."""

    @property
    def sky(self) -> Sky:
        assert isinstance(self.cloud, Sky)
        return self.cloud

    @property
    def back(self) -> Path:
        return self.home / "undo" / "chunk-00000.jsonl"

    def changes(self) -> list[Change]:
        return list(changes_in(self.actions, read_traces(self.journal)))

    def undo(self, unenforced: dict[tuple[str, Way], str] | None = None, **hand: object) -> UndoneChunk:
        take_back(self.back, self.changes(), self.hand(**hand), unenforced or {})
        return self.stand()

    def stand(self) -> UndoneChunk:
        newest = {receipt.action_id: receipt for receipt in read_receipts(self.back)}
        return report_undone("chunk-00000", self.changes(), newest)

    def told(self) -> dict[str, str]:
        """Return how each object stands on its way back, by key."""
        start = f"{self.cloud.scheme}://{BUCKET}/"
        return {r.uri.removeprefix(start): r.result or "begun" for r in read_receipts(self.back)}

    def entries(self) -> set[Entry]:
        return {(s.key, s.storage_class, s.size_bytes) for s in self.cloud.list(BUCKET, "")}

    def everything(self) -> dict[str, list[ObjectState]]:
        return {key: list(versions) for key, versions in self.bucket.keys.items()}

    def overwrite(self, key: str, **said: object) -> ObjectState:
        """Write as somebody else would."""
        state = ObjectState(key, "new", 5, AT + timedelta(hours=2), "STANDARD")
        return self.cloud.put(BUCKET, replace(state, **said))  # type: ignore[arg-type]


def there(home: Path, scheme: Scheme, path: Way) -> There:
    made = There(home, Sky(scheme))
    made.bucket.versioning = "on" if path == "delete-marker" else "off"
    made.bucket.soft_delete_days = 7 if scheme == "gs" else 0
    return made


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[Scheme, Way]:
    return WAYS[request.param]


@pytest.fixture
def world(tmp_path: Path, way: tuple[Scheme, Way]) -> There:
    """Two checkpoints, planned on one of the ways that leave a way back."""
    made = there(tmp_path, *way)
    for name in ("run/1", "run/2"):
        made.checkpoint(name, way[1])
    return made


@pytest.fixture
def marked(tmp_path: Path) -> There:
    """One checkpoint in a bucket that keeps versions, to be deleted behind markers."""
    made = there(tmp_path, "s3", "delete-marker")
    made.checkpoint("run/1", "delete-marker")
    return made


@pytest.fixture
def copied(tmp_path: Path) -> There:
    """One object to be archived in place."""
    made = there(tmp_path, "s3", "copy-in-place")
    made.plan("run/1", made.put("run/1/model.safetensors"), "copy-in-place")
    return made


def test_everything_is_as_it_was_afterwards(world: There) -> None:
    before = world.entries()
    assert world.apply().is_clean
    assert world.entries() != before
    report = world.undo()
    assert report.is_clean
    assert report.results == {"done": 6}
    assert world.entries() == before


def test_a_second_undo_does_nothing(world: There) -> None:
    world.apply()
    world.undo()
    changes, said = list(world.cloud.changes), world.back.read_bytes()
    assert world.undo().is_clean
    assert world.cloud.changes == changes
    assert world.back.read_bytes() == said


def test_a_checkpoint_comes_back_in_reverse_its_marker_last(world: There) -> None:
    world.apply()
    done = len(world.cloud.changes)
    world.undo()
    back = [key for _, key in world.cloud.changes[done:]]
    assert [key for key in back if key.startswith("run/1/")] == [f"run/1/{file}" for file in reversed(FILES)]


@pytest.mark.parametrize("file", FILES)
def test_what_was_written_since_is_never_replaced_nor_removed(world: There, file: str) -> None:
    world.apply()
    new = world.overwrite(f"run/1/{file}")
    kept = world.everything()[new.key]
    report = world.undo()
    assert not report.is_clean
    assert world.told()[new.key] == "changed"
    assert world.everything()[new.key] == kept
    assert any(left.uri.endswith(new.key) for left in report.left_alone)


@pytest.mark.parametrize("file", FILES)
def test_what_is_written_at_the_very_moment_is_never_replaced(world: There, file: str) -> None:
    world.apply()
    key = f"run/1/{file}"
    found: list[ObjectState] = []

    def somebody_writes(_: str, changed: str) -> None:
        if changed == key and not found:
            found.append(world.overwrite(key, last_modified_at=AT))

    world.cloud.before_change = somebody_writes
    world.undo()
    assert world.told()[key] == "changed"
    assert world.cloud.head(BUCKET, key) == found[0]


def test_without_all_else_a_deleted_marker_does_not_come_back(marked: There) -> None:
    marked.apply()
    marked.overwrite("run/1/optimizer.pt")
    report = marked.undo()
    assert report.results == {"changed": 1, "done": 1, "skipped": 1}
    assert marked.told()["run/1/trainer_state.json"] == "skipped"
    assert report.left == 1


def test_a_marker_comes_back_once_all_else_is_there(marked: There) -> None:
    marked.apply()
    denied = True

    def deny(_: str, key: str) -> None:
        if denied and key.endswith("optimizer.pt"):
            raise ActionRefused("access denied", where=key, fix="Allow it.")

    marked.cloud.before_change = deny
    assert marked.undo().results == {"failed": 1, "done": 1, "skipped": 1}
    denied = False
    assert marked.undo().is_clean


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("dies_at", range(1, 7))
def test_killed_at_any_change_it_goes_on_and_does_nothing_twice(
    world: There, dies_at: int, when: str
) -> None:
    before = world.entries()
    world.apply()
    done, begun = len(world.cloud.changes), 0

    def die(*_: object) -> None:
        nonlocal begun
        begun += 1
        if begun == dies_at:
            raise Killed

    if when == "before":
        world.cloud.before_change = die
    else:
        world.sky.after_change = die
    with pytest.raises(Killed):
        world.undo()
    world.sky.before_change, world.sky.after_change = lambda *_: None, lambda _: None
    assert world.undo().is_clean
    back = world.cloud.changes[done:]
    assert sorted(key for _, key in back) == sorted(action.object_key for action in world.actions)
    assert world.entries() == before


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_plan_that_was_half_applied_goes_back_to_how_it_was(world: There, dies_at: int) -> None:
    before = world.entries()
    begun = 0

    def die(*_: object) -> None:
        nonlocal begun
        begun += 1
        if begun == dies_at:
            raise Killed

    world.cloud.before_change = die
    with pytest.raises(Killed):
        world.apply()
    world.cloud.before_change = lambda *_: None
    done = len(world.cloud.changes)
    assert world.undo().is_clean
    assert world.entries() == before
    assert len(world.cloud.changes) == 2 * done


def test_changes_whose_outcome_nobody_noted_are_found_by_looking(world: There) -> None:
    before = world.entries()
    world.apply()
    intents = [line for line in world.journal.read_text().splitlines() if '"intent"' in line]
    world.journal.write_text("\n".join(intents) + "\n")
    report = world.undo()
    if world.actions[0].scheme == "gs" and world.actions[0].action == "archive":
        # Only a receipt knows the generation of a copy: in doubt it is left alone.
        assert report.results == {"changed": 6}
    else:
        assert report.is_clean
        assert world.entries() == before


def test_lost_answers_are_settled_by_looking(world: There) -> None:
    world.apply()
    lost: list[str] = []

    def lose(key: str) -> None:
        if not lost:
            lost.append(key)
            raise Transient("the store does not answer", where=key, fix="Run again.")

    world.sky.after_change = lose
    done = len(world.cloud.changes)
    assert world.undo().is_clean
    assert len(world.cloud.changes) == done + 6
    assert world.time.pauses


def test_a_store_that_never_answers_ends_it_and_the_next_run_goes_on(world: There) -> None:
    world.apply()

    def fail(_: str, key: str) -> None:
        raise Transient("the store does not answer", where=key, fix="Run again.")

    world.cloud.before_change = fail
    with pytest.raises(Transient):
        world.undo()
    world.cloud.before_change = lambda *_: None
    assert world.undo().is_clean


def test_a_stop_ends_it_between_two_changes(world: There) -> None:
    world.apply()
    told: list[int] = []
    report = world.undo(is_stopped=lambda: len(told) >= 2, on_progress=told.append)
    assert (report.results, report.left) == ({"done": 2}, 4)
    assert world.undo().is_clean


@pytest.mark.parametrize("way", ["s3-copy", "gs-copy"], indirect=True)
def test_a_copy_that_is_held_by_now_stays_until_the_hold_is_lifted(world: There) -> None:
    world.apply()
    key = world.actions[0].object_key
    versions = world.bucket.keys[key]
    versions[-1] = replace(versions[-1], hold="legal hold")
    held = world.undo()
    assert world.told()[key] == "protected"
    assert (held.left, held.left_alone[0].reason) == (1, "legal hold")
    assert world.cloud.head(BUCKET, key).storage_class == "GLACIER_IR"
    versions[-1] = replace(world.bucket.keys[key][-1], hold="")
    assert world.undo().is_clean


def test_equal_bytes_put_anew_in_the_same_class_are_not_our_copy(copied: There) -> None:
    copied.apply()
    (action,) = copied.actions
    copied.overwrite(
        action.object_key, etag=action.etag, size_bytes=action.size_bytes, storage_class="GLACIER_IR"
    )
    kept = copied.everything()
    assert copied.undo().results == {"changed": 1}
    assert copied.everything() == kept


def test_what_is_back_in_its_class_by_other_hands_is_found_so(copied: There) -> None:
    copied.apply()
    (action,) = copied.actions
    copied.overwrite(action.object_key, etag=action.etag, size_bytes=action.size_bytes)
    done = len(copied.cloud.changes)
    assert copied.undo().is_clean
    assert len(copied.cloud.changes) == done


def test_a_copy_in_parts_that_nobody_noted_is_left_alone(copied: There) -> None:
    copied.actions[0] = replace(copied.actions[0], path="copy-in-parts")
    copied.apply()
    intents = [line for line in copied.journal.read_text().splitlines() if '"intent"' in line]
    copied.journal.write_text("\n".join(intents) + "\n")
    versions = copied.bucket.keys[copied.actions[0].object_key]
    versions[-1] = replace(versions[-1], etag="of-parts-1")
    assert copied.undo().results == {"changed": 1}
    assert copied.cloud.head(BUCKET, copied.actions[0].object_key).storage_class == "GLACIER_IR"


def test_a_gone_copy_is_told(copied: There) -> None:
    copied.apply()
    copied.bucket.keys.clear()
    assert copied.undo().left_alone[0].reason == "it is gone"


@dataclass
class Cold:
    """An object that was moved to a class which cannot be read at once."""

    world: There
    action: Action

    def freeze(self) -> None:
        versions = self.world.bucket.keys[self.action.object_key]
        versions[-1] = replace(versions[-1], thaw="frozen")


@pytest.fixture
def cold(copied: There) -> Cold:
    copied.actions[0] = replace(copied.actions[0], target_class="GLACIER")
    copied.apply()
    made = Cold(copied, copied.actions[0])
    made.freeze()
    return made


def test_a_cold_object_is_thawed_first_and_goes_back_with_a_later_run(cold: Cold) -> None:
    world = cold.world
    first = world.undo()
    assert (first.results, first.left) == ({"thawing": 1}, 1)
    said = world.back.read_bytes()
    assert world.undo().results == {"thawing": 1}
    assert world.back.read_bytes() == said
    assert [name for name, _ in world.cloud.changes].count("thaw") == 1
    world.cloud.finish_thawing()
    assert world.undo().is_clean
    assert world.entries() == {(cold.action.object_key, "STANDARD", 1000)}


def test_a_thaw_is_asked_for_once_even_when_killed(cold: Cold) -> None:
    world = cold.world

    def die(_: str) -> None:
        raise Killed

    world.sky.after_change = die
    with pytest.raises(Killed):
        world.undo()
    world.sky.after_change = lambda _: None
    assert world.undo().results == {"thawing": 1}
    assert [name for name, _ in world.cloud.changes].count("thaw") == 1


@pytest.mark.parametrize("error", ["refused", "gone"])
def test_a_thaw_that_does_not_work_is_told(cold: Cold, error: str) -> None:
    world = cold.world

    def fail(_: str, key: str) -> None:
        if error == "gone":
            world.bucket.keys.clear()
        else:
            raise ActionRefused("not there", where=key, fix="Use another store.")

    world.cloud.before_change = fail
    assert world.undo().results == {"failed" if error == "refused" else "changed": 1}


def test_a_marker_of_somebody_else_stays(marked: There) -> None:
    marked.apply()
    key = "run/1/optimizer.pt"
    (ours,) = [v for v in marked.bucket.keys[key] if v.is_delete_marker]
    marked.cloud.delete_version(BUCKET, key, ours.version_id or "")
    marked.cloud.delete(BUCKET, key, marked.cloud.head(BUCKET, key).etag)
    kept = marked.everything()[key]
    marked.undo()
    assert marked.told()[key] == "changed"
    assert marked.everything()[key] == kept


def test_an_older_version_is_not_taken_for_the_one_that_was_deleted(marked: There) -> None:
    key = "run/1/optimizer.pt"
    planned = next(action for action in marked.actions if action.object_key == key)
    marked.bucket.keys[key].insert(0, ObjectState(key, "old", 7, OLD, "STANDARD", "v0"))
    marked.apply()
    marked.cloud.delete_version(BUCKET, key, planned.version_id or "")
    marked.undo()
    assert marked.told()[key] == "changed"
    assert all(known != key for known, *_ in marked.entries())


@pytest.mark.parametrize("way", ["s3-marker", "gs-soft-delete"], indirect=True)
def test_nothing_left_to_bring_back_is_told(world: There) -> None:
    world.apply()
    key = world.actions[-1].object_key
    world.bucket.keys.pop(key)
    report = world.undo()
    assert report.left_alone[-1].reason == "nothing is left to bring back"
    assert world.told()[key] == "changed"


@pytest.mark.parametrize("way", ["s3-marker", "gs-soft-delete"], indirect=True)
def test_versions_that_may_not_be_listed_are_told_and_tried_again(world: There) -> None:
    world.apply()
    world.sky.is_listable = False
    assert {left.reason for left in world.undo().left_alone} >= {"access denied"}
    world.sky.is_listable = True
    assert world.undo().is_clean


@pytest.mark.parametrize("way", ["s3-copy", "gs-copy", "gs-soft-delete"], indirect=True)
def test_where_conditions_are_not_enforced_nothing_is_changed(world: There, way: tuple[Scheme, Way]) -> None:
    world.apply()
    done = len(world.cloud.changes)
    report = world.undo({(f"{way[0]}://{BUCKET}", way[1]): "not enforced"})
    assert report.left == 6
    assert len(world.cloud.changes) == done
    assert world.undo().is_clean


@pytest.mark.parametrize("path", ["delete-if-match", "delete-version", "abort-upload"])
def test_what_is_gone_for_good_is_listed_and_not_touched(tmp_path: Path, path: Way) -> None:
    made = there(tmp_path, "s3", path)
    match path:
        case "abort-upload":
            made.upload("run/1/big.bin", "u1")
        case "delete-version":
            made.bucket.versioning = "on"
            old = made.put("run/1/a.bin")
            made.put("run/1/a.bin", at=AT)
            made.version(old)
        case _:
            made.checkpoint("run/1", path)
    assert made.apply().is_clean
    done = len(made.cloud.changes)
    report = made.undo()
    assert report.for_good == len(made.actions)
    assert not report.is_clean
    assert {left.reason for left in report.left_alone} == {f"it cannot be undone, as the plan said ({path})"}
    assert len(made.cloud.changes) == done
    assert not made.told()


def test_hostile_keys_and_neighbours_are_told_apart(tmp_path: Path) -> None:
    made = there(tmp_path, "s3", "delete-marker")
    files = ("a", "a\n", "a b", "ä/%2F..//", "a" * 1000)
    made.checkpoint("run/1", "delete-marker", files)
    made.put("run/1/a/neighbour")
    before = made.entries()
    made.apply()
    assert made.undo().is_clean
    assert made.entries() == before
