"""Applying a chunk: markers first, few requests, nothing twice, and stopping at what is not as planned."""

import errno
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lifecycle.apply.chunk import apply_chunk
from lifecycle.errors import ActionRefused
from lifecycle.model import Path as Way
from lifecycle.providers import ClassChange, ObjectState, Removal, Target, UploadState
from lifecycle.records.journal import Journal, open_journal
from pipelines.errors import Terminal, Transient
from tests.unit.lifecycle.chunks import AT, BUCKET, FILES, OLD, Cloud, World

BUSY = Transient("the store is busy (SlowDown)", where="s3://train", fix="Run again.")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Cloud())


@pytest.fixture
def google(tmp_path: Path) -> World:
    made = World(tmp_path, Cloud("gs"))
    made.bucket.soft_delete_days = 7
    return made


class Killed(BaseException):
    """What a SIGKILL looks like from inside."""


def kill(world: World, at: int) -> None:
    """Let the process die at its n-th change."""
    begun = 0

    def die(_name: str, _key: str) -> None:
        nonlocal begun
        begun += 1
        if begun == at:
            raise Killed

    world.cloud.before_change = die


def test_the_markers_of_small_checkpoints_go_in_one_request_and_the_rest_in_the_next(world: World) -> None:
    for step in range(3):
        world.checkpoint(f"run/{step}")
    assert world.apply().is_clean
    markers, rest = world.cloud.requests
    assert markers == [f"run/{step}/trainer_state.json" for step in range(3)]
    assert len(rest) == 6
    assert world.shown() == set()
    assert not world.cloud.heads


def test_all_markers_of_a_checkpoint_go_before_anything_else(world: World) -> None:
    world.checkpoint("run/1")
    world.actions[1] = replace(world.actions[1], is_marker=True)
    world.apply()
    assert [len(keys) for keys in world.cloud.requests] == [2, 1]


def test_where_no_marker_is_known_the_first_object_goes_alone(world: World) -> None:
    world.checkpoint("run/1")
    world.actions = [replace(action, is_marker=False) for action in world.actions]
    world.apply()
    assert [len(keys) for keys in world.cloud.requests] == [1, 2]


def test_a_checkpoint_of_many_objects_takes_requests_of_a_thousand(world: World) -> None:
    world.checkpoint("run/1", files=["marker", *(f"shard-{n:05d}" for n in range(2500))])
    assert world.apply().results == {"done": 2501}
    assert [len(keys) for keys in world.cloud.requests] == [1, 1000, 1000, 500]


def test_checkpoints_of_two_buckets_share_no_request(world: World) -> None:
    world.checkpoint("run/1")
    elsewhere = [replace(action, bucket="other", checkpoint_id="s3://other/x") for action in world.actions]
    world.cloud.buckets["other"] = world.cloud.buckets[BUCKET]
    world.actions += [replace(a, action_id=f"00000-1{n:05d}") for n, a in enumerate(elsewhere)]
    other = replace(world.capability, bucket="other")
    world.apply(capabilities={"s3://train": world.capability, "s3://other": other})
    assert all(len(keys) <= 2 for keys in world.cloud.requests)


def test_what_is_archived_and_what_is_deleted_share_no_request(world: World) -> None:
    world.checkpoint("run/1", "copy-in-place")
    world.checkpoint("run/2")
    assert world.apply().is_clean
    assert {state.storage_class for state in world.cloud.list(BUCKET, "")} == {"GLACIER_IR"}
    assert [len(keys) for keys in world.cloud.requests] == [1, 2]


@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-marker", "delete-if-match"])
def test_where_conditions_of_batches_are_not_enforced_every_delete_is_a_request_of_its_own(
    world: World, path: Way
) -> None:
    world.delete_batch = False
    world.checkpoint("run/1", path)
    if path == "delete-batch-if-match":
        # No single delete was planned, and batches cannot be relied on any more.
        assert world.apply().results == {"failed": 1}
        assert len(world.shown()) == 3
    else:
        assert world.apply().is_clean
    assert not world.cloud.requests


def test_every_intent_of_a_request_is_on_disk_before_it_is_sent(world: World) -> None:
    world.checkpoint("run/1")
    seen: dict[str, dict[str, str]] = {}
    world.cloud.before_change = lambda _name, key: seen.update({key: world.results()})
    world.apply()
    marker, model, optimizer = (f"run/1/{name}" for name in FILES)
    assert seen[marker] == {marker: "begun"}
    assert seen[model] == seen[optimizer] == {marker: "done", model: "begun", optimizer: "begun"}
    assert [receipt.event for receipt in world.receipts()] == [
        *("intent", "outcome"),
        *("intent", "intent", "outcome", "outcome"),
    ]


