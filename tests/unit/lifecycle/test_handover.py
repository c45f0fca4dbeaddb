"""Handing a plan over writes files and changes nothing; no file names anything but what was planned."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import botocore.session
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import steps
from lifecycle.errors import PlanRefused, Protected
from lifecycle.handover.desk import HandOver
from lifecycle.handover.jobs import Errand, read_errand, requests
from lifecycle.handover.manifests import Ground, Manifests
from lifecycle.model import BucketCapability
from lifecycle.providers import MemoryProvider
from lifecycle.providers.memory import MemoryBucket
from pipelines.errors import Terminal
from tests.unit.lifecycle.conftest import BUCKET, GIB, POLICY, VERSIONED
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab, Save

ROLE = "arn:aws:iam::123456789012:role/moraine"
ERRAND = read_errand(ROLE, ["s3://ops/manifests/", "gs://ops"], with_tags=False)
WITH_TAGS = replace(ERRAND, with_tags=True)
ON_GOOGLE = POLICY.replace("s3://", "gs://").replace("GLACIER_IR", "COLDLINE")


def handed(lab: Lab, errand: Errand = ERRAND, text: str = POLICY) -> HandOver:
    return steps.hand_over(lab.run(), lab.approved(text), errand)


def folder(lab: Lab, found: HandOver) -> Path:
    return lab.home / "lake" / "plans" / found.plan_id / "handover"


def named(lab: Lab, found: HandOver, job: int) -> list[tuple[str, ...]]:
    """Return the rows of a job's manifest as S3 reads them."""
    with (folder(lab, found) / found.jobs[job].manifest).open(newline="") as file:
        return [tuple(unquote(cell, errors="strict") for cell in row) for row in csv.reader(file)]


def request_of(lab: Lab, found: HandOver, job: int, name: str = "") -> Mapping[str, Any]:
    text = (folder(lab, found) / (name or f"{found.jobs[job].name}.json")).read_text()
    document: Mapping[str, Any] = json.loads(text)
    return document


def own_changes(lab: Lab) -> list[tuple[str, str]]:
    """Return what was changed, but for canaries."""
    assert isinstance(lab.provider, MemoryProvider)
    return [(what, key) for what, key in lab.provider.changes if not key.startswith(".moraine-canary/")]


def versioned(lab: Lab, *saves: Save) -> None:
    """Let the snapshot know the versions of these checkpoints, as an inventory of all versions does."""
    for made in saves:
        objects = tuple(
            replace(item, version_id=lab.provider.head(item.bucket, item.key).version_id)
            for item in made.objects
        )
        lab.saves[lab.saves.index(made)] = replace(made, objects=objects)


def fill_versioned(lab: Lab) -> Save:
    """One checkpoint to delete and the latest, where versions are kept."""
    old = lab.save(100, 120, run="runs/v", bucket=VERSIONED)
    versioned(lab, old, lab.save(400, 10, run="runs/v", bucket=VERSIONED))
    return old


def test_archives_become_one_copy_job_and_nothing_is_changed(lab: Lab) -> None:
    saves = lab.fill()
    before = lab.classes()
    found = handed(lab)
    (job,) = found.jobs
    assert (job.operation, job.objects, job.size_bytes) == ("s3-copy", 2, 3 * GIB)
    assert named(lab, found, 0) == [(BUCKET, key) for key in saves["stale"].keys[:2]]
    assert lab.classes() == before
    assert own_changes(lab) == []


def test_a_request_is_what_batch_operations_takes(lab: Lab) -> None:
    lab.fill()
    versioned_old = fill_versioned(lab)
    found = handed(lab, WITH_TAGS)
    assert [job.operation for job in found.jobs] == ["s3-copy", "s3-tag-delete", "s3-tag-delete"]
    shape = (
        botocore.session.get_session().get_service_model("s3control").operation_model("CreateJob").input_shape
    )
    assert shape is not None
    for number, job in enumerate(found.jobs):
        request = request_of(lab, found, number)
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        assert (request["RoleArn"], request["AccountId"]) == (ROLE, "123456789012")
        location = request["Manifest"]["Location"]
        assert location["ObjectArn"] == f"arn:aws:s3:::ops/manifests/{job.manifest}"
        body = (folder(lab, found) / job.manifest).read_bytes()
        assert location["ETag"] == hashlib.md5(body, usedforsecurity=False).hexdigest()
        assert found.files[job.manifest] == hashlib.sha256(body).hexdigest()
    assert versioned_old.bucket == VERSIONED


