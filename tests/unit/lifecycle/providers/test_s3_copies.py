"""What belongs to an object on S3 is still there after a copy onto itself, or there is no copy."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle.errors import AclChanged, ActionRefused, ConditionFailed
from lifecycle.providers import ClassChange, ObjectState
from lifecycle.providers.s3_buckets import uses_acls
from lifecycle.providers.s3_copies import Copy
from pipelines.demo.objects import declare
from tests.unit.lifecycle.providers.worlds import AT, S3World, colder, serving_s3

GIB = 1024**3
PART_BYTES = 5 * 1024**2
BODY = bytes(range(256)) * 50_000
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
ONCE_OR_IN_PARTS = pytest.mark.parametrize("in_parts", [False, True], ids=["at-once", "in-parts"])
SAID: dict[str, Any] = {
    "Metadata": {"run": "chat"},
    "ContentType": "application/x-weights",
    "CacheControl": "no-store",
    "ContentDisposition": 'attachment; filename="x"',
    "ContentEncoding": "identity",
    "ContentLanguage": "de",
    "Tagging": "team=nlp&why=a%2Bb+c",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "our-key",
}
KEPT = (
    "Body",
    "Metadata",
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "Tags",
    "Grants",
)


@pytest.fixture(scope="module")
def s3(environment: None) -> Iterator[S3World]:
    del environment
    with serving_s3(part_bytes=PART_BYTES) as world:
        yield world


@ONCE_OR_IN_PARTS
def test_a_copy_keeps_what_belongs_to_the_object(s3: S3World, *, in_parts: bool) -> None:
    bucket = s3.bucket()
    owner = s3.client.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    grants = {
        "GrantFullControl": f'id="{owner}"',
        "GrantRead": f'uri="{EVERYBODY}"',
        "GrantReadACP": 'id="partner"',
    }
    state = s3.put(bucket, "kept.bin", BODY, **SAID, **grants)
    before = s3.only(Bucket=bucket, Key="kept.bin")
    assert len(before["Grants"]) == 3
    etag = s3.provider.change_class(bucket, state, colder(s3, state, in_parts=in_parts))
    after = s3.only(Bucket=bucket, Key="kept.bin")
    assert {name: after[name] for name in KEPT if name != "Grants"} == {
        name: before[name] for name in KEPT if name != "Grants"
    }
    assert sorted(map(str, after["Grants"])) == sorted(map(str, before["Grants"]))
    assert (after["StorageClass"], after["ETag"].strip('"')) == ("GLACIER_IR", etag)
    assert ("-3" in etag) is in_parts


def test_a_private_object_stays_private(s3: S3World) -> None:
    bucket = s3.bucket()
    state = s3.put(bucket, "x")
    before = s3.only(Bucket=bucket, Key="x")["Grants"]
    s3.provider.change_class(bucket, state, colder(s3, state))
    assert s3.only(Bucket=bucket, Key="x")["Grants"] == before


class _Meddled:
    """A client; what somebody does with the ACL comes right before a copy becomes visible, or right after."""

    def __init__(self, client: Any, before: Any = None, after: Any = None) -> None:  # noqa: ANN401  (a client, and what to call)
        self._client, self._before, self._after = client, before, after

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (any of the client's)
        call = getattr(self._client, name)
        return self._around(call) if name in ("copy_object", "complete_multipart_upload") else call

    def _around(self, call: Any) -> Any:  # noqa: ANN401  (a call of the client)
        def around(**words: Any) -> Any:  # noqa: ANN401  (its parameters and answer)
            for meddle in (self._before, lambda: answers.append(call(**words)), self._after):
                if meddle:
                    meddle()
            return answers[0]

        answers: list[Any] = []
        return around


def grantees(s3: S3World, bucket: str) -> set[str]:
    grants = s3.client.get_object_acl(Bucket=bucket, Key="x")["Grants"]
    return {grant["Grantee"].get("URI") or grant["Grantee"]["ID"] for grant in grants}


@ONCE_OR_IN_PARTS
def test_an_acl_that_somebody_changes_meanwhile_is_put_right_where_versions_are_kept(
    s3: S3World, *, in_parts: bool
) -> None:
    bucket = s3.bucket(versioned=True)
    owner = s3.client.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    state = s3.put(bucket, "x", BODY, GrantRead=f'uri="{EVERYBODY}"', GrantFullControl=f'id="{owner}"')

    def withdraw() -> None:
        s3.client.put_object_acl(Bucket=bucket, Key="x", ACL="private")

    client: Any = _Meddled(s3.client, before=withdraw)
    Copy(
        client, bucket, state, colder(s3, state, in_parts=in_parts), has_acl=True, part_bytes=PART_BYTES
    ).make()
    assert s3.provider.head(bucket, "x").storage_class == "GLACIER_IR"
    assert grantees(s3, bucket) == {owner}


@ONCE_OR_IN_PARTS
def test_access_that_somebody_takes_away_right_after_a_copy_stays_taken_away_and_is_told(
    s3: S3World, *, in_parts: bool
) -> None:
    bucket = s3.bucket()
    owner = s3.client.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    state = s3.put(bucket, "x", BODY, GrantRead=f'uri="{EVERYBODY}"', GrantFullControl=f'id="{owner}"')

    def withdraw() -> None:
        s3.client.put_object_acl(Bucket=bucket, Key="x", ACL="private")

    client: Any = _Meddled(s3.client, after=withdraw)
    change = colder(s3, state, in_parts=in_parts)
    with pytest.raises(AclChanged, match="not the one that it was given") as caught:
        Copy(client, bucket, state, change, has_acl=True, part_bytes=PART_BYTES).make()
    assert caught.value.token == s3.provider.head(bucket, "x").etag
    assert grantees(s3, bucket) == {owner}


@pytest.mark.parametrize(
    "ownership, asks",
    [("BucketOwnerEnforced", False), ("BucketOwnerPreferred", True), ("ObjectWriter", True)],
)
def test_acls_are_asked_for_unless_they_are_switched_off(s3: S3World, ownership: Any, *, asks: bool) -> None:  # noqa: ANN401  (one of the client's literals)
    bucket = s3.bucket()
    assert uses_acls(s3.client, bucket)
    s3.client.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]}
    )
    assert uses_acls(s3.client, bucket) is asks


class _OneObject:
    """A client that knows the ACL of one object, and no way to change anything."""

    def __init__(self, owner: str, *grants: tuple[str, str, str]) -> None:
        self._owner, self._grants = owner, grants

    def get_bucket_acl(self, **_: str) -> dict[str, Any]:
        return {"Owner": {"ID": "we"}}

    def get_object_acl(self, **_: str) -> dict[str, Any]:
        grants = [
            {"Grantee": {"Type": kind, "ID": name}, "Permission": said} for kind, name, said in self._grants
        ]
        return {"Owner": {"ID": self._owner}, "Grants": grants}


@ONCE_OR_IN_PARTS
@pytest.mark.parametrize(
    "client, reason",
    [
        (_OneObject("they", ("CanonicalUser", "they", "FULL_CONTROL")), "another account"),
        (_OneObject("we", ("AmazonCustomerByEmail", "a@b", "READ")), "a grant that a copy cannot be given"),
        (_OneObject("we", ("CanonicalUser", 'x",uri="', "READ")), "a grant that a copy cannot be given"),
        (_OneObject("we", ("CanonicalUser", "x", "WRITE")), "a grant that a copy cannot be given"),
    ],
    ids=["owner", "grantee", "quotes", "permission"],
)
def test_an_acl_that_a_copy_cannot_have_forbids_it(client: Any, reason: str, *, in_parts: bool) -> None:  # noqa: ANN401  (a fake of one)
    state = ObjectState("x", "e", 1, AT, "STANDARD")
    change = ClassChange("GLACIER_IR", "e", "e", in_parts)
    with pytest.raises(ActionRefused, match=reason):
        Copy(client, "b", state, change, has_acl=True).make()


@ONCE_OR_IN_PARTS
def test_what_is_under_a_customers_own_key_is_not_copied(*, in_parts: bool) -> None:
    state = ObjectState("x", "e", 1, AT, "STANDARD", carried={"SSECustomerAlgorithm": "AES256"})
    client: Any = _OneObject("we")
    with pytest.raises(ActionRefused, match="own key"):
        Copy(client, "b", state, ClassChange("GLACIER_IR", "e", "e", in_parts), has_acl=False).make()


def test_metadata_that_cannot_be_read_forbids_a_copy_in_parts() -> None:
    state = ObjectState("x", "e", 1, AT, "STANDARD", carried={"MissingMeta": 1})
    client: Any = _OneObject("we")
    with pytest.raises(ActionRefused, match="metadata"):
        Copy(client, "b", state, ClassChange("GLACIER_IR", "e", "e", in_parts=True), has_acl=False).make()


@ONCE_OR_IN_PARTS
@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_a_frozen_object_is_not_copied_until_it_is_thawed(
    s3: S3World, storage_class: str, *, in_parts: bool
) -> None:
    bucket = s3.bucket()
    state = s3.put(bucket, "cold", StorageClass=storage_class)
    assert state.thaw == "frozen"
    with pytest.raises(ActionRefused, match="frozen"):
        s3.provider.change_class(bucket, state, colder(s3, state, in_parts=in_parts))
    s3.provider.thaw(bucket, "cold", 2)
    thawed = s3.provider.head(bucket, "cold")
    assert thawed.thaw == "thawed"
    s3.provider.change_class(bucket, thawed, colder(s3, thawed, in_parts=in_parts))
    assert s3.provider.head(bucket, "cold").storage_class == "GLACIER_IR"


@ONCE_OR_IN_PARTS
def test_a_retained_object_is_not_copied(s3: S3World, *, in_parts: bool) -> None:
    bucket = s3.bucket(lockable=True)
    until = datetime(2130, 1, 1, tzinfo=UTC)
    state = s3.put(bucket, "x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    with pytest.raises(ActionRefused, match="locked"):
        s3.provider.change_class(bucket, state, colder(s3, state, in_parts=in_parts))
    assert [version.version_id for version in s3.provider.versions(bucket, "")] == [state.version_id]


def test_a_copy_in_parts_that_fails_leaves_no_open_upload(s3: S3World) -> None:
    bucket = s3.bucket()
    state = s3.put(bucket, "x", BODY)
    for said in ({"source": "0" * 32}, {"destination": "0" * 32}):
        with pytest.raises(ConditionFailed):
            s3.provider.change_class(bucket, state, colder(s3, state, **said, in_parts=True))
        assert not list(s3.provider.uploads(bucket, ""))
    assert s3.provider.head(bucket, "x") == state


def test_nine_gibibytes_are_copied_in_parts_and_not_at_once(environment: None) -> None:
    del environment
    with serving_s3(declare("acme-training", "huge.bin", 9 * GIB, AT)) as s3:
        state = s3.provider.head("acme-training", "huge.bin")
        with pytest.raises(ActionRefused):
            s3.provider.change_class("acme-training", state, colder(s3, state))
        etag = s3.provider.change_class("acme-training", state, colder(s3, state, in_parts=True))
        after = s3.provider.head("acme-training", "huge.bin")
        assert (after.storage_class, after.size_bytes, after.etag) == ("GLACIER_IR", 9 * GIB, etag)
        assert etag.endswith("-2")