@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-if-match", "copy-in-place"])
def test_what_is_over_is_neither_asked_for_nor_journaled_again(world: World, path: Way) -> None:
    world.checkpoint("run/1", path)
    world.checkpoint("run/2", path)
    world.put("run/2/model.safetensors", at=AT)
    world.bucket.keys["run/2/model.safetensors"][-1] = replace(
        world.cloud.head(BUCKET, "run/2/model.safetensors"), etag="new"
    )
    report = world.apply()
    lines, requests, heads = len(list(world.receipts())), len(world.cloud.requests), len(world.cloud.heads)
    assert world.apply() == report
    assert (len(list(world.receipts())), len(world.cloud.requests)) == (lines, requests)
    assert len(world.cloud.heads) == heads


def test_a_marker_that_changed_keeps_its_checkpoint_and_the_others_go(world: World) -> None:
    world.checkpoint("run/1")
    world.checkpoint("run/2")
    world.put("run/1/trainer_state.json", size=7)
    changed = replace(world.cloud.head(BUCKET, "run/1/trainer_state.json"), etag="new")
    world.bucket.keys["run/1/trainer_state.json"] = [changed]
    report = world.apply()
    assert report.results == {"changed": 1, "skipped": 2, "done": 3}
    assert world.shown() == {f"run/1/{name}" for name in FILES}
    assert "trainer_state.json" in next(r.detail for r in world.receipts() if r.result == "skipped")


def test_a_checkpoint_that_the_survey_leaves_out_is_skipped_and_told_why(world: World) -> None:
    world.checkpoint("run/1")
    world.checkpoint("run/2")
    world.left_out["s3://train/run/1"] = "it has grown"
    assert world.apply().results == {"skipped": 3, "done": 3}
    assert {r.detail for r in world.receipts() if r.result == "skipped"} == {"it has grown"}
    assert world.shown() == {f"run/1/{name}" for name in FILES}


def test_an_object_that_is_gone_counts_as_done_and_is_gone(world: World) -> None:
    # Whether it was our request whose answer was lost, or somebody else: it had an intent, and it is gone.
    world.checkpoint("run/1")
    del world.bucket.keys["run/1/model.safetensors"]
    assert world.apply().results == {"done": 3}
    assert "looking again" in next(r.detail for r in world.receipts() if r.uri.endswith("rs") and r.detail)


def test_keys_that_are_refused_fail_and_end_their_checkpoint_for_this_time(world: World) -> None:
    world.checkpoint("run/1", files=["marker", *(f"shard-{n:04d}" for n in range(1500))])
    denied = Removal("run/1/shard-0003", "refused", detail="AccessDenied")
    world.cloud.answers = [{}, {denied.key: denied}]
    report = world.apply()
    assert report.results == {"done": 1000, "failed": 1}
    assert report.left == 501
    assert len(world.cloud.requests) == 2
    assert world.apply().results == {"done": 1501}
    assert Counter(world.cloud.changes).most_common(1)[0][1] == 1


def test_a_request_that_is_refused_as_a_whole_fails_and_changes_nothing(world: World) -> None:
    world.checkpoint("run/1")

    def refuse(_name: str, key: str) -> None:
        raise ActionRefused("the store refused the change (AccessDenied)", where=key, fix="Allow it.")

    world.cloud.before_change = refuse
    assert world.apply().results == {"failed": 1}
    world.cloud.before_change = lambda _name, _key: None
    assert world.apply().is_clean


def test_a_held_object_keeps_its_checkpoint_whole_where_objects_may_be_locked(world: World) -> None:
    world.bucket.versioning, world.bucket.object_lock = "on", True
    world.checkpoint("run/1", "delete-marker")
    world.checkpoint("run/2", "delete-marker")
    held = world.bucket.keys["run/1/optimizer.pt"]
    held[-1] = replace(held[-1], hold="legal hold")
    report = world.apply()
    assert world.results()["run/1/optimizer.pt"] == "protected"
    assert report.results["protected"] == 1
    assert {f"run/1/{name}" for name in FILES[1:]} <= world.shown()
    assert not any(key.startswith("run/2") for key in world.shown())
    assert len(world.cloud.heads) == 6