def test_a_copy_is_bound_to_the_newest_planned_object_and_to_no_version(lab: Lab) -> None:
    """A manifest that names a version would make an old one the newest again."""
    saves = lab.fill()
    found = handed(lab)
    copy = request_of(lab, found, 0)
    newest = max(item.modified_at for item in saves["stale"].objects)
    until = copy["Operation"]["S3PutObjectCopy"]["UnModifiedSinceConstraint"]
    assert until == newest.isoformat() + "Z"
    assert copy["Manifest"]["Spec"]["Fields"] == ["Bucket", "Key"]
    assert copy["Operation"]["S3PutObjectCopy"]["MetadataDirective"] == "COPY"


def test_a_time_with_milliseconds_is_rounded_up_and_stays_below_a_second(lab: Lab) -> None:
    lab.fill()
    found = handed(lab)
    at = datetime(2026, 9, 1, 10, 0, 59, 1000)
    plan = steps.show(lab.run(), found.plan_id)
    request = requests(replace(found.jobs[0], newest_at=at), plan, ERRAND)["job-001.json"]
    assert request["Operation"]["S3PutObjectCopy"]["UnModifiedSinceConstraint"] == "2026-09-01T10:01:00Z"


def test_deletes_without_versions_are_never_handed_over(lab: Lab) -> None:
    saves = lab.fill()
    found = handed(lab, WITH_TAGS)
    assert {job.operation for job in found.jobs} == {"s3-copy"}
    assert [(each.objects, each.reason) for each in found.left_out] == [
        (3, "it would go for good, and a tag has no condition")
    ]
    out = pq.read_table(folder(lab, found) / "left-out.parquet").to_pylist()
    assert len(out) == len(saves["old"].keys)


def test_deletes_with_versions_are_tagged_by_version_markers_first(lab: Lab) -> None:
    old = fill_versioned(lab)
    found = handed(lab, WITH_TAGS)
    versions = {key: lab.provider.head(VERSIONED, key).version_id or "" for key in old.keys}
    marker = next(key for key in old.keys if key.endswith("trainer_state.json"))
    assert named(lab, found, 0) == [(VERSIONED, marker, versions[marker])]
    assert set(named(lab, found, 1)) == {
        (VERSIONED, key, version) for key, version in versions.items() if key != marker
    }
    tag = request_of(lab, found, 0)["Operation"]["S3PutObjectTagging"]["TagSet"]
    assert tag == [{"Key": "moraine-delete", "Value": found.plan_id}]
    assert request_of(lab, found, 0)["Manifest"]["Spec"]["Fields"] == ["Bucket", "Key", "VersionId"]


def test_tags_are_replaced_only_where_somebody_said_so(lab: Lab) -> None:
    fill_versioned(lab)
    with pytest.raises(PlanRefused, match="replaces the tags"):
        handed(lab)
    assert not list((lab.home / "lake" / "plans").glob("*/handover*"))


def test_a_checkpoint_whose_marker_cannot_be_named_is_left_whole(lab: Lab) -> None:
    """Else its other objects would go, and it would still look complete to a trainer."""
    lab.fill()
    fill_versioned(lab)
    index = next(n for n, made in enumerate(lab.saves) if made.bucket == VERSIONED)
    blind = [
        replace(item, version_id=None) if item.key.endswith("trainer_state.json") else item
        for item in lab.saves[index].objects
    ]
    lab.saves[index] = replace(lab.saves[index], objects=tuple(blind))
    found = handed(lab, WITH_TAGS)
    assert {job.operation for job in found.jobs} == {"s3-copy"}
    assert sum(each.objects for each in found.left_out) == 6


