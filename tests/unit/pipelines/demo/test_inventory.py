"""Inventory deliveries are what S3 would deliver of these buckets."""

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import pyarrow.parquet as pq
import pytest

from pipelines.demo import Company
from pipelines.demo.inventory import scan_times
from pipelines.demo.objects import StoredObject

Delivered = dict[str, StoredObject]
TRAINING = "inventory/acme-training/current-objects"
DATASETS = "inventory/acme-datasets/all-versions"


def manifests(delivered: Delivered, root: str) -> list[dict[str, Any]]:
    keys = sorted(key for key in delivered if key.startswith(root) and key.endswith("/manifest.json"))
    return [json.loads(delivered[key].body) for key in keys]


def parquet_rows(delivered: Delivered, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [delivered[file["key"]].body for file in manifest["files"]]
    return [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]


def csv_rows(delivered: Delivered, manifest: dict[str, Any]) -> list[dict[str, str]]:
    text = "".join(gzip.decompress(delivered[file["key"]].body).decode() for file in manifest["files"])
    names = manifest["fileSchema"].split(", ")
    return [dict(zip(names, row, strict=True)) for row in csv.reader(io.StringIO(text))]


@pytest.mark.parametrize("root", [TRAINING, DATASETS])
def test_checksums_of_manifests_and_files_are_right(delivered: Delivered, root: str) -> None:
    folders = [key.removesuffix("/manifest.json") for key in delivered if key.endswith("/manifest.json")]

    for folder in (folder for folder in folders if folder.startswith(root)):
        manifest = delivered[f"{folder}/manifest.json"].body
        expected = hashlib.md5(manifest, usedforsecurity=False).hexdigest() + "\n"
        assert delivered[f"{folder}/manifest.checksum"].body.decode() == expected
        for file in json.loads(manifest)["files"]:
            body = delivered[file["key"]].body
            assert file["size"] == len(body)
            assert file["MD5checksum"] == hashlib.md5(body, usedforsecurity=False).hexdigest()


def test_buckets_are_listed_each_sunday_and_after_the_last_two_days(company: Company) -> None:
    times = scan_times(company)

    assert times[-2:] == [company.midnight + timedelta(hours=1, days=days) for days in (-1, 0)]
    assert all(moment.weekday() == 6 for moment in times[:-2])
    assert len(times) == 10


def test_the_newest_list_covers_the_whole_last_day(company: Company, delivered: Delivered) -> None:
    for root in (TRAINING, DATASETS):
        newest = manifests(delivered, root)[-1]
        scanned_at = datetime.fromtimestamp(int(newest["creationTimestamp"]) / 1000, UTC).replace(tzinfo=None)
        assert scanned_at > company.midnight


def test_the_parquet_list_holds_exactly_the_bucket(company: Company, delivered: Delivered) -> None:
    listed = {
        row["key"]: (
            row["size"],
            row["last_modified_date"].replace(tzinfo=None),
            row["e_tag"],
            row["storage_class"],
        )
        for row in parquet_rows(delivered, manifests(delivered, TRAINING)[-1])
    }

    assert listed == {
        item.key: (item.size_bytes, item.modified_at, item.etag, item.storage_class)
        for item in company.objects_of("acme-training")
    }


def test_an_earlier_list_holds_what_existed_then(company: Company, delivered: Delivered) -> None:
    for root, rows in ((TRAINING, parquet_rows), (DATASETS, csv_rows)):
        bucket = root.split("/")[1]
        for manifest, scanned_at in zip(manifests(delivered, root), scan_times(company), strict=True):
            expected = len(list(company.objects_of(bucket, scanned_at)))
            assert len(rows(delivered, manifest)) == expected


def test_a_large_bucket_is_listed_in_several_files(delivered: Delivered) -> None:
    assert len(manifests(delivered, TRAINING)[-1]["files"]) == 2


def test_the_csv_list_quotes_every_value_and_has_no_header(delivered: Delivered) -> None:
    key = manifests(delivered, DATASETS)[-1]["files"][0]["key"]
    lines = gzip.decompress(delivered[key].body).decode().splitlines()

    assert lines[0].startswith('"acme-datasets","')
    assert all(line.count('"') == 24 for line in lines)


def test_csv_keys_are_url_encoded_with_plus_for_a_space(company: Company, delivered: Delivered) -> None:
    rows = csv_rows(delivered, manifests(delivered, DATASETS)[-1])
    encoded = {row["Key"] for row in rows}

    assert "nlp/%C3%BCber+corpus/na%C3%AFve+100%25%2B1.jsonl" in encoded
    assert {unquote_plus(key) for key in encoded} == {
        item.key for item in company.objects_of("acme-datasets")
    }


def test_the_csv_list_names_versions_and_exactly_one_latest_of_each_key(
    company: Company, delivered: Delivered
) -> None:
    rows = csv_rows(delivered, manifests(delivered, DATASETS)[-1])
    latest = [row["Key"] for row in rows if row["IsLatest"] == "true"]

    assert len(latest) == len(set(latest)) == len({row["Key"] for row in rows})
    newest = {item.key: item.version_id for item in company.objects_of("acme-datasets")}
    assert {unquote_plus(row["Key"]): row["VersionId"] for row in rows if row["IsLatest"] == "true"} == newest


def test_delete_markers_have_no_size_tag_or_class(delivered: Delivered) -> None:
    rows = csv_rows(delivered, manifests(delivered, DATASETS)[-1])
    markers = [row for row in rows if row["IsDeleteMarker"] == "true"]

    assert len(markers) == 6
    assert {(row["Size"], row["ETag"], row["StorageClass"]) for row in markers} == {("", "", "")}


def test_all_deliveries_share_one_data_folder_and_the_manifest_comes_last(delivered: Delivered) -> None:
    keys = [key for key in delivered if key.startswith(TRAINING)]

    assert {key.rpartition("/")[0] for key in keys if key.endswith(".parquet")} == {f"{TRAINING}/data"}
    for key in keys:
        if key.endswith("/manifest.json"):
            for file in json.loads(delivered[key].body)["files"]:
                assert keys.index(file["key"]) < keys.index(key)
                assert delivered[file["key"]].modified_at < delivered[key].modified_at