def test_a_held_object_that_the_store_refuses_is_protected_and_not_failed(world: World) -> None:
    world.checkpoint("run/1")
    held = world.bucket.keys["run/1/model.safetensors"]
    held[-1] = replace(held[-1], hold="legal hold")
    assert world.apply().results == {"done": 2, "protected": 1}


def test_an_overloaded_bucket_is_asked_again_ever_slower_until_all_is_done_once(world: World) -> None:
    for step in range(4):
        world.checkpoint(f"run/{step}")
    busy = {f"run/{n}/model.safetensors": Removal(f"run/{n}/model.safetensors", "busy") for n in range(4)}
    world.cloud.answers = [{}, busy, busy, busy]
    assert world.apply().results == {"done": 12}
    assert [len(keys) for keys in world.cloud.requests] == [4, 8, 4, 4, 4]
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 12
    pauses = [pause for pause in world.time.pauses if pause >= 1]
    assert sum(pauses) == pytest.approx(1 + 2 + 4)


@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-if-match", "copy-in-place"])
def test_a_storm_that_does_not_end_stops_after_ten_minutes_and_the_next_run_finishes(
    world: World, path: Way
) -> None:
    world.checkpoint("run/1", path)

    def storm(_name: str, key: str) -> None:
        if not key.endswith("json"):
            raise BUSY

    world.cloud.before_change = storm
    with pytest.raises(Transient):
        world.apply()
    assert 600 <= world.time.now < 700
    assert world.results()["run/1/model.safetensors"] == "begun"
    world.cloud.before_change = lambda _name, _key: None
    assert world.apply().results == {"done": 3}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 3


@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-if-match", "copy-in-place"])
def test_an_answer_that_is_lost_after_the_store_acted_does_nothing_twice(world: World, path: Way) -> None:
    world.checkpoint("run/1", path)
    world.cloud = LosesAnswers(world.cloud)
    assert world.apply().results == {"done": 3}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 3


class LosesAnswers(Cloud):
    """Does what it is asked, and then breaks the connection: each request of a kind once."""

    def __init__(self, inner: Cloud) -> None:
        super().__init__(inner.scheme)
        self.buckets = inner.buckets
        self.answered: set[tuple[str, str]] = set()

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        answers = super().delete_batch(bucket, targets)
        self._lose("batch", targets[0].key)
        return answers

    def delete(self, bucket: str, key: str, token: str) -> str:
        left = super().delete(bucket, key, token)
        self._lose("delete", key)
        return left

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        token = super().change_class(bucket, state, change)
        self._lose("copy", state.key)
        return token

    def _lose(self, name: str, key: str) -> None:
        if (name, key) not in self.answered:
            self.answered.add((name, key))
            raise BUSY


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-marker", "delete-if-match"])
def test_killed_at_any_change_and_run_again_everything_is_done_once(world: World, path: Way, at: int) -> None:
    world.bucket.versioning = "on" if path == "delete-marker" else "off"
    for step in range(2):
        world.checkpoint(f"run/{step}", path)
    kill(world, at)
    with pytest.raises(Killed):
        world.apply()
    world.cloud.before_change = lambda _name, _key: None
    assert world.apply().results == {"done": 6}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 6
    assert world.shown() == set()
    if path == "delete-marker":
        markers = [v for v in world.cloud.versions(BUCKET, "") if v.is_delete_marker]
        assert len(markers) == 6
        noted = {receipt.version_id for receipt in world.receipts() if receipt.result == "done"}
        assert noted == {marker.version_id for marker in markers}


class Full:
    """A journal's file on a disk that is full from the n-th write on."""

    def __init__(self, file: object, writes: int) -> None:
        self._file, self._left = file, writes

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: memoryview) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = self._file.write(data)  # type: ignore[attr-defined]
        return written


@pytest.mark.parametrize("writes", range(4))
@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-if-match", "copy-in-place"])
def test_a_disk_full_while_journaling_stops_and_nothing_is_changed_without_its_intent(
    world: World, path: Way, writes: int
) -> None:
    world.checkpoint("run/1", path)
    with open_journal(world.journal) as journal:
        full = Journal(Full(journal._file, writes), {})  # type: ignore[arg-type]
        with pytest.raises(Terminal, match="No space left"):
            apply_chunk("chunk-00000", world.actions, full, world.hand(), {})
    intended = {receipt.uri.rpartition("/")[2] for receipt in world.receipts()}
    assert {key.rpartition("/")[2] for _, key in world.cloud.changes} <= intended
    assert world.apply().results == {"done": 3}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 3


