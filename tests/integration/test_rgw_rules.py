"""Archive by a tag and a rule of the bucket, really carried out: Ceph's gateway runs lifecycle rules."""

from collections.abc import Iterable
from typing import Any

import pytest

from lifecycle.handover.bucket_rules import DELETE_TAG, delete_rule, merged, without_own
from lifecycle.providers import BucketRules
from tests.integration.rgw import DAY_SECONDS
from tests.integration.rgw_nights import FILES, Night, all_of

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rgw")]

MARK = ("moraine", "archive")
LONGEST_WAIT = 8 * DAY_SECONDS


def test_a_rule_for_tagged_objects_archives_them_in_place(night: Night) -> None:
    old, latest = night.save(100), night.save(200)

    tag_and_wait(night, old.keys, "GLACIER_IR")

    assert night.classes() == {
        **dict.fromkeys(old.keys, "GLACIER_IR"),
        **dict.fromkeys(latest.keys, "STANDARD"),
    }
    assert night.versions() == all_of(old, latest)
    body = night.client.get_object(Bucket=night.bucket, Key=old.keys[0])["Body"].read()
    assert body == bytes(FILES["model.safetensors"])


@pytest.mark.parametrize("night", ["on"], indirect=True)
def test_with_versions_the_gateway_never_moves_what_was_tagged_later(night: Night) -> None:
    """Tagging restarts the time of an object but not that of its entry in the bucket's index.

    The gateway takes the difference for a change at this very moment, and gives up, day after day: an
    archive by tag and rule must be seen done before it is called done.
    """
    later = night.upload("later", b"x" * 1000)
    tagged = night.upload("from-the-start", b"y" * 1000, tagging="=".join(MARK))

    move_tagged(night, "GLACIER_IR")
    tag(night, [later.key])
    night.rgw.wait_until(lambda: night.classes()[tagged.key] == "GLACIER_IR", LONGEST_WAIT)

    assert night.classes() == {later.key: "STANDARD", tagged.key: "GLACIER_IR"}
    assert night.versions() == {(later.key, later.etag), (tagged.key, tagged.etag)}


def test_our_rule_beside_anothers_expires_what_was_tagged_and_nothing_else(night: Night) -> None:
    theirs = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3650}}
    old, latest = night.save(100), night.save(200)
    provider = night.rgw.provider
    provider.put_rules(night.bucket, BucketRules((theirs,)))

    found = provider.rules(night.bucket)
    provider.put_rules(night.bucket, merged(found, [delete_rule("plan")], "plan"))
    tag(night, old.keys, (DELETE_TAG, "plan"))
    night.rgw.wait_until(lambda: not set(old.keys) & set(night.classes()), LONGEST_WAIT)
    assert set(night.classes()) == set(latest.keys)

    provider.put_rules(night.bucket, without_own(provider.rules(night.bucket), "plan"))
    assert provider.rules(night.bucket) == found


def test_the_gateways_own_way_to_take_tags_off_loses_more_than_tags(night: Night) -> None:
    """So an empty set is written instead: the class stays what it is, in every listing."""
    for key, is_empty_set in (("emptied", True), ("deleted", False)):
        tagging = "=".join(MARK)
        night.client.put_object(
            Bucket=night.bucket, Key=key, Body=b"x", StorageClass="GLACIER_IR", Tagging=tagging
        )
        if is_empty_set:
            night.rgw.provider.untag(night.bucket, night.provider.head(night.bucket, key), *MARK)
        else:
            night.client.delete_object_tagging(Bucket=night.bucket, Key=key)
        assert night.provider.tags(night.bucket, key) == {}

    assert night.classes() == {"emptied": "GLACIER_IR", "deleted": "STANDARD"}


def tag_and_wait(night: Night, keys: Iterable[str], to: str) -> float:
    """Archive by a tag and a rule of the bucket; return after how many seconds the gateway had done it."""
    waiting = frozenset(keys)
    move_tagged(night, to)
    tag(night, waiting)
    return night.rgw.wait_until(lambda: {night.classes()[key] for key in waiting} == {to}, LONGEST_WAIT)


def move_tagged(night: Night, to: str) -> None:
    """Give the bucket a rule that moves what is tagged, a day after it was."""
    name, text = MARK
    rule: Any = {
        "ID": "moraine-archive",
        "Status": "Enabled",
        "Filter": {"Tag": {"Key": name, "Value": text}},
        "Transitions": [{"Days": 1, "StorageClass": to}],
    }
    night.client.put_bucket_lifecycle_configuration(
        Bucket=night.bucket, LifecycleConfiguration={"Rules": [rule]}
    )


def tag(night: Night, keys: Iterable[str], mark: tuple[str, str] = MARK) -> None:
    name, text = mark
    for key in keys:
        night.client.put_object_tagging(
            Bucket=night.bucket, Key=key, Tagging={"TagSet": [{"Key": name, "Value": text}]}
        )
