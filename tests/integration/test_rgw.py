"""Ceph RGW, a real S3 server: what it does not enforce is found out; only what is safe without it is done."""

from datetime import timedelta
from typing import Any

import pytest

from lifecycle import steps
from lifecycle.canary import measure
from tests.integration.rgw_nights import ARCHIVE, DAYS_LATER, DELETE, FILES, Night, all_of
from tests.unit.lifecycle.listed_versions import listing

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rgw")]


@pytest.mark.parametrize(
    "night, versioning",
    [("off", "off"), ("suspended", "suspended"), ("on", "on"), ("locked", "on")],
    indirect=["night"],
)
def test_the_canary_reports_that_no_condition_is_enforced(night: Night, versioning: str) -> None:
    found = measure(night.provider, night.bucket, "token")

    assert found.versioning == versioning
    assert not found.copy_source
    assert not found.copy_destination
    assert not found.copy_in_parts
    assert not found.delete
    assert not found.delete_batch
    assert found.takes_tags
    assert not found.is_aws


@pytest.mark.parametrize("night", ["off", "suspended", "on", "locked"], indirect=True)
def test_the_canary_leaves_nothing(night: Night) -> None:
    measure(night.provider, night.bucket, "token")

    assert night.versions() == set()
    assert night.markers() == {}
    assert not night.client.list_multipart_uploads(Bucket=night.bucket).get("Uploads")


@pytest.mark.parametrize(
    "night, way, why",
    [
        ("off", DELETE, "the endpoint does not enforce"),
        ("suspended", DELETE, "versioning is suspended"),
        ("suspended", ARCHIVE, "versioning is suspended"),
        ("on", ARCHIVE, "rules of this store never move what is tagged after its upload"),
    ],
    ids=["off-delete", "suspended-delete", "suspended-archive", "on-archive"],
    indirect=["night"],
)
def test_where_no_way_is_safe_nothing_is_copied_and_nothing_deleted(night: Night, way: str, why: str) -> None:
    old, latest = night.save(100), night.save(200)

    plan = night.plan(way)

    assert [night.line(plan, save).decision for save in (old, latest)] == ["keep", "keep"]
    assert why in night.line(plan, old).reason
    assert steps.chunks(night.lab.run(), plan) == []
    assert night.versions() == all_of(old, latest)
    assert set(night.classes().values()) == {"STANDARD"}


@pytest.mark.parametrize("night", ["on"], indirect=True)
def test_with_versions_a_delete_leaves_a_marker_and_the_version(night: Night) -> None:
    old, latest = night.save(100), night.save(200)

    plan = night.plan(DELETE)
    assert night.line(plan, old).path == "delete-marker"
    results = night.apply(plan)

    assert results == {"done": len(FILES)}
    assert steps.verify(night.lab.run(), plan).is_clean
    assert set(night.classes()) == set(latest.keys)
    assert set(night.markers()) == set(old.keys)
    assert night.versions() == all_of(old, latest)


@pytest.mark.parametrize("night", ["on"], indirect=True)
def test_what_changed_since_the_plan_stays_although_no_condition_protects_it(night: Night) -> None:
    old, _ = night.save(100), night.save(200)
    plan = night.plan(DELETE)
    night.upload(old.keys[0], b"trained on")

    results = night.apply(plan)

    assert "done" not in results
    assert set(old.keys) <= set(night.classes())
    assert night.markers() == {}


@pytest.mark.parametrize("night", ["locked"], indirect=True)
@pytest.mark.parametrize("how", ["legal hold", "retention"])
def test_what_was_locked_all_along_is_protected(night: Night, how: str) -> None:
    old, latest = night.save(100, how), night.save(200)
    plan = night.plan(DELETE)
    assert night.line(plan, old).path == "delete-marker"

    assert all(night.provider.head(night.bucket, key).hold.startswith(how) for key in old.keys)
    results = night.apply(plan)

    assert results.pop("protected") >= 1
    assert set(results) <= {"skipped"}
    assert night.versions() == all_of(old, latest)
    assert night.markers() == {}


@pytest.mark.parametrize("night", ["locked"], indirect=True)
def test_a_hold_set_after_the_plan_is_respected(night: Night) -> None:
    old, latest = night.save(100), night.save(200)
    plan = night.plan(DELETE)
    hold: Any = {"Status": "ON"}
    for key in old.keys:
        night.client.put_object_legal_hold(Bucket=night.bucket, Key=key, LegalHold=hold)

    assert all(night.provider.head(night.bucket, key).hold == "legal hold" for key in old.keys)
    results = night.apply(plan)

    # A hold restarts an object's time on this gateway: it may be called changed before it is asked for locks.
    assert set(results) <= {"protected", "changed", "skipped"}
    assert night.versions() == all_of(old, latest)
    assert night.markers() == {}


VERSIONS = """
name: versions
match: {{kind: {kind}, buckets: ["s3://{bucket}"]}}
{keep}delete: {{after: 30d, irreversible: true}}
limits: {{objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}}
"""


@pytest.mark.parametrize("night", ["on", "locked"], indirect=True)
def test_overwritten_versions_and_expired_markers_go_and_what_is_held_stays(night: Night) -> None:
    is_locked = night.bucket.endswith("locked")
    for body, how in ((b"first", ""), (b"second", "legal hold" if is_locked else ""), (b"third", "")):
        current = night.upload("data/a.bin", body, how)
    gone = night.upload("data/gone.bin", b"x")
    night.client.delete_object(Bucket=night.bucket, Key=gone.key)
    night.provider.delete_version(night.bucket, gone.key, gone.version_id or "")
    night.lab.as_of = current.modified_at.date() + timedelta(days=DAYS_LATER)
    night.lab.also.append(listing(night.lab, night.bucket))
    night.lab.publish()

    results = []
    for kind, keep in (("noncurrent", "keep: {versions: 0}\n"), ("delete_marker", "")):
        text = VERSIONS.format(kind=kind, bucket=night.bucket, keep=keep)
        plan = night.lab.plan(text).id
        results.append(night.apply(plan))
        assert night.verify(plan).is_clean is not (is_locked and kind == "noncurrent")

    assert results == [{"done": 1, "failed": 1} if is_locked else {"done": 2}, {"done": 1}]
    assert len(night.versions()) == (2 if is_locked else 1)
    assert night.markers() == {}
    assert night.provider.head(night.bucket, "data/a.bin").etag == current.etag