def test_a_stop_lets_what_has_lost_its_markers_go_and_begins_nothing_new(world: World) -> None:
    world.checkpoint("run/1", files=["marker", *(f"shard-{n:04d}" for n in range(1200))])
    world.checkpoint("run/2")
    stopped = world.apply(is_stopped=lambda: len(world.cloud.requests) >= 1)
    assert [len(keys) for keys in world.cloud.requests] == [1, 1000]
    assert stopped.left == 203
    assert world.apply().is_clean


def test_a_stop_in_a_storm_is_heard_within_a_second(world: World) -> None:
    world.checkpoint("run/1", "copy-in-place")

    def storm(_name: str, _key: str) -> None:
        raise BUSY

    world.cloud.before_change = storm
    report = world.apply(is_stopped=lambda: world.time.now >= 20)
    assert report.left == 3
    assert world.time.now < 22


@pytest.mark.parametrize("path", ["delete-batch-if-match", "delete-if-match"])
def test_two_appliers_at_once_do_nothing_twice(world: World, path: Way, tmp_path: Path) -> None:
    # The lock of a plan's directory keeps them apart; this is what holds where a lock does not.
    for step in range(3):
        world.checkpoint(f"run/{step}", path)
    (tmp_path / "other").mkdir()
    other = replace(world, home=tmp_path / "other")
    met = False

    def meet(_name: str, _key: str) -> None:
        nonlocal met
        if not met:
            met = True
            other.apply()

    world.cloud.before_change = meet
    world.apply()
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 9
    assert world.shown() == set()


@pytest.mark.parametrize(
    "key", ["a\nb", "/lead", "../up", "a/../b", "ü" * 512, "k" * 1024, "a//b", " ", "%2F", "a\x01b", "😀"]
)
def test_keys_are_exact_bytes(world: World, key: str) -> None:
    world.plan("run/1", world.put(key), "delete-batch-if-match")
    world.plan("run/1", world.put(f"{key}2"), "delete-batch-if-match")
    neighbour = world.put(f"{key}3")
    assert world.apply().is_clean
    assert world.shown() == {neighbour.key}


def test_an_empty_object_goes_like_any_other(world: World) -> None:
    world.plan("run/1", world.put("run/1/empty", size=0), "delete-batch-if-match")
    assert world.apply().is_clean


def test_an_object_above_five_gigabytes_is_copied_in_parts(world: World) -> None:
    seen: list[ClassChange] = []

    class Notes(Cloud):
        def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
            seen.append(change)
            return super().change_class(bucket, state, change)

    notes = Notes()
    notes.buckets = world.cloud.buckets
    world.plan("run/1", world.put("run/1/big", size=6 * 1024**3), "copy-in-parts")
    world.cloud = notes
    assert world.apply().is_clean
    assert [change.in_parts for change in seen] == [True]


@pytest.mark.parametrize("path", ["soft-delete", "delete-if-match"])
def test_on_cloud_storage_deletes_share_requests_and_name_the_generation(google: World, path: Way) -> None:
    google.checkpoint("run/1", path)
    google.checkpoint("run/2", path)
    google.put("run/2/model.safetensors")
    assert google.apply().results == {"done": 5, "changed": 1}
    assert [len(keys) for keys in google.cloud.requests] == [2, 4]
    left = {receipt.version_id for receipt in google.receipts() if receipt.result == "done"}
    assert left == {action.version_id for action in google.actions if "2/model" not in action.object_key}


def test_an_equal_object_written_again_on_cloud_storage_is_another_one(google: World) -> None:
    google.checkpoint("run/1", "copy-in-place")
    google.put("run/1/model.safetensors")
    assert google.apply().results == {"done": 1, "changed": 1, "skipped": 1}


@pytest.mark.parametrize("path", ["copy-in-place", "delete-if-match"])
def test_the_same_bytes_written_again_are_another_object_though_the_etag_is_the_same(
    world: World, path: Way
) -> None:
    world.checkpoint("run/1", path)
    world.put("run/1/model.safetensors", at=AT)
    assert world.apply().results == {"done": 1, "changed": 1, "skipped": 1}


def test_a_noncurrent_version_goes_and_the_current_one_stays(world: World) -> None:
    world.bucket.versioning = "on"
    old, new = world.put("a"), world.put("a", size=2)
    world.version(old)
    assert world.apply().is_clean
    assert [version.version_id for version in world.cloud.versions(BUCKET, "a")] == [new.version_id]


