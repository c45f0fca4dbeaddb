"""Every condition is enforced: with a wrong one nothing changes, with the right one the request works.

The same requests against plain moto are the counter-proof: without the rules they succeed and destroy.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from mypy_boto3_s3.type_defs import CopySourceTypeDef

from pipelines.demo import Company, running_endpoint

BUCKET = "acme-training"
GIB = 1024**3
Conditions = dict[str, Any]
OTHER = '"00000000000000000000000000000000"'


@dataclass(frozen=True)
class Subject:
    """An object to try requests on."""

    s3: S3Client
    key: str
    etag: str

    @property
    def place(self) -> dict[str, Any]:
        return {"Bucket": BUCKET, "Key": self.key}

    @property
    def source(self) -> CopySourceTypeDef:
        return {"Bucket": BUCKET, "Key": self.key}

    def state(self) -> tuple[str, str, int]:
        """Everything that a refused request must leave alone."""
        head = self.s3.head_object(Bucket=BUCKET, Key=self.key)
        return head["ETag"], head.get("StorageClass", "STANDARD"), head["ContentLength"]

    def exists(self) -> bool:
        return "Contents" in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.key)


def connect(url: str) -> S3Client:
    once = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
        config=once,
    )


@pytest.fixture(scope="module")
def nobody(company: Company) -> Company:
    """A company without objects: fast to start."""
    return replace(company, objects=(), uploads=())


@pytest.fixture(scope="module")
def strict(nobody: Company) -> Iterator[S3Client]:
    with running_endpoint(nobody) as endpoint, closing(connect(endpoint.url)) as client:
        yield client


@pytest.fixture
def subject(strict: S3Client) -> Subject:
    return stored(strict)


def stored(s3: S3Client, key: str = "a/b c+%.bin") -> Subject:
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x" * 64)["ETag"]
    return Subject(s3, key, etag)


def copy_in_place(subject: Subject, conditions: Conditions) -> None:
    place = subject.place
    subject.s3.copy_object(**place, CopySource=subject.source, StorageClass="GLACIER_IR", **conditions)


def copy_part(subject: Subject, conditions: Conditions) -> None:
    place = subject.place
    upload = subject.s3.create_multipart_upload(**place)["UploadId"]
    try:
        subject.s3.upload_part_copy(
            **place, UploadId=upload, PartNumber=1, CopySource=subject.source, **conditions
        )
    finally:
        subject.s3.abort_multipart_upload(**place, UploadId=upload)


def complete(subject: Subject, conditions: Conditions) -> None:
    place = subject.place
    upload = subject.s3.create_multipart_upload(**place)["UploadId"]
    part = subject.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"new")
    parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    subject.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, **conditions)


def put(subject: Subject, conditions: Conditions) -> None:
    subject.s3.put_object(Bucket=BUCKET, Key=subject.key, Body=b"other", **conditions)


def delete(subject: Subject, conditions: Conditions) -> None:
    subject.s3.delete_object(Bucket=BUCKET, Key=subject.key, **conditions)


Request = Callable[[Subject, Conditions], None]
AN_HOUR = timedelta(hours=1)

WRONG = [
    pytest.param(copy_in_place, {"CopySourceIfMatch": OTHER}, id="copy, source match"),
    pytest.param(copy_in_place, {"CopySourceIfNoneMatch": "itself"}, id="copy, source none match"),
    pytest.param(
        copy_in_place, {"CopySourceIfUnmodifiedSince": -AN_HOUR}, id="copy, source unmodified since"
    ),
    pytest.param(copy_in_place, {"CopySourceIfModifiedSince": AN_HOUR}, id="copy, source modified since"),
    pytest.param(copy_in_place, {"IfMatch": OTHER}, id="copy, destination match"),
    pytest.param(copy_in_place, {"IfNoneMatch": "*"}, id="copy, destination none match"),
    pytest.param(copy_part, {"CopySourceIfMatch": OTHER}, id="part copy, source match"),
    pytest.param(copy_part, {"CopySourceIfNoneMatch": "itself"}, id="part copy, source none match"),
    pytest.param(
        copy_part, {"CopySourceIfUnmodifiedSince": -AN_HOUR}, id="part copy, source unmodified since"
    ),
    pytest.param(complete, {"IfMatch": OTHER}, id="complete, match"),
    pytest.param(complete, {"IfNoneMatch": "*"}, id="complete, none match"),
    pytest.param(put, {"IfMatch": OTHER}, id="put, match"),
    pytest.param(put, {"IfNoneMatch": "*"}, id="put, none match"),
    pytest.param(delete, {"IfMatch": OTHER}, id="delete, match"),
]

RIGHT = [
    pytest.param(copy_in_place, {"CopySourceIfMatch": "itself"}, id="copy, source match"),
    pytest.param(copy_in_place, {"CopySourceIfNoneMatch": OTHER}, id="copy, source none match"),
    pytest.param(copy_in_place, {"CopySourceIfUnmodifiedSince": AN_HOUR}, id="copy, source unmodified since"),
    pytest.param(copy_in_place, {"CopySourceIfMatch": "itself", "IfMatch": "itself"}, id="copy, both"),
    pytest.param(copy_part, {"CopySourceIfMatch": "itself"}, id="part copy, source match"),
    pytest.param(complete, {"IfMatch": "itself"}, id="complete, match"),
    pytest.param(put, {"IfMatch": "itself"}, id="put, match"),
    pytest.param(delete, {"IfMatch": "itself"}, id="delete, match"),
    pytest.param(delete, {"IfMatch": "*"}, id="delete, any"),
]


def meant(subject: Subject, conditions: Conditions) -> Conditions:
    """Fill in what is only known once the object is there."""
    modified_at = subject.s3.head_object(Bucket=BUCKET, Key=subject.key)["LastModified"]
    filled = dict(conditions)
    for name, wanted in conditions.items():
        if wanted == "itself":
            filled[name] = subject.etag
        elif isinstance(wanted, timedelta):
            filled[name] = modified_at + wanted
    return filled


@pytest.mark.parametrize("request_, conditions", WRONG)
def test_a_wrong_condition_is_refused_and_changes_nothing(
    subject: Subject, request_: Request, conditions: Conditions
) -> None:
    before = subject.state()

    with pytest.raises(ClientError) as refused:
        request_(subject, meant(subject, conditions))

    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert subject.state() == before


@pytest.mark.parametrize("request_, conditions", RIGHT)
def test_a_right_condition_lets_the_request_through(
    subject: Subject, request_: Request, conditions: Conditions
) -> None:
    before = subject.state()

    request_(subject, meant(subject, conditions))

    if request_ is delete:
        assert not subject.exists()
    elif request_ is not copy_part:
        assert subject.state() != before


@pytest.mark.parametrize("request_", [copy_in_place, complete, delete])
def test_a_match_on_what_is_not_there_is_not_found(strict: S3Client, request_: Request) -> None:
    absent = Subject(strict, "absent/key", OTHER)

    with pytest.raises(ClientError) as refused:
        request_(absent, {"IfMatch": OTHER})

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_deleting_whatever_is_there_needs_something_there(strict: S3Client) -> None:
    with pytest.raises(ClientError, match="PreconditionFailed"):
        strict.delete_object(Bucket=BUCKET, Key="absent/key", IfMatch="*")


def test_a_batch_deletes_the_keys_whose_etag_is_right_and_names_the_others(strict: S3Client) -> None:
    right, wrong, free = (stored(strict, f"batch/{name} +%&<é>.bin") for name in ("right", "wrong", "free"))

    answer = strict.delete_objects(
        Bucket=BUCKET,
        Delete={
            "Objects": [
                {"Key": right.key, "ETag": right.etag},
                {"Key": wrong.key, "ETag": OTHER},
                {"Key": free.key},
                {"Key": "batch/absent", "ETag": OTHER},
            ]
        },
    )

    assert {entry["Key"] for entry in answer["Deleted"]} == {right.key, free.key}
    assert {(entry["Key"], entry["Code"]) for entry in answer["Errors"]} == {
        (wrong.key, "PreconditionFailed"),
        ("batch/absent", "NoSuchKey"),
    }
    assert [right.exists(), wrong.exists(), free.exists()] == [False, True, False]


def test_a_batch_of_wrong_etags_deletes_nothing(strict: S3Client) -> None:
    kept = stored(strict, "batch/kept")

    answer = strict.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": kept.key, "ETag": OTHER}]})

    assert [entry["Code"] for entry in answer["Errors"]] == ["PreconditionFailed"]
    assert not answer.get("Deleted")
    assert kept.exists()


def test_a_batch_of_more_than_a_thousand_keys_is_refused_whole(strict: S3Client) -> None:
    kept = stored(strict, "many/0")

    with pytest.raises(ClientError) as refused:
        strict.delete_objects(
            Bucket=BUCKET, Delete={"Objects": [{"Key": f"many/{number}"} for number in range(1001)]}
        )

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert kept.exists()


def test_a_copy_in_place_that_changes_nothing_is_refused(subject: Subject) -> None:
    copy_in_place(subject, {})
    archived = subject.state()

    with pytest.raises(ClientError, match="InvalidRequest"):
        copy_in_place(subject, {})

    assert subject.state() == archived


def test_a_copy_in_place_that_names_no_class_goes_back_to_standard(subject: Subject) -> None:
    copy_in_place(subject, {})

    subject.s3.copy_object(Bucket=BUCKET, Key=subject.key, CopySource={"Bucket": BUCKET, "Key": subject.key})

    assert subject.state()[1] == "STANDARD"


def test_one_request_copies_at_most_five_gibibytes(company: Company) -> None:
    item = next(item for item in company.objects_of(BUCKET) if item.size_bytes > 5 * GIB)
    small = replace(company, objects=(item,), uploads=())
    with running_endpoint(small) as endpoint, closing(connect(endpoint.url)) as client:
        subject = Subject(client, item.key, item.etag)
        before = subject.state()

        with pytest.raises(ClientError, match="larger than the maximum"):
            copy_in_place(subject, {})
        with pytest.raises(ClientError, match="larger than the maximum"):
            copy_part(subject, {"CopySourceRange": f"bytes=0-{5 * GIB}"})
        with pytest.raises(ClientError, match="range is not valid"):
            copy_part(subject, {"CopySourceRange": f"bytes=0-{item.size_bytes}"})

        copy_part(subject, {"CopySourceRange": f"bytes=0-{5 * GIB - 1}"})
        assert subject.state() == before


def test_of_many_writers_that_saw_the_same_state_one_wins(subject: Subject) -> None:
    def write(_: int) -> bool:
        try:
            complete(subject, {"IfMatch": subject.etag})
        except ClientError as error:
            return error.response["Error"]["Code"] != "PreconditionFailed"
        return True

    with ThreadPoolExecutor(8) as writers:
        won = list(writers.map(write, range(16)))

    assert won.count(True) == 1


def test_plain_moto_ignores_what_the_rules_enforce(nobody: Company) -> None:
    with running_endpoint(nobody, plain=True) as endpoint, closing(connect(endpoint.url)) as client:
        copied, deleted = stored(client, "copied"), stored(client, "deleted")

        copy_in_place(copied, {"CopySourceIfMatch": OTHER})
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": deleted.key, "ETag": OTHER}]})

        assert copied.state()[1] == "GLACIER_IR"
        assert not deleted.exists()