def test_what_has_changed_since_the_plan_is_in_no_manifest_and_verify_says_why(lab: Lab) -> None:
    lab.save(200, 60)
    lab.save(210, 60, files={"model.safetensors": GIB, "more.bin": GIB})
    lab.save(400, 10)
    plan = lab.approved()
    lab.put(replace(lab.saves[0].objects[0], etag="f" * 32))
    found = steps.hand_over(lab.run(), plan, ERRAND)
    keys = {row[1] for row in named(lab, found, 0)}
    assert keys == set(lab.saves[1].keys)
    (out,) = found.left_out
    assert "has changed since it was planned" in out.reason
    seen = steps.verify(lab.run(), plan)
    assert (seen.left_out, seen.left) == ({"skipped": 2}, 2)


def test_a_pin_that_came_since_stops_the_whole_hand_over(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    pin = replace(saves["stale"].objects[0], key=f"{saves['stale'].run}/checkpoint-200/PINNED")
    lab.put(pin)
    with pytest.raises(Protected, match="pinned"):
        steps.hand_over(lab.run(), plan, ERRAND)
    assert not list((lab.home / "lake" / "plans").glob("*/handover*"))


@pytest.mark.parametrize("what", ["object_lock", "acls"])
def test_buckets_where_the_engine_does_harm_are_left_to_apply(lab: Lab, what: str) -> None:
    lab.fill()
    assert isinstance(lab.provider, MemoryProvider)
    setattr(lab.provider.buckets[BUCKET], what, True)
    with pytest.raises(PlanRefused, match="no cloud's engine can do any of it"):
        handed(lab)


def test_objects_too_large_for_one_copy_need_a_tag_and_a_rule(lab: Lab) -> None:
    lab.save(200, 60, files={"model.safetensors": 6 * GIB, "small.bin": GIB})
    lab.save(400, 10)
    found = handed(lab, WITH_TAGS)
    assert [(job.operation, job.objects) for job in found.jobs] == [("s3-copy", 1), ("s3-tag-archive", 1)]
    assert found.tagged_buckets == (BUCKET,)
    tag = request_of(lab, found, 1)["Operation"]["S3PutObjectTagging"]["TagSet"]
    assert tag == [{"Key": "moraine-archive", "Value": found.plan_id}]
    whole = request_of(lab, found, 1, f"lifecycle-{BUCKET}.json")
    (rule,) = whole["LifecycleConfiguration"]["Rules"]
    assert rule["Transitions"] == [{"Days": 1, "StorageClass": "GLACIER_IR"}]
    assert rule["Filter"]["And"]["Tags"] == tag


ODD = {**HOSTILE_KEYS, **CONTROL_KEYS, "comma": "a/one,two", "quotes": 'a/"one"', "formula": "=1+1"}


def test_every_key_is_read_back_from_a_manifest_as_it_is(lab: Lab) -> None:
    lab.save(200, 60, files=dict.fromkeys(ODD.values(), GIB))
    lab.save(400, 10)
    found = handed(lab)
    assert set(named(lab, found, 0)) == {(BUCKET, f"runs/chat/checkpoint-200/{key}") for key in ODD.values()}
    raw = (folder(lab, found) / found.jobs[0].manifest).read_bytes()
    assert len(raw.splitlines()) == len(ODD)
    assert raw.isascii()
    assert b'"' not in raw


# Cloud Storage


def fill_google(lab: Lab, **settings: Any) -> Callable[[], steps.Run]:  # noqa: ANN401  (of a bucket)
    cloud = MemoryProvider(scheme="gs")
    cloud.buckets = {BUCKET: MemoryBucket(**settings)}
    for step, days_old in ((100, 120), (200, 60), (400, 10)):
        made = lab.save(step, days_old, files={'a,"b"=ü.bin': GIB, "trainer_state.json": 2_000})
        uri = made.uri.replace("s3:", "gs:")
        states = {}
        for item in made.objects:
            state = replace(
                lab.provider.head(BUCKET, item.key),
                scheme="gs",
                version_id=None,
                last_modified_at=item.modified_at,
            )
            states[item.key] = cloud.put(BUCKET, state).version_id
        objects = tuple(replace(item, version_id=states[item.key]) for item in made.objects)
        lab.saves[-1] = replace(made, uri=uri, objects=objects)
    lab.publish()
    return lambda: lab.run(clouds={"gs": cloud})


def google(lab: Lab, run: Callable[[], steps.Run]) -> HandOver:
    plan = steps.plan(run(), lab.policy(ON_GOOGLE)).id
    steps.approve(run(), plan, "Ada")
    return steps.hand_over(run(), plan, ERRAND)


def google_rows(lab: Lab, found: HandOver, job: int) -> list[list[str]]:
    with (folder(lab, found) / found.jobs[job].manifest).open(newline="") as file:
        return list(csv.reader(file))


def test_on_cloud_storage_generations_are_named_and_a_dry_run_comes_first(lab: Lab) -> None:
    found = google(lab, fill_google(lab, soft_delete_days=7))
    assert [job.operation for job in found.jobs] == ["gcs-rewrite", "gcs-delete", "gcs-delete"]
    by_key = {item.key: item.version_id for made in lab.saves for item in made.objects}
    wanted = [
        ("200", 'a,"b"=ü.bin'),
        ("100", "trainer_state.json"),
        ("100", 'a,"b"=ü.bin'),
    ]
    for number, (step, name) in enumerate(wanted):
        key = f"runs/chat/checkpoint-{step}/{name}"
        assert google_rows(lab, found, number) == [
            ["bucket", "name", "generation"],
            [BUCKET, key, str(by_key[key])],
        ]
    delete = request_of(lab, found, 1)
    assert delete["deleteObject"] == {"permanentObjectDeletionEnabled": False}
    assert delete["bucketList"]["buckets"] == [
        {"bucket": BUCKET, "manifest": {"manifestLocation": "gs://ops/job-002.csv"}}
    ]
    assert request_of(lab, found, 0)["rewriteObject"] == {"storageClass": "COLDLINE"}
    dry = request_of(lab, found, 1, "job-002.dry-run.json")
    assert (dry["dryRun"], delete["dryRun"]) == (True, False)


# One plan, one executor


def test_nobody_else_acts_on_a_plan_that_was_handed_over(lab: Lab) -> None:
    lab.fill()
    found = handed(lab)
    for act in (
        lambda: steps.apply(lab.run(), found.plan_id),
        lambda: steps.undo(lab.run(), found.plan_id, "Ada"),
        lambda: steps.hand_over(lab.run(), found.plan_id, ERRAND),
    ):
        with pytest.raises(PlanRefused, match="was handed over"):
            act()
    assert own_changes(lab) == []


def test_a_plan_that_was_begun_is_not_handed_over(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    receipts = lab.home / "lake" / "plans" / plan / "receipts"
    receipts.mkdir()
    (receipts / "chunk-00000.jsonl").write_text("")
    with pytest.raises(PlanRefused, match="has begun"):
        steps.hand_over(lab.run(), plan, ERRAND)


def _edit(lab: Lab, plan: str) -> None:
    steps.approve(lab.run(), plan, "Ada")
    path = lab.home / "lake" / "plans" / plan / "actions" / "chunk-00000.parquet"
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda _lab, _plan: None, "nobody approved"),
        (_edit, "edited"),
    ],
)
def test_what_must_not_be_applied_is_not_handed_over(
    lab: Lab, spoil: Callable[[Lab, str], None], says: str
) -> None:
    lab.fill()
    lab.publish()
    plan = lab.plan().id
    spoil(lab, plan)
    with pytest.raises(PlanRefused, match=says):
        steps.hand_over(lab.run(), plan, ERRAND)


