"""Lifecycle rules of S3 buckets are read and written whole, as they are."""

from datetime import UTC, datetime

import pytest

from lifecycle.errors import ActionRefused
from lifecycle.handover.bucket_rules import archive_rule, delete_rule, merged, without_own
from lifecycle.providers import BucketRules, KeepsRules, S3Provider
from pipelines.errors import Transient
from tests.unit.lifecycle.providers.worlds import Canned, S3World, answering

DENIED = b"<Error><Code>AccessDenied</Code></Error>"
RULE = "<Rule><ID>a</ID><Status>Enabled</Status><Filter/></Rule>"
ONE_RULE = f"<LifecycleConfiguration>{RULE}</LifecycleConfiguration>".encode()
SMALLEST = "x-amz-transition-default-minimum-object-size"


def test_a_bucket_without_rules_has_none(s3: S3World) -> None:
    assert s3.provider.rules(s3.bucket()) == BucketRules()


def test_rules_of_others_survive_ours_to_the_letter(s3: S3World) -> None:
    bucket = s3.bucket()
    theirs = [
        {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/<&>"}, "Expiration": {"Days": 30}},
        {
            "ID": "end of year",
            "Status": "Disabled",
            "Filter": {"Tag": {"Key": "kind", "Value": "scratch"}},
            "Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)},
        },
        {
            "ID": "parts",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    ]
    s3.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": theirs})  # type: ignore[typeddict-item]
    before = s3.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    found = s3.provider.rules(bucket)
    s3.provider.put_rules(bucket, merged(found, [delete_rule("p"), archive_rule("p", "GLACIER_IR")], "p"))
    between = s3.provider.rules(bucket)
    assert {rule["ID"] for rule in between.rules} == {
        "logs",
        "end of year",
        "parts",
        "moraine-delete-p",
        "moraine-archive-p",
    }
    s3.provider.put_rules(bucket, without_own(between, "p"))
    assert s3.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == before


def test_the_last_rule_takes_the_configuration_with_it(s3: S3World) -> None:
    bucket = s3.bucket()
    s3.provider.put_rules(bucket, BucketRules((delete_rule("p"),)))
    assert [rule["ID"] for rule in s3.provider.rules(bucket).rules] == ["moraine-delete-p"]
    s3.provider.put_rules(bucket, BucketRules())
    assert s3.provider.rules(bucket) == BucketRules()


def test_the_smallest_size_that_rules_move_is_carried_along(environment: None) -> None:
    del environment
    with answering(Canned(ONE_RULE, headers={SMALLEST: "varies_by_storage_class"}), Canned()) as server:
        provider = S3Provider(server.endpoints)
        found = provider.rules("b")
        assert found.smallest_moved == "varies_by_storage_class"
        provider.put_rules("b", found)
    assert server.asked[-1][2][SMALLEST] == "varies_by_storage_class"


def test_rules_that_may_not_be_read_are_a_refusal_and_not_none(environment: None) -> None:
    del environment
    with answering(Canned(DENIED, 403)) as server:
        provider = S3Provider(server.endpoints)
        with pytest.raises(ActionRefused, match="cannot be read or written"):
            provider.rules("b")
        with pytest.raises(ActionRefused, match="cannot be read or written"):
            provider.put_rules("b", BucketRules((delete_rule("p"),)))


def test_a_store_that_does_not_answer_is_no_bucket_without_rules(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del environment
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with answering(Canned(status=503)) as server, pytest.raises(Transient):
        S3Provider(server.endpoints).rules("b")


def test_only_s3_keeps_rules_by_tags(s3: S3World) -> None:
    assert isinstance(s3.provider, KeepsRules)
