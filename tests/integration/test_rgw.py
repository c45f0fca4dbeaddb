"""Ceph RGW, a real S3 server: what it does not enforce is found out; only what is safe without it is done."""

from typing import Any

import pytest

from lifecycle import steps
from lifecycle.canary import measure
from tests.integration.rgw_nights import ARCHIVE, DELETE, FILES, Night, all_of

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


@pytest.mark.parametrize("night", ["off", "suspended", "on", "locked"], indirect=True)
def test_the_canary_leaves_nothing(night: Night) -> None:
    measure(night.provider, night.bucket, "token")

    assert night.versions() == set()
    assert night.markers() == {}
    assert not night.client.list_multipart_uploads(Bucket=night.bucket).get("Uploads")


@pytest.mark.parametrize(
    "night, why",
    [("off", "the endpoint does not enforce"), ("suspended", "versioning is suspended")],
    indirect=["night"],
)
@pytest.mark.parametrize("way", [ARCHIVE, DELETE], ids=["archive", "delete"])
def test_without_versions_nothing_is_copied_and_nothing_deleted(night: Night, way: str, why: str) -> None:
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
def test_with_versions_nothing_is_archived_by_a_copy(night: Night) -> None:
    old, latest = night.save(100), night.save(200)

    plan = night.plan(ARCHIVE)

    assert not night.line(plan, old).path.startswith("copy")
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
