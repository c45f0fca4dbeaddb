"""What the write side of S3 relies on, told by a real server: conditions, versions, locks, uploads, keys."""

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers import ClassChange, Target
from pipelines.errors import MoraineError
from tests.integration.rgw import session_with
from tests.integration.rgw_nights import WRONG, Night

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rgw")]

HOSTILE = (
    "a/notes + 100%.txt",
    "a/Größe=1 of 2/ergebnis%20final+1.json",
    "a//double",
    "a/question?x=1#y",
    "a/two\nlines",
    "a/" + "x" * 1000,
)


def test_what_the_canary_says_of_conditions_is_so(night: Night) -> None:
    """Each is sent with a wrong ETag, and the gateway does as if it were right."""
    provider, bucket = night.provider, night.bucket
    states = {}
    for key in ("source", "destination", "one", "of-many"):
        night.upload(key, b"somebody else's, newer than the plan")
        states[key] = provider.head(bucket, key)
    right = states["source"].etag

    provider.change_class(bucket, states["source"], ClassChange("STANDARD_IA", WRONG, right))
    provider.change_class(bucket, states["destination"], ClassChange("STANDARD_IA", right, WRONG))
    provider.delete(bucket, "one", WRONG)
    removals = provider.delete_batch(bucket, [Target("of-many", WRONG)])

    assert night.classes() == {"source": "STANDARD_IA", "destination": "STANDARD_IA"}
    assert [(removal.key, removal.result) for removal in removals] == [("of-many", "done")]


@pytest.mark.parametrize("night", ["on", "locked"], indirect=True)
def test_a_delete_where_versions_are_kept_can_be_taken_back(night: Night) -> None:
    provider, bucket = night.provider, night.bucket
    kept = {key: night.upload(key, key.encode()) for key in ("one", "of-many")}

    left = {"one": provider.delete(bucket, "one", kept["one"].etag)}
    for removal in provider.delete_batch(bucket, [Target("of-many", kept["of-many"].etag)]):
        left[removal.key] = removal.version_id

    assert night.classes() == {}
    assert left == night.markers()
    for key, version_id in left.items():
        assert provider.restore(bucket, key, version_id).version_id == kept[key].version_id
        with pytest.raises(ConditionFailed):
            provider.restore(bucket, key, version_id)
    assert set(night.classes()) == set(kept)


@pytest.mark.parametrize("night", ["on"], indirect=True)
def test_deleting_twice_leaves_one_marker(night: Night) -> None:
    kept = night.upload("x", b"x")

    left = [night.provider.delete(night.bucket, "x", kept.etag) for _ in range(2)]

    assert left == [night.markers()["x"], ""]
    assert len(night.client.list_object_versions(Bucket=night.bucket)["DeleteMarkers"]) == 1


@pytest.mark.parametrize("night", ["locked"], indirect=True)
@pytest.mark.parametrize("how", ["legal hold", "retention"])
def test_the_gateway_itself_keeps_a_locked_version(night: Night, how: str) -> None:
    """The last line of defence is real: no version goes without a bypass, which nobody ever sends."""
    kept = night.upload("kept", b"x", how)

    with pytest.raises(ActionRefused, match="AccessDenied"):
        night.provider.delete_version(night.bucket, kept.key, kept.version_id or "")

    assert night.versions() == {(kept.key, kept.etag)}


@pytest.mark.parametrize("night", ["on"], indirect=True)
def test_a_noncurrent_version_goes_alone(night: Night) -> None:
    old, new = night.upload("x", b"old"), night.upload("x", b"new")

    night.provider.delete_version(night.bucket, "x", old.version_id or "")

    assert night.versions() == {("x", new.etag)}
    assert night.markers() == {}


def test_uploads_that_nobody_completed_are_found_and_aborted(night: Night) -> None:
    provider, client, bucket = night.provider, night.client, night.bucket
    for key in ("runs/a", "runs/b", "data/c"):
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)
        client.upload_part(Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"x")

    found = list(provider.uploads(bucket, "runs/"))
    for upload_state in found:
        provider.abort_upload(bucket, upload_state.key, upload_state.upload_id)

    assert [upload_state.key for upload_state in found] == ["runs/a", "runs/b"]
    assert [upload_state.key for upload_state in provider.uploads(bucket, "")] == ["data/c"]
    with pytest.raises(Gone):
        provider.abort_upload(bucket, found[0].key, found[0].upload_id)


@pytest.mark.parametrize("night", ["off", "on"], indirect=True)
def test_a_copy_in_place_keeps_the_bytes_and_what_belongs_to_them(night: Night) -> None:
    """Nothing is planned that way here; a later release of the gateway may enforce what it takes."""
    provider, client, bucket = night.provider, night.client, night.bucket
    body, said = bytes(range(256)) * 40, {"Metadata": {"run": "chat"}, "ContentType": "application/x-weights"}
    client.put_object(Bucket=bucket, Key="kept", Body=body, Tagging="team=nlp&why=a%2Bb%20c", **said)  # type: ignore[arg-type]
    state = provider.head(bucket, "kept")

    etag = provider.change_class(bucket, state, ClassChange("GLACIER_IR", state.etag, state.etag))

    found = client.get_object(Bucket=bucket, Key="kept")
    assert (found["Body"].read(), found["ETag"].strip('"')) == (body, etag)
    assert {name: found[name] for name in said} == said  # type: ignore[literal-required]
    assert provider.head(bucket, "kept").storage_class == "GLACIER_IR"
    assert provider.tags(bucket, "kept") == {"team": "nlp", "why": "a+b c"}


@pytest.mark.parametrize("together", [False, True], ids=["one-by-one", "together"])
def test_keys_are_exact_bytes(night: Night, *, together: bool) -> None:
    for key in HOSTILE:
        night.upload(key, key.encode())
    states = [night.provider.head(night.bucket, key) for key in HOSTILE]
    assert [(state.key, state.size_bytes) for state in states] == [(k, len(k.encode())) for k in HOSTILE]
    assert set(night.classes()) == set(HOSTILE)

    if together:
        targets = [Target(state.key, state.etag) for state in states]
        removals = night.provider.delete_batch(night.bucket, targets)
        assert {removal.key for removal in removals if removal.result == "done"} == set(HOSTILE)
    else:
        for state in states:
            night.provider.delete(night.bucket, state.key, state.etag)

    assert night.classes() == {}
    for key in HOSTILE:
        with pytest.raises(Gone):
            night.provider.head(night.bucket, key)


def test_more_than_a_page_is_listed_whole_and_deleted_in_two_requests(night: Night) -> None:
    keys = [f"many/{number:04}" for number in range(1001)]
    client = night.client
    with ThreadPoolExecutor(max_workers=4) as pool:
        # An empty body would wait for a late acknowledgement, each of them.
        list(pool.map(lambda key: client.put_object(Bucket=night.bucket, Key=key, Body=b"x"), keys))

    found = list(night.provider.list(night.bucket, "many/"))
    assert [state.key for state in found] == keys
    assert len(list(night.provider.versions(night.bucket, "many/"))) == len(keys)

    removals = night.provider.delete_batch(night.bucket, [Target(state.key, state.etag) for state in found])
    assert {removal.key for removal in removals if removal.result == "done"} == set(keys)
    assert night.classes() == {}


def test_a_wrong_secret_is_refused_and_not_taken_for_an_empty_bucket(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.upload("runs/x", b"x")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session_with("a wrong secret"))

    with pytest.raises(MoraineError, match="SignatureDoesNotMatch"):
        list(night.rgw.provider.list(night.bucket, ""))