def test_an_expired_plan_is_not_handed_over(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    with pytest.raises(PlanRefused, match="expired"):
        steps.hand_over(lab.run(now=lab.now + timedelta(days=2)), plan, ERRAND)


def test_a_word_to_stop_is_heard_before_anything_is_written(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    with pytest.raises(PlanRefused, match="asked to stop"):
        steps.hand_over(lab.run(is_stopped=lambda: True), plan, ERRAND)
    assert not list((lab.home / "lake" / "plans").glob("*/handover*"))


def test_a_failed_hand_over_leaves_the_plan_to_apply(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    cloud = lab.provider
    assert isinstance(cloud, MemoryProvider)
    cloud.buckets[BUCKET].acls = True
    with pytest.raises(PlanRefused, match="no cloud's engine"):
        steps.hand_over(lab.run(), plan, ERRAND)
    assert steps.apply(lab.run(), plan).is_clean


def test_what_a_kill_left_half_written_counts_for_nothing(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    half = lab.home / "lake" / "plans" / plan / "handover.part"
    half.mkdir()
    (half / "job-001.csv").write_text("acme-training,everything\n")
    (half / "job-009.csv").write_text("acme-training,everything\n")
    found = steps.hand_over(lab.run(), plan, ERRAND)
    assert not half.exists()
    assert {path.name for path in folder(lab, found).iterdir()} == {*found.files, "handover.json"}
    assert "everything" not in (folder(lab, found) / "job-001.csv").read_text()


def test_verify_waits_for_the_engine_and_then_finds_all_as_planned(lab: Lab) -> None:
    lab.save(200, 60)
    lab.save(400, 10)
    found = handed(lab)
    waiting = steps.verify(lab.run(), found.plan_id)
    assert (waiting.is_clean, waiting.is_handed_over, waiting.left) == (False, True, 2)
    assert isinstance(lab.provider, MemoryProvider)
    for bucket, key in named(lab, found, 0):
        lab.provider.put(bucket, replace(lab.provider.head(bucket, key), storage_class="GLACIER_IR"))
    assert steps.verify(lab.run(), found.plan_id).is_clean


def test_the_audit_knows_of_a_hand_over_and_finds_it_edited(lab: Lab) -> None:
    lab.save(200, 60, files={"model.safetensors": 6 * GIB})
    lab.save(400, 10)
    found = handed(lab, WITH_TAGS)
    report = steps.audit(lab.config)
    assert report.is_sound
    assert report.unsealed == ()
    assert [entry.event for entry in report.entries][-2:] == ["handed_over", "handed_over"]
    path = folder(lab, found) / "handover.json"
    path.write_text(path.read_text().replace("GLACIER_IR", "STANDARD_IA"))
    assert not steps.audit(lab.config).is_sound


def test_the_readme_names_every_job_and_what_is_left_out(lab: Lab) -> None:
    lab.fill()
    fill_versioned(lab)
    found = handed(lab, WITH_TAGS)
    text = (folder(lab, found) / "README.md").read_text()
    assert all(job.name in text for job in found.jobs)
    assert "s3://ops/manifests" in text
    assert f"moraine-lifecycle rules {found.plan_id} --put" in text
    assert "3 objects: it would go for good" in text


@pytest.mark.parametrize("role, manifests", [("admin", []), (ROLE, ["/tmp/here"]), (ROLE, ["https://ops/x"])])
def test_an_errand_that_makes_no_sense_is_refused(role: str, manifests: list[str]) -> None:
    with pytest.raises(Terminal):
        read_errand(role, manifests, with_tags=False)


def test_what_nobody_said_is_left_to_be_filled_in(lab: Lab) -> None:
    lab.fill()
    found = handed(lab, Errand())
    request = request_of(lab, found, 0)
    assert (request["RoleArn"], request["AccountId"]) == ("<role>", "<account>")
    assert "<bucket>" in request["Manifest"]["Location"]["ObjectArn"]


# Any plan: manifests hold planned objects only, each once, and all others are told of

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda key: key not in (".", "..")
)
ROW = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["archive", "delete"] * 3 + ["delete_version", "abort_upload"]),
        "scheme": st.sampled_from(["s3", "s3", "gs"]),
        "bucket": st.sampled_from(["off", "on"] * 4 + ["locked", "acls", "unknown"]),
        "object_key": KEYS,
        "version_id": st.sampled_from([None, "", "null", "7", "8"]),
        "path": st.sampled_from(
            ["copy-in-place", "copy-in-parts", "delete-marker", "soft-delete", "delete-if-match"]
        ),
        "checkpoint_id": st.sampled_from(["one", "two"]),
        "is_marker": st.booleans(),
        "chunk": st.integers(0, 2),
    }
)
GROUNDS = [
    Ground(
        BucketCapability(
            name,
            "on" if name in ("on", "locked") else "off",
            *(True, True, True, True),
            scheme=scheme,
            object_lock=name == "locked",
        ),
        has_acls=name == "acls",
    )
    for name in ("off", "on", "locked", "acls")
    for scheme in ("s3", "gs")
]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=30, unique_by=lambda row: (row["bucket"], row["object_key"])),
    surprised=st.sampled_from([set(), {"one"}, {"one", "two"}]),
    with_tags=st.booleans(),
)
def test_no_manifest_holds_what_is_not_planned_or_is_left_out(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    surprised: set[str],
    with_tags: bool,  # noqa: FBT001  (drawn)
) -> None:
    home = tmp_path_factory.mktemp("plan")
    planned = [
        {
            **row,
            "action_id": f"{row['chunk']:05d}-{number:06d}",
            "generation": int(row["version_id"])
            if row["scheme"] == "gs" and row["version_id"] in ("7", "8")
            else None,
            "reason": "too old",
            "size_bytes": number + 1,
            "last_modified_at": datetime(2026, 1, 1),
            "target_class": "GLACIER_IR" if row["action"] == "archive" else None,
        }
        for number, row in enumerate(rows)
    ]
    files = [
        _chunk(home / f"{chunk}.parquet", [row for row in planned if row["chunk"] == chunk])
        for chunk in range(3)
    ]
    out = home / "handover"
    out.mkdir()
    with duckdb.connect() as connection:
        jobs, left_out = Manifests(
            connection,
            [file for file in files if file[1]],
            GROUNDS,
            dict.fromkeys(surprised, "it has grown"),
            out,
            with_tags,
            most_objects=10,
        ).write()
    allowed = {
        (row["scheme"], row["bucket"], row["object_key"]): row
        for row in planned
        if row["checkpoint_id"] not in surprised
        and row["action"] in ("archive", "delete")
        and row["bucket"] not in ("locked", "unknown")
    }
    seen: list[tuple[str, str, str]] = []
    for job in jobs:
        for cells in _read(out / job.manifest, is_encoded=job.scheme == "s3"):
            row = allowed[job.scheme, cells[0], cells[1]]
            seen.append((job.scheme, cells[0], cells[1]))
            assert cells[0] == job.bucket
            assert (row["action"] == "delete") == (job.stage > 1)
            assert cells[2:] in ([], [row["version_id"]])
            if job.operation == "s3-tag-delete":
                assert (job.bucket, row["path"], with_tags, cells[2]) == (
                    "on",
                    "delete-marker",
                    True,
                    row["version_id"],
                )
            assert with_tags or not job.operation.startswith("s3-tag")
    assert len(seen) == len(set(seen)) == sum(job.objects for job in jobs)
    told = pq.read_table(out / "left-out.parquet").to_pylist()
    assert len(told) == sum(each.objects for each in left_out)
    names = {(row["scheme"], row["bucket"], row["object_key"]): row["action_id"] for row in planned}
    assert {row["action_id"] for row in told} == set(names.values()) - {names[each] for each in seen}
    assert [job.stage for job in jobs] == sorted(job.stage for job in jobs)


def _chunk(path: Path, rows: list[dict[str, Any]]) -> tuple[Path, int]:
    texts = (
        "action_id",
        "action",
        "scheme",
        "bucket",
        "object_key",
        "version_id",
        "target_class",
        "checkpoint_id",
    )
    schema = pa.schema(
        [
            *((name, pa.string()) for name in (*texts, "path", "reason")),
            ("generation", pa.int64()),
            ("size_bytes", pa.int64()),
            ("last_modified_at", pa.timestamp("us")),
            ("is_marker", pa.bool_()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    return path, len(rows)


def _read(path: Path, *, is_encoded: bool) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return [[unquote(cell) for cell in row] for row in rows] if is_encoded else rows[1:]
