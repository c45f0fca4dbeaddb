"""Verifying looks at buckets again with its own eyes, object by object, on both clouds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lifecycle import steps
from lifecycle.model import Path as Way
from lifecycle.model import Plan, PlanFile, Scheme, Total, Totals
from lifecycle.plan.directory import PlanDirectory
from lifecycle.policy import parse_policy
from lifecycle.providers import ObjectState
from lifecycle.providers.memory import MemoryBucket
from lifecycle.steps.run import directory_of
from lifecycle.verify import listing
from lifecycle.verify.comparison import Verification, verify
from lifecycle.verify.listing import Folder, list_folders
from tests.unit.lifecycle.chunks import AT, BUCKET, Cloud, World

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

POLICY = """
name: stale
match: {kind: checkpoint, buckets: ["s3://train", "gs://train"], prefixes: ["run"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
delete: {after: 90d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""
_MOMENT = pa.timestamp("us")
_OBJECTS = pa.schema(
    [
        *((name, pa.string()) for name in ("scheme", "bucket", "object_key", "version_id", "etag")),
        ("size_bytes", pa.int64()),
        ("last_modified_at", _MOMENT),
        ("storage_class", pa.string()),
        ("checkpoint_id", pa.string()),
    ]
)
_ACTIONS = pa.schema(
    [
        *_OBJECTS,
        *((name, pa.string()) for name in ("action_id", "action", "target_class", "path")),
        ("is_marker", pa.bool_()),
    ]
)


@dataclass
class Planned(World):
    """A world whose actions are those of a plan on disk, with what must remain beside them."""

    survivors: list[ObjectState] = field(default_factory=list)

    @property
    def directory(self) -> PlanDirectory:
        return PlanDirectory(self.home / "plan")

    @property
    def journal(self) -> Path:
        return self.directory.receipts("chunk-00000")

    def keep(self, key: str) -> None:
        """Put an object that must remain."""
        self.survivors.append(self.put(key))

    def look(self, now: datetime = AT) -> Verification:
        """Verify."""
        plan = self._sealed()
        scratch = self.home / "scratch"
        scratch.mkdir(exist_ok=True)
        for path in scratch.iterdir():
            path.unlink()
        return verify({self.cloud.scheme: self.cloud}, self.directory, plan, now, scratch, "256MB")

    def differences(self, now: datetime = AT) -> list[str]:
        return [different.difference for different in self.look(now).differences]

    def _sealed(self) -> Plan:
        (self.directory.path / "actions").mkdir(parents=True, exist_ok=True)
        self._write("actions/chunk-00000.parquet", _ACTIONS, map(asdict, self.actions))
        remaining = (self._survivor(state) for state in self.survivors)
        self._write("survivors.parquet", _OBJECTS, remaining)
        uris = sorted({action.checkpoint_id for action in self.actions})
        lines = ({"checkpoint_id": uri, "uri": uri} for uri in uris)
        schema = pa.schema([("checkpoint_id", pa.string()), ("uri", pa.string())])
        self._write("decisions.parquet", schema, lines)
        return Plan(
            id="stale-1",
            fingerprint="f" * 64,
            snapshot_id="2026-11-20-one",
            as_of=date(2026, 11, 20),
            policy=parse_policy(POLICY, origin="policy.yaml"),
            policy_hash="p",
            price_date=date(2026, 1, 1),
            code_version="0.1.0",
            created_at=AT,
            expires_at=AT + timedelta(days=1),
            totals=Totals(Total(), Total(), Total(), 1),
            capabilities=(self.capability,),
            warnings=(),
            actions=(PlanFile("actions/chunk-00000.parquet", "", len(self.actions)),),
            survivors=PlanFile("survivors.parquet", "", len(self.survivors)),
        )

    def _write(self, name: str, schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> None:
        pq.write_table(pa.Table.from_pylist(list(rows), schema), self.directory.path / name)

    def _survivor(self, state: ObjectState) -> dict[str, object]:
        place = f"{self.cloud.scheme}://{BUCKET}"
        known = {name: getattr(state, name) for name in ("version_id", "etag", "size_bytes", "storage_class")}
        return {
            **known,
            "scheme": self.cloud.scheme,
            "bucket": BUCKET,
            "object_key": state.key,
            "last_modified_at": state.last_modified_at,
            "checkpoint_id": f"{place}/run/kept",
        }


def planned(home: Path, scheme: Scheme = "s3", **bucket: object) -> Planned:
    made = Planned(home, Cloud(scheme))
    made.cloud.buckets[BUCKET] = MemoryBucket(**bucket)  # type: ignore[arg-type]
    return made


WAYS: dict[str, Callable[[Path], Planned]] = {
    "delete-if-match": planned,
    "delete-batch-if-match": planned,
    "delete-marker": lambda home: planned(home, versioning="on"),
    "soft-delete": lambda home: planned(home, "gs", soft_delete_days=7),
    "copy-in-place": planned,
    "copy-in-parts": planned,
}


@pytest.mark.parametrize("path", WAYS)
def test_a_plan_that_was_carried_out_is_as_planned_on_every_path(tmp_path: Path, path: Way) -> None:
    world = WAYS[path](tmp_path)
    world.checkpoint("run/1", path)
    world.keep("run/kept/a.bin")
    before = world.look()
    assert (before.difference_count, before.left) == (3, 3)
    assert world.apply().is_clean
    found = world.look()
    assert found.is_clean
    assert sum(found.checked.values()) == 4


def test_an_archive_on_cloud_storage_is_compared_by_its_generation(tmp_path: Path) -> None:
    world = planned(tmp_path, "gs")
    (action, *_) = world.checkpoint("run/1", "copy-in-place")
    assert world.apply().is_clean
    assert world.look().is_clean
    world.cloud.put(BUCKET, world.cloud.head(BUCKET, action.object_key))
    assert world.differences() == ["its content is not what it was"]


def test_an_archive_with_other_content_is_told(tmp_path: Path) -> None:
    world = planned(tmp_path)
    (action, *_) = world.checkpoint("run/1", "copy-in-place")
    world.apply()
    archived = world.cloud.head(BUCKET, action.object_key)
    for said, difference in (
        ({"etag": "other"}, "its content is not what it was"),
        ({"size_bytes": 7}, "its size is 7, not 1000"),
        ({"storage_class": "STANDARD"}, "its class is STANDARD, not GLACIER_IR"),
    ):
        world.cloud.put(BUCKET, replace(archived, **said))
        assert world.differences() == [difference]


def test_a_copy_whose_etag_is_new_is_known_by_its_receipt_alone(tmp_path: Path) -> None:
    world = planned(tmp_path)
    (action, *_) = world.checkpoint("run/1", "copy-in-place")
    world.apply()
    # Objects under a key of KMS get another ETag by every copy.
    world.cloud.put(BUCKET, replace(world.cloud.head(BUCKET, action.object_key), etag="copied"))
    assert world.differences() == ["its content is not what it was"]
    text = world.journal.read_text()
    world.journal.write_text(text.replace(f'"etag": "{action.etag}"', '"etag": "copied"'))
    assert world.look().is_clean


@pytest.mark.parametrize("is_known", [True, False])
def test_behind_a_delete_marker_the_version_must_be_there(tmp_path: Path, is_known: bool) -> None:  # noqa: FBT001
    world = planned(tmp_path, versioning="on")
    (action, *_) = world.checkpoint("run/1", "delete-marker")
    if not is_known:
        world.actions[:] = [replace(action, version_id=None) for action in world.actions]
    world.apply()
    assert world.look().is_clean
    world.cloud.delete_version(BUCKET, action.object_key, action.version_id or "")
    assert world.differences() == ["its version is gone"]


@pytest.mark.parametrize("versioning", ["off", "on"])
def test_a_soft_deleted_generation_must_be_there_as_long_as_the_bucket_keeps_it(
    tmp_path: Path, versioning: str
) -> None:
    world = planned(tmp_path, "gs", soft_delete_days=7, versioning=versioning)
    (action, *_) = world.checkpoint("run/1", "soft-delete")
    world.apply()
    assert world.look().is_clean
    world.cloud.delete_version(BUCKET, action.object_key, action.version_id or "")
    assert world.differences() == ["its version is gone"]
    assert world.differences(AT + timedelta(days=6)) == ["its version is gone"]
    later = world.differences(AT + timedelta(days=8))
    assert later == (["its version is gone"] if versioning == "on" else [])


def test_a_version_that_was_to_go_is_gone_and_no_other(tmp_path: Path) -> None:
    world = planned(tmp_path, versioning="on")
    old = world.put("run/1/a.bin")
    world.put("run/1/a.bin", at=AT)
    world.version(old)
    assert world.differences() == ["the version is still there"]
    assert world.apply().is_clean
    assert world.look().is_clean
    assert [state.key for state in world.cloud.list(BUCKET, "")] == ["run/1/a.bin"]


def test_an_upload_that_was_to_go_is_gone(tmp_path: Path) -> None:
    world = planned(tmp_path)
    world.upload("run/1/big.bin", "u1")
    world.upload("run/1/big.bin", "u2")
    world.actions.pop()
    assert world.differences() == ["the upload is still there"]
    assert world.apply().is_clean
    assert world.look().is_clean


def test_what_was_to_remain_must_be_there(tmp_path: Path) -> None:
    world = planned(tmp_path)
    world.checkpoint("run/1", "delete-if-match")
    world.keep("run/kept/a.bin")
    world.apply()
    del world.bucket.keys["run/kept/a.bin"]
    (different,) = world.look().differences
    assert (different.expected, different.difference, different.left_out) == ("kept", "it is not there", "")


def test_what_apply_left_out_is_a_difference_with_its_reason(tmp_path: Path) -> None:
    world = planned(tmp_path)
    first, second, third = world.checkpoint("run/1", "delete-if-match")
    world.checkpoint("run/2", "delete-if-match")
    world.put(second.object_key, size=7, at=AT)
    world.left_out[world.actions[3].checkpoint_id] = "it has grown"
    world.apply()
    found = world.look()
    assert not found.is_clean
    assert found.difference_count == 5
    assert found.left_out == {"changed": 1, "skipped": 4}
    assert found.left == 0
    told = {different.uri.removeprefix(f"s3://{BUCKET}/"): different for different in found.differences}
    assert first.object_key not in told
    assert told[second.object_key].left_out.startswith("changed: its size is 7")
    assert told[third.object_key].left_out.startswith("skipped: an object before it")
    assert told["run/2/optimizer.pt"].left_out == "skipped: it has grown"


def test_a_receipt_makes_no_difference_disappear(tmp_path: Path) -> None:
    world = planned(tmp_path)
    (action, *_) = world.checkpoint("run/1", "delete-if-match")
    world.apply()
    world.put(action.object_key)
    (different,) = world.look().differences
    assert (different.difference, different.left_out) == ("it is still there", "")


def test_after_half_an_apply_verify_tells_what_is_left(tmp_path: Path) -> None:
    world = planned(tmp_path)
    world.checkpoint("run/1", "delete-if-match")
    world.delete_batch = False
    told: list[int] = []
    world.apply(is_stopped=lambda: len(told) >= 1, on_progress=told.append)
    found = world.look()
    assert (found.difference_count, found.left, found.left_out) == (2, 2, {})


@pytest.mark.parametrize("keys", [("a'b", 'a"b', "a%", "a_"), ("/a", "../a", "a//b", "ä\n"), ("a" * 1000,)])
def test_hostile_keys_are_compared_as_exact_bytes(tmp_path: Path, keys: Sequence[str]) -> None:
    world = planned(tmp_path)
    world.checkpoint("run/1", "delete-if-match", keys)
    world.apply()
    assert world.look().is_clean
    world.put(f"run/1/{keys[0]}")
    assert world.differences() == ["it is still there"]


def test_listings_are_written_in_groups_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_ROWS_PER_GROUP", 7)
    monkeypatch.setattr(listing, "_ROWS_PER_TURN", 3)
    monkeypatch.setattr(listing, "_FOLDERS_AT_ONCE", 2)
    world = planned(tmp_path, versioning="on")
    keys = [f"run/{folder}/{number}" for folder in range(5) for number in range(10)]
    for key in keys:
        world.put(key)
    folders = [Folder("s3", BUCKET, f"run/{folder}/", has_versions=True) for folder in range(5)]
    found = list_folders({"s3": world.cloud}, folders, tmp_path, workers=3)
    for path in (found.objects, found.versions):
        assert sorted(pq.read_table(path)["object_key"].to_pylist()) == sorted(keys)
    assert pq.read_table(found.uploads).num_rows == 0


def test_more_than_a_page_of_objects_and_versions_is_verified(serve: Callable[..., Lab]) -> None:
    many = {f"shard-{number:04d}.bin": 10 for number in range(1000)} | {"trainer_state.json": 10}

    def fill(lab: Lab) -> None:
        lab.save(100, 120, bucket="acme-datasets", files=many)
        lab.save(500, 10, bucket="acme-datasets")

    lab = serve(fill)
    plan = lab.approved(
        POLICY.replace('"s3://train", "gs://train"', '"s3://acme-datasets"')
        .replace(", irreversible: true", "")
        .replace("objects: 1000", "objects: 2000")
    )
    assert steps.apply(lab.run(), plan).is_clean
    found = steps.verify(lab.run(), plan)
    assert found.checked == {"deleted": 1001, "kept": 3}
    assert found.is_clean
    *_, last = directory_of(lab.run(), plan).actions("chunk-00000")
    versions = lab.provider.versions(last.bucket, last.object_key)
    stored = next(version for version in versions if not version.is_delete_marker)
    lab.provider.delete_version(last.bucket, last.object_key, stored.version_id or "")
    assert [different.uri for different in steps.verify(lab.run(), plan).differences] == [last.uri]
