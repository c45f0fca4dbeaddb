"""Over HTTP the company looks as its inventories say, though it stores a few bytes of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from pipelines.demo import DEMO_ENVIRONMENT, Company, running_endpoint
from pipelines.demo.objects import StoredObject
from pipelines.domain.registry import SEARCH_PATH

GIB = 1024**3


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
def url(company: Company) -> Iterator[str]:
    with running_endpoint(company) as endpoint:
        yield endpoint.url


@pytest.fixture(scope="module")
def s3(url: str) -> Iterator[S3Client]:
    with closing(connect(url)) as client:
        yield client


def planned(company: Company, ending: str) -> StoredObject:
    return next(item for item in company.objects_of("acme-training") if item.key.endswith(ending))


@pytest.mark.parametrize("bucket", ["acme-training", "acme-logs"])
def test_a_list_says_what_was_planned(company: Company, s3: S3Client, bucket: str) -> None:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = {
        entry["Key"]: (
            entry["Size"],
            entry["ETag"],
            entry["LastModified"].replace(tzinfo=None),
            entry["StorageClass"],
        )
        for page in pages
        for entry in page["Contents"]
    }

    for item in company.objects_of(bucket):
        assert listed[item.key] == (item.size_bytes, f'"{item.etag}"', item.modified_at, item.storage_class)
    if bucket == "acme-training":
        assert len(listed) == len(list(company.objects_of(bucket)))


def test_deliveries_can_be_read_whole(s3: S3Client, delivered: dict[str, StoredObject]) -> None:
    for key in list(delivered)[:4] + list(delivered)[-4:]:
        answer = s3.get_object(Bucket="acme-logs", Key=key)
        assert answer["Body"].read() == delivered[key].body
        assert answer["LastModified"].replace(tzinfo=None) == delivered[key].modified_at


def test_versions_and_delete_markers_are_listed_as_planned(company: Company, s3: S3Client) -> None:
    pages = list(
        s3.get_paginator("list_object_versions").paginate(
            Bucket="acme-datasets", PaginationConfig={"PageSize": 100}
        )
    )
    versions = {entry["VersionId"]: entry for page in pages for entry in page.get("Versions", [])}
    markers = {entry["VersionId"] for page in pages for entry in page.get("DeleteMarkers", [])}

    for item in company.objects_of("acme-datasets"):
        if item.is_delete_marker:
            assert item.version_id in markers
        else:
            entry = versions[item.version_id or ""]
            assert (entry["Key"], entry["Size"]) == (item.key, item.size_bytes)
            assert entry["LastModified"].replace(tzinfo=None) == item.modified_at
    assert len(versions) + len(markers) == len(list(company.objects_of("acme-datasets")))


def test_head_and_attributes_say_the_declared_size(company: Company, s3: S3Client) -> None:
    item = planned(company, "global_step1000/mp_rank_00_model_states.pt")

    head = s3.head_object(Bucket=item.bucket, Key=item.key)
    attributes = s3.get_object_attributes(
        Bucket=item.bucket, Key=item.key, ObjectAttributes=["ObjectSize", "ETag", "StorageClass"]
    )

    assert head["ContentLength"] == attributes["ObjectSize"] == item.size_bytes == 61 * 10**9
    assert head["ETag"] == f'"{item.etag}"'
    assert head["LastModified"].replace(tzinfo=None) == item.modified_at


def test_get_returns_the_few_bytes_that_are_stored(company: Company, s3: S3Client) -> None:
    item = planned(company, "global_step1000/mp_rank_00_model_states.pt")

    whole = s3.get_object(Bucket=item.bucket, Key=item.key)
    part = s3.get_object(Bucket=item.bucket, Key=item.key, Range="bytes=2-5")

    assert whole["ContentLength"] == len(item.body)
    assert whole["Body"].read() == item.body
    assert part["Body"].read() == item.body[2:6]


def test_pointers_and_states_can_be_read(company: Company, s3: S3Client) -> None:
    item = planned(company, "pretrain-30b/latest")

    assert s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].read() == b"global_step20000"
    assert s3.head_object(Bucket=item.bucket, Key=item.key)["ContentLength"] == len("global_step20000")


def test_difficult_keys_answer_to_their_exact_names(company: Company, s3: S3Client) -> None:
    for uri in company.expectations.hostile:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == 48_113
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key=key.replace("%20", " "))


def test_forgotten_uploads_are_open_since_weeks_with_parts_of_declared_size(
    company: Company, s3: S3Client
) -> None:
    listed = {
        entry["UploadId"]: entry for entry in s3.list_multipart_uploads(Bucket="acme-training")["Uploads"]
    }

    assert listed.keys() == set(company.expectations.upload_ids)
    for upload in company.uploads:
        parts = s3.list_parts(Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id)["Parts"]
        assert tuple(part["Size"] for part in parts) == upload.part_sizes
        assert listed[upload.upload_id]["Initiated"].replace(tzinfo=None) == upload.initiated_at


def test_an_upload_that_is_aborted_is_gone(company: Company) -> None:
    upload = company.uploads[0]
    with running_endpoint(company) as endpoint, closing(connect(endpoint.url)) as client:
        client.abort_multipart_upload(Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id)

        left = client.list_multipart_uploads(Bucket=upload.bucket)["Uploads"]
        assert upload.upload_id not in {entry["UploadId"] for entry in left}
        with pytest.raises(ClientError, match="NoSuchUpload"):
            client.upload_part(
                Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id, PartNumber=1, Body=b"late"
            )


def test_an_archived_copy_keeps_its_size_and_gets_a_new_time(company: Company, s3: S3Client) -> None:
    item = planned(company, "checkpoint-2500/model-00001-of-00003.safetensors")
    before = datetime.now(UTC) - timedelta(seconds=2)

    s3.copy_object(
        Bucket=item.bucket,
        Key=item.key,
        CopySource={"Bucket": item.bucket, "Key": item.key},
        StorageClass="GLACIER_IR",
    )

    head = s3.head_object(Bucket=item.bucket, Key=item.key)
    assert (head["ContentLength"], head["StorageClass"]) == (item.size_bytes, "GLACIER_IR")
    assert head["LastModified"] > before
    assert "-" in item.etag
    assert "-" not in head["ETag"]
    assert s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].read() == item.body


def test_a_small_archived_copy_keeps_its_etag(company: Company, s3: S3Client) -> None:
    item = planned(company, "checkpoint-2500/scheduler.pt")

    s3.copy_object(
        Bucket=item.bucket,
        Key=item.key,
        CopySource={"Bucket": item.bucket, "Key": item.key},
        StorageClass="STANDARD_IA",
    )

    assert s3.head_object(Bucket=item.bucket, Key=item.key)["ETag"] == f'"{item.etag}"'


def test_a_copy_in_parts_of_a_large_object_keeps_its_size(company: Company, s3: S3Client) -> None:
    item = planned(company, "global_step2000/mp_rank_00_model_states.pt")
    place: dict[str, Any] = {"Bucket": item.bucket, "Key": item.key}
    upload = s3.create_multipart_upload(**place, StorageClass="GLACIER_IR")["UploadId"]
    parts: list[Any] = []
    for number, start in enumerate(range(0, item.size_bytes, 5 * GIB), start=1):
        end = min(start + 5 * GIB, item.size_bytes) - 1
        copied = s3.upload_part_copy(
            **place,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": item.bucket, "Key": item.key},
            CopySourceRange=f"bytes={start}-{end}",
            CopySourceIfMatch=item.etag,
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})

    sizes = [part["Size"] for part in s3.list_parts(**place, UploadId=upload)["Parts"]]
    s3.complete_multipart_upload(
        **place,
        UploadId=upload,
        IfMatch=item.etag,
        MultipartUpload={"Parts": parts},
    )

    head = s3.head_object(**place)
    assert sum(sizes) == head["ContentLength"] == item.size_bytes
    assert (head["StorageClass"], head["ETag"].endswith(f'-{len(parts)}"')) == ("GLACIER_IR", True)
    assert s3.get_object(**place)["Body"].read() == item.body


def test_what_clients_store_is_stored_as_it_is(s3: S3Client) -> None:
    s3.put_object(Bucket="acme-logs", Key="own/file", Body=b"twelve bytes")

    assert s3.head_object(Bucket="acme-logs", Key="own/file")["ContentLength"] == 12
    assert s3.get_object(Bucket="acme-logs", Key="own/file")["Body"].read() == b"twelve bytes"


def test_the_registry_answers_on_the_same_port(company: Company, url: str) -> None:
    first = httpx.get(url + SEARCH_PATH, params={"max_results": "1"}).json()
    second = httpx.get(
        url + SEARCH_PATH, params={"max_results": "1", "page_token": first["next_page_token"]}
    ).json()

    assert first["model_versions"][0]["source"] == company.expectations.served
    assert second["model_versions"][0]["current_stage"] == "Archived"
    assert "next_page_token" not in second


def test_an_endpoint_ends_without_a_trace_and_the_next_one_starts_afresh(company: Company) -> None:
    item = planned(company, "pretrain-30b/latest")
    before = set(threading.enumerate())
    for _ in range(2):
        with running_endpoint(company) as endpoint, closing(connect(endpoint.url)) as client:
            assert client.head_object(Bucket=item.bucket, Key=item.key)
            client.delete_object(Bucket=item.bucket, Key=item.key)

    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint.url)


def test_an_endpoint_ends_while_a_client_keeps_a_connection_and_says_nothing(company: Company) -> None:
    before = set(threading.enumerate())
    with running_endpoint(company) as endpoint:
        host, _, port = endpoint.url.removeprefix("http://").partition(":")
        silent = socket.create_connection((host, int(port)))
        httpx.get(endpoint.url + SEARCH_PATH)
    silent.close()

    assert set(threading.enumerate()) <= before


def test_endpoints_of_one_process_do_not_see_each_other(company: Company, s3: S3Client) -> None:
    item = planned(company, "pretrain-30b/zero_to_fp32.py")
    with running_endpoint(company) as endpoint, closing(connect(endpoint.url)) as client:
        client.delete_object(Bucket=item.bucket, Key=item.key)

    assert s3.head_object(Bucket=item.bucket, Key=item.key)["ContentLength"] == item.size_bytes


def test_clients_are_told_what_their_environment_needs() -> None:
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"} <= DEMO_ENVIRONMENT.keys()