def test_a_version_that_has_become_the_current_one_stays(world: World) -> None:
    world.bucket.versioning = "on"
    old, new = world.put("a"), world.put("a", size=2)
    world.version(old)
    world.cloud.delete_version(BUCKET, "a", new.version_id or "")
    assert world.apply().results == {"changed": 1}
    assert world.shown() == {"a"}


def test_a_delete_marker_goes_only_while_it_hides_nothing(world: World) -> None:
    world.bucket.versioning = "on"
    for key in ("alone", "hiding"):
        state = world.put(key)
        world.cloud.delete(BUCKET, key, state.token)
        marker = world.bucket.keys[key][-1]
        if key == "alone":
            world.bucket.keys[key] = [marker]
        world.version(replace(marker, key=key))
        world.actions[-1] = replace(world.actions[-1], checkpoint_id=key)
    assert world.apply().results == {"done": 1, "changed": 1}
    assert "alone" not in world.bucket.keys
    assert world.shown() == set()


@pytest.mark.parametrize("has_effect", [False, True])
def test_a_version_whose_removal_was_interrupted_is_settled_by_looking(
    world: World, *, has_effect: bool
) -> None:
    world.bucket.versioning = "on"
    old, _ = world.put("a"), world.put("a", size=2)
    action = world.version(old)
    with open_journal(world.journal) as journal:
        journal.intend(action, AT)
    if has_effect:
        world.cloud.delete_version(BUCKET, "a", old.version_id or "")
    assert world.apply().is_clean
    assert len(world.cloud.changes) == 1


def test_a_held_version_stays(world: World) -> None:
    world.bucket.versioning = "on"
    old, _ = world.put("a"), world.put("a", size=2)
    world.bucket.keys["a"][0] = replace(old, hold="retention")
    world.version(old)
    assert world.apply().results == {"protected": 1}
    assert len(world.bucket.keys["a"]) == 2


def test_a_version_or_an_upload_that_is_not_as_planned_does_not_keep_the_others(world: World) -> None:
    world.bucket.versioning = "on"
    for key in ("gone", "held", "old"):
        old, _ = world.put(key), world.put(key, size=2)
        world.version(old)
        world.upload(key, "one")
    world.cloud.delete_version(BUCKET, "gone", world.actions[0].version_id or "")
    world.bucket.keys["held"][0] = replace(world.bucket.keys["held"][0], hold="retention")
    world.bucket.uploads = [upload for upload in world.bucket.uploads if upload.key != "gone"]
    assert world.apply().results == {"changed": 2, "protected": 1, "done": 3}


def test_an_upload_is_aborted_and_its_neighbours_stay(world: World) -> None:
    world.upload("a", "one")
    world.bucket.uploads.append(UploadState("a", "two", OLD))
    assert world.apply().is_clean
    assert [upload.upload_id for upload in world.bucket.uploads] == ["two"]


def test_an_upload_that_is_not_as_planned_stays(world: World) -> None:
    world.upload("a", "one", at=AT)
    assert world.apply().results == {"changed": 1}
    assert len(world.bucket.uploads) == 1


def test_an_upload_that_somebody_completed_is_left_alone(world: World) -> None:
    world.upload("a", "one")
    world.bucket.uploads.clear()
    world.put("a")
    assert world.apply().results == {"changed": 1}
    assert world.shown() == {"a"}


def test_many_uploads_and_versions_at_once(world: World) -> None:
    world.bucket.versioning = "on"
    for number in range(101):
        world.upload(f"up/{number:05d}", "one")
        old = world.put(f"version/{number:05d}")
        world.put(f"version/{number:05d}", size=2)
        world.version(old)
    assert world.apply(workers=8).results == {"done": 202}
    assert not world.bucket.uploads
    assert len(world.shown()) == 101


def test_progress_is_told_for_each_outcome(world: World) -> None:
    for step in range(2):
        world.checkpoint(f"run/{step}")
    told: list[int] = []

    def tell(count: int = 1) -> None:
        told.append(count)

    world.apply(on_progress=tell)
    assert told == [2, 4]


def test_many_workers_do_everything_once(world: World) -> None:
    for step in range(40):
        world.checkpoint(f"run/{step}", "delete-if-match" if step % 2 else "copy-in-place")
    assert world.apply(workers=8).results == {"done": 120}
    assert len(world.cloud.changes) == len(set(world.cloud.changes)) == 120
