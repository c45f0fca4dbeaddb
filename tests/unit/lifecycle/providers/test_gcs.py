"""What only Cloud Storage has: soft delete, three kinds of holds, Autoclass, metageneration, its batches."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers import BucketSettings, GcsProvider, Provider, Target
from lifecycle.providers import gcs as gcs_module
from pipelines.domain.configuration import Endpoint
from pipelines.errors import Terminal, Transient
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import GcsWorld, colder, serving_gcs

WEEK: dict[str, Any] = {"softDeletePolicy": {"retentionDurationSeconds": str(7 * 86400)}}
FINE_GRAINED: dict[str, Any] = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
OWN: dict[str, Any] = {
    "cacheControl": "no-store",
    "contentDisposition": "attachment",
    "contentEncoding": "identity",
    "contentLanguage": "de",
    "contentType": "application/x-weights",
    "contexts": {"custom": {"team": {"value": "nlp"}}},
    "customTime": "2026-01-02T03:04:05.000Z",
    "metadata": {"run": "chat", "größe": "1 + 1"},
}
ACL = [{"entity": "user-a@acme.example", "role": "OWNER"}, {"entity": "allUsers", "role": "READER"}]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again at once."""
    at_once = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    monkeypatch.setattr("google.api_core.retry.retry_unary.time", at_once)


def test_settings_are_read(gcs: GcsWorld) -> None:
    retained: Any = {"retentionPolicy": {"retentionPeriod": "86400"}}
    expected = {
        gcs.bucket(): BucketSettings("off"),
        gcs.bucket(versioned=True, **WEEK): BucketSettings("on", soft_delete_days=7),
        gcs.bucket(autoclass={"enabled": True}): BucketSettings("off", autoclass=True),
        gcs.bucket(**retained): BucketSettings("off", object_lock=True, keeps_new=True),
        gcs.bucket(objectRetention={"mode": "Enabled"}): BucketSettings("off", object_lock=True),
        gcs.bucket(defaultEventBasedHold=True): BucketSettings("off", keeps_new=True),
    }
    assert {bucket: gcs.provider.settings(bucket) for bucket in expected} == expected


