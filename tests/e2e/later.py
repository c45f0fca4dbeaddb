"""The company some days later: what was done to its bucket is in the next lists and bills, as in a cloud."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime

import boto3

from pipelines.demo import Company
from pipelines.demo.deliveries import make_deliveries
from pipelines.demo.objects import StoredObject
from pipelines.demo.training import BUCKET
from tests.e2e.conftest import World

_UNVERSIONED = "null"
_Found = Mapping[tuple[str, str], StoredObject]


def company_later(world: World, changed_at: datetime, as_of: date) -> Company:
    """Return the company at the end of a later day, in which nothing was done but what the bucket shows.

    What the endpoint holds now and did not hold before is there since `changed_at`; what is gone, until then.
    """
    found = dict(_versions(world, changed_at))
    before = [item for item in world.company.objects if item.bucket == BUCKET]
    others = (item for item in world.company.objects if item.bucket != BUCKET)
    kept = [_kept(item, found, changed_at) for item in before]
    known = {_identity(item) for item in kept if item.gone_at is None}
    new = (item for item in found.values() if _identity(item) not in known)
    return replace(world.company, as_of=as_of, objects=(*others, *kept, *new))


def deliver(world: World, company: Company) -> None:
    """Put what providers deliver by the end of a later day; what they wrote before stays as it is."""
    client = boto3.client("s3", endpoint_url=world.url, region_name="us-east-1")
    for file in make_deliveries(company):
        if file.modified_at > world.company.midnight.replace(hour=23):
            client.put_object(Bucket=file.bucket, Key=file.key, Body=file.body)


def _kept(item: StoredObject, found: _Found, changed_at: datetime) -> StoredObject:
    there = found.get((item.key, item.version_id or _UNVERSIONED))
    is_same = there is not None and there.storage_class == item.storage_class
    return item if is_same else replace(item, gone_at=changed_at)


def _identity(item: StoredObject) -> tuple[str, str, str]:
    return item.key, item.version_id or _UNVERSIONED, item.storage_class


def _versions(world: World, changed_at: datetime) -> Iterator[tuple[tuple[str, str], StoredObject]]:
    client = boto3.client("s3", endpoint_url=world.url, region_name="us-east-1")
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for entry in page.get("Versions", ()):
            key, version = entry["Key"], entry["VersionId"]
            etag, storage_class = entry["ETag"].strip('"'), entry["StorageClass"]
            yield (
                (key, version),
                StoredObject(BUCKET, key, entry["Size"], changed_at, etag, storage_class, version_id=version),
            )
        for marker in page.get("DeleteMarkers", ()):
            key, version = marker["Key"], marker["VersionId"]
            yield (
                (key, version),
                StoredObject(BUCKET, key, 0, changed_at, "", "", version_id=version, is_delete_marker=True),
            )