def test_tags_are_the_metadata_that_somebody_gave(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    gcs.put(bucket, "x", **OWN)
    gcs.put(bucket, "bare")
    assert gcs.provider.tags(bucket, "x") == OWN["metadata"]
    assert gcs.provider.tags(bucket, "bare") == {}


def test_a_deleted_object_is_kept_softly_and_comes_back(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**WEEK)
    state = gcs.put(bucket, "x", b"precious", storageClass="COLDLINE", **OWN)
    left = gcs.provider.delete(bucket, "x", state.token)
    assert left == state.version_id
    (soft,) = gcs.provider.versions(bucket, "x")
    assert (soft.version_id, soft.is_current, soft.is_delete_marker) == (left, False, False)
    back = gcs.provider.restore(bucket, "x", left)
    live = gcs.server.live(bucket, "x")
    assert live is not None
    assert (live.content.data, live.fields, live.storage_class) == (b"precious", OWN, "COLDLINE")
    assert back.token == str(live.generation) != left


def test_what_was_overwritten_is_kept_softly_too(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**WEEK)
    first, second = gcs.put(bucket, "x", b"1"), gcs.put(bucket, "x", b"2")
    kept = {state.version_id: state.is_current for state in gcs.provider.versions(bucket, "")}
    assert kept == {first.version_id: False, second.version_id: True}


def test_a_soft_restore_never_replaces_what_lives(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**WEEK)
    left = gcs.provider.delete(bucket, "x", gcs.put(bucket, "x", b"old").token)
    newer = gcs.put(bucket, "x", b"new")
    with pytest.raises(ConditionFailed):
        gcs.provider.restore(bucket, "x", left)
    assert gcs.provider.head(bucket, "x") == newer


def test_when_soft_delete_is_over_there_is_no_way_back(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**WEEK)
    left = gcs.provider.delete(bucket, "x", gcs.put(bucket, "x").token)
    gcs.server.clock.advance(timedelta(days=8))
    with pytest.raises(Gone):
        gcs.provider.restore(bucket, "x", left)


def test_a_noncurrent_generation_comes_back_with_everything(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(versioned=True)
    state = gcs.put(bucket, "x", b"precious" * 500_000, storageClass="COLDLINE", **OWN)
    left = gcs.provider.delete(bucket, "x", state.token)
    gcs.provider.restore(bucket, "x", left)
    live = gcs.server.live(bucket, "x")
    assert live is not None
    assert (live.content.size, live.fields, live.storage_class) == (state.size_bytes, OWN, "COLDLINE")


def test_a_delete_never_names_a_generation(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(versioned=True)
    state = {key: gcs.put(bucket, key) for key in ("x", "y", "z")}
    gcs.provider.delete(bucket, "x", state["x"].token)
    gcs.provider.delete_batch(bucket, [Target(key, state[key].token) for key in ("y", "z")])
    deletes = [request for request in gcs.server.requests if request.method == "DELETE"]
    assert len(deletes) == 3
    for request in deletes:
        assert "ifGenerationMatch" in request.query
        assert "generation" not in request.query
    assert len(list(gcs.provider.versions(bucket, ""))) == 3


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_means_the_bucket_is_never_sent(gcs: GcsWorld, name: str) -> None:
    bucket = gcs.bucket()
    for call in (
        lambda: gcs.provider.delete(bucket, name, "1"),
        lambda: gcs.provider.delete_version(bucket, name, "1"),
        lambda: gcs.provider.delete_batch(bucket, [Target(name, "1")]),
        lambda: gcs.provider.restore(bucket, name, "1"),
    ):
        with pytest.raises(ActionRefused):
            call()
    assert not [request for request in gcs.server.requests if request.method != "GET"]


def test_without_a_generation_nothing_is_deleted(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x")
    with pytest.raises(ConditionFailed):
        gcs.provider.delete(bucket, "x", "")
    with pytest.raises(ActionRefused):
        gcs.provider.delete_batch(bucket, [Target("x", "")])
    assert gcs.provider.head(bucket, "x") == state


def test_a_rewrite_keeps_what_belongs_to_the_object(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    # More than the service rewrites in one call.
    state = gcs.put(bucket, "x", bytes(3_500_000), kmsKeyName=f"{KEY}/cryptoKeyVersions/1", **OWN)
    token = gcs.provider.change_class(bucket, state, colder(gcs, state))
    live = gcs.server.live(bucket, "x")
    assert live is not None
    assert (live.storage_class, live.content.size, str(live.generation)) == ("NEARLINE", 3_500_000, token)
    assert live.fields == {**OWN, "kmsKeyName": KEY}
    calls = [request for request in gcs.server.requests if "rewriteTo" in request.path]
    assert len(calls) == 4
    assert {request.query["destinationKmsKeyName"] for request in calls} == {KEY}


def test_a_rewrite_keeps_the_acl_where_objects_have_one(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**FINE_GRAINED)
    state = gcs.put(bucket, "x", acl=[{**grant, "etag": "e", "kind": "k"} for grant in ACL])
    gcs.provider.change_class(bucket, state, colder(gcs, state))
    live = gcs.server.live(bucket, "x")
    assert live is not None
    assert live.fields["acl"] == ACL


def test_an_acl_that_may_not_be_read_forbids_a_rewrite(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**FINE_GRAINED)
    state = gcs.put(bucket, "x")
    with pytest.raises(ActionRefused, match="ACL"):
        gcs.provider.change_class(bucket, state, colder(gcs, state))
    assert gcs.provider.head(bucket, "x") == state


def test_what_is_under_a_customers_own_key_is_not_rewritten(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x")
    encrypted = replace(state, carried={**state.carried, "customerEncryption": {"keySha256": "s"}})
    with pytest.raises(ActionRefused, match="own key"):
        gcs.provider.change_class(bucket, encrypted, colder(gcs, state))
    assert gcs.provider.head(bucket, "x") == state


@pytest.mark.parametrize(
    "change", [{"metadata": {"keep": "me"}}, {"temporaryHold": True}], ids=["tag", "hold"]
)
def test_metadata_that_came_after_the_look_forbids_a_rewrite(gcs: GcsWorld, change: dict[str, Any]) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x")
    client = gcs.server.client()
    blob = client.bucket(bucket).blob("x")
    blob._properties.update(change)
    blob._changes.update(change)
    blob.patch()
    client.close()
    with pytest.raises((ConditionFailed, ActionRefused)):
        gcs.provider.change_class(bucket, state, colder(gcs, state))
    live = gcs.server.live(bucket, "x")
    assert live is not None
    assert (live.storage_class, live.fields) == ("STANDARD", change)


def test_nothing_is_rewritten_where_the_bucket_moves_objects_itself(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(autoclass={"enabled": True})
    state = gcs.put(bucket, "x")
    with pytest.raises(ActionRefused, match="by itself"):
        gcs.provider.change_class(bucket, state, colder(gcs, state))
    assert gcs.provider.head(bucket, "x") == state


HOLDS: dict[str, dict[str, Any]] = {
    "temporary hold": {"temporaryHold": True},
    "event-based hold": {"eventBasedHold": True},
    "retention until 2030": {"retention": {"mode": "Locked", "retainUntilTime": "2030-01-01T00:00:00.000Z"}},
}


@pytest.mark.parametrize("words, fields", HOLDS.items(), ids=HOLDS)
def test_what_is_held_is_seen_and_stays(gcs: GcsWorld, words: str, fields: dict[str, Any]) -> None:
    bucket = gcs.bucket(versioned=True, objectRetention={"mode": "Enabled"})
    state = gcs.put(bucket, "x", **fields)
    assert state.hold.startswith(words)
    with pytest.raises(ActionRefused):
        gcs.provider.delete(bucket, "x", state.token)
    with pytest.raises(ActionRefused):
        gcs.provider.delete_version(bucket, "x", state.token)
    with pytest.raises(ActionRefused):
        # As somebody would who looked before the hold was there.
        gcs.provider.change_class(bucket, replace(state, hold=""), colder(gcs, state))
    (answer,) = gcs.provider.delete_batch(bucket, [Target("x", state.token)])
    assert (answer.result, answer.detail[:3]) == ("refused", "403")
    assert gcs.provider.head(bucket, "x") == state
    assert not [request for request in gcs.server.requests if "overrideUnlockedRetention" in request.query]


def test_a_retention_of_the_bucket_ends() -> None:
    now = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    moment = [now.replace(tzinfo=None)]
    with serving_gcs(lambda: moment[0]) as gcs:
        bucket = gcs.bucket(retentionPolicy={"retentionPeriod": "86400"})
        state = gcs.put(bucket, "x")
        assert state.hold.startswith("retention until 2026-11-21")
        gcs.server.clock.advance(timedelta(days=2))
        moment[0] += timedelta(days=2)
        assert gcs.provider.head(bucket, "x").hold == ""
        gcs.provider.delete(bucket, "x", state.token)
    with serving_gcs() as timeless:
        bucket = timeless.bucket(retentionPolicy={"retentionPeriod": "86400"})
        timeless.put(bucket, "x")
        timeless.server.clock.advance(timedelta(days=2))
        assert timeless.provider.head(bucket, "x").hold


@pytest.mark.parametrize(
    "key", [*HOSTILE_KEYS.values(), *CONTROL_KEYS.values(), "", "a~b_c.d-e/F", "a\n", "é"]
)
def test_a_key_of_a_batch_is_escaped_as_every_address_is(gcs: GcsWorld, key: str) -> None:
    bucket = gcs.bucket()
    gcs.provider.delete_batch(bucket, [Target(key, "1")])
    (call,) = (request for request in gcs.server.requests if request.method == "DELETE")
    assert call.path == f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}"


def test_what_the_environment_says_of_the_way_to_the_store_still_counts(
    gcs: GcsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    with pytest.raises(Transient):
        GcsProvider((Endpoint(match="gs://*", endpoint_url=gcs.server.url),)).settings(gcs.bucket())


def test_a_batch_is_cut_into_hundreds(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    gcs.put_many(bucket, [f"{number:03}" for number in range(250)])
    targets = [Target(state.key, state.token) for state in gcs.provider.list(bucket, "")]
    answers = gcs.provider.delete_batch(bucket, targets)
    assert [(answer.key, answer.result, answer.version_id) for answer in answers] == [
        (target.key, "done", "") for target in targets
    ]
    assert len([request for request in gcs.server.requests if request.path == "/batch/storage/v1"]) == 3


def test_every_answer_of_a_batch_is_told_apart(gcs: GcsWorld) -> None:
    bucket = gcs.bucket(**WEEK)
    keys = ("good", "slow", "broken", "denied", "old")
    state = {key: gcs.put(bucket, key) for key in keys}
    gcs.put(bucket, "old", b"newer")
    for key, status in (("slow", 429), ("broken", 503), ("denied", 403)):
        gcs.server.fail_next("DELETE", lambda target, key=key: f"/o/{key}" in target, status)  # type: ignore[misc]
    targets = [Target(key, state[key].token) for key in keys]
    answers = gcs.provider.delete_batch(bucket, [*targets, Target("nothing", "5")])
    assert [(answer.key, answer.result) for answer in answers] == [
        ("good", "done"),
        ("slow", "busy"),
        ("broken", "busy"),
        ("denied", "refused"),
        ("old", "changed"),
        ("nothing", "gone"),
    ]
    assert answers[0].version_id == state["good"].version_id
    assert answers[3].detail == "403, forbidden"


@pytest.mark.parametrize("failure", [503, "lose_response", "reset"])
def test_a_batch_is_tried_again_and_does_nothing_twice(gcs: GcsWorld, failure: Any) -> None:  # noqa: ANN401  (a status or a word)
    bucket = gcs.bucket(versioned=True)
    targets = [Target(key, gcs.put(bucket, key).token) for key in ("x", "y")]
    gcs.server.fail_next("POST", lambda target: target.startswith("/batch"), failure)
    answers = gcs.provider.delete_batch(bucket, targets)
    # Whose answer was lost finds its own work done: the journal settles that.
    expected = "gone" if failure == "lose_response" else "done"
    assert [answer.result for answer in answers] == [expected, expected]
    assert len(list(gcs.provider.versions(bucket, ""))) == 2


def test_a_delete_whose_answer_was_lost_is_found_gone(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x")
    gcs.server.fail_next("DELETE", lambda target: "/o/x" in target, "lose_response")
    with pytest.raises(Gone):
        gcs.provider.delete(bucket, "x", state.token)


def test_a_rewrite_whose_answer_was_lost_is_found_changed(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x")
    gcs.server.fail_next("POST", lambda target: "rewriteTo" in target, "lose_response")
    with pytest.raises(ConditionFailed):
        gcs.provider.change_class(bucket, state, colder(gcs, state))
    assert gcs.provider.head(bucket, "x").storage_class == "NEARLINE"


def test_a_bucket_that_is_gone_is_not_an_object_that_is_gone(gcs: GcsWorld) -> None:
    for call in (
        lambda: gcs.provider.head("acme-nowhere", "x"),
        lambda: gcs.provider.delete("acme-nowhere", "x", "1"),
    ):
        with pytest.raises(Terminal, match="bucket does not exist"):
            call()


def test_every_class_can_be_read_at_once(gcs: GcsWorld) -> None:
    bucket = gcs.bucket()
    state = gcs.put(bucket, "x", storageClass="ARCHIVE")
    assert state.thaw == ""
    gcs.provider.thaw(bucket, "x", 2)
    assert gcs.provider.head(bucket, "x") == state
    with pytest.raises(Gone):
        gcs.provider.thaw(bucket, "nothing", 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.settings("b"),
        lambda p: p.head("b", "x"),
        lambda p: list(p.list("b", "")),
        lambda p: list(p.versions("b", "")),
        lambda p: p.delete("b", "x", "1"),
        lambda p: p.delete_batch("b", [Target("x", "1")]),
        lambda p: p.restore("b", "x", "1"),
    ],
    ids=["settings", "head", "list", "versions", "delete", "batch", "restore"],
)
def test_an_endpoint_that_does_not_answer_is_transient(
    call: Callable[[Provider], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs_module, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(Transient):
        call(GcsProvider((Endpoint(match="gs://*", endpoint_url="http://127.0.0.1:9"),)))
