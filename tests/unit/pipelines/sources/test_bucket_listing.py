"""A bucket without an inventory: everything in it is listed, exactly, once, and by several at a time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow.parquet as pq
import pytest

from pipelines import sources
from pipelines.demo import make_company, running_endpoint
from pipelines.demo.datasets import BUCKET as VERSIONED
from pipelines.demo.objects import StoredObject, declare
from pipelines.demo.training import BUCKET as CURRENT
from pipelines.domain.configuration import Endpoint, Source
from pipelines.domain.deliveries import Delivery, Part
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.errors import MoraineError, Terminal, Transient
from pipelines.sources import bucket_listing
from pipelines.sources.listing.s3_pages import cut
from pipelines.stores.s3_pages import parse_s3_page, plain_text
from tests.fakes.gcs import Clock, GcsServer
from tests.fakes.s3_listing import ListedUpload, ListedVersion, ListingServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime.fromisoformat("2026-11-20T06:30:00")
HOSTILE = (
    "a b+c%2B&d=e;f",
    "../up/../../etc/passwd",
    "//double//slashes/",
    "100%",
    "%41 is not A",
    "quote\"s and 'ticks' and `more`",
    "line\nbreak\r\nand\ttab",
    "bell\x07 and \x1b escape and \x01",
    "<Key>not&amp;xml</Key>]]>",
    "ünïcödé/模型/\U0001f40b.pt",
    "\u2028line\ufeffbom\ufffe",
    "run-1/" + "x" * 1018,
    "模" * 341,
    ".",
    " ",
    "+",
)

Opened = Callable[..., sources.Place]
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have small buckets, and want several ranges all the same."""
    monkeypatch.setattr(bucket_listing, "WORTH_A_PART", 1_000)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 is asked again at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Return a function that opens a bucket at an address as a source called `scratch`."""

    def open_bucket(address: str, uri: str = "s3://scratch") -> sources.Place:
        source = Source(name="scratch", kind="bucket-listing", uri=uri)
        endpoints = (Endpoint(match="*", endpoint_url=address),)
        return sources.open_place(source, tmp_path, endpoints, tmp_path / "scratch")

    return open_bucket


@pytest.fixture
def converted(tmp_path: Path) -> Callable[[sources.Place, Delivery], Rows]:
    """Return a function that lists all ranges of a delivery, as many at a time as is advised."""

    def convert(place: sources.Place, delivery: Delivery) -> Rows:
        def one(index: int) -> Rows:
            into = Path(mkdtemp(dir=tmp_path))
            made = sources.convert(place, delivery, index, into)
            [file] = made.files
            table = pq.read_table(file)
            assert table.num_rows == made.row_count
            assert table.column_names == [name for name, _ in RAW_TABLES[delivery.table]]
            return table.to_pylist()  # type: ignore[no-any-return]

        with ThreadPoolExecutor(sources.at_once(delivery)) as pool:
            return [row for rows in pool.map(one, range(len(delivery.parts))) for row in rows]

    return convert


@pytest.fixture
def listed(converted: Callable[[sources.Place, Delivery], Rows]) -> Callable[[sources.Place], Rows]:
    """Return a function that finds and lists a bucket's objects, in key order."""

    def every_row(place: sources.Place) -> Rows:
        delivery = sources.find(place, NOW).deliveries[0]
        return sorted(converted(place, delivery), key=lambda row: str(row["object_key"]))

    return every_row


@pytest.fixture(scope="module")
def strict() -> Iterator["S3Client"]:
    """The embedded cloud, with more than a page of objects in one bucket and of versions in another."""
    company = replace(make_company(date(2026, 11, 19)), objects=tuple(filling()), uploads=())
    with running_endpoint(company) as endpoint:
        client = boto3.client(
            "s3",
            endpoint_url=endpoint.url,
            region_name="us-east-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )
        with closing(client):
            yield client


def filling() -> Iterator[StoredObject]:
    for at in range(1_100):
        yield declare(CURRENT, f"run/{at:04d}", at, NOW, storage_class="STANDARD_IA")
    for at in range(600):
        key = f"run/{at:04d} +%"
        for hour in range(2):
            written = declare(VERSIONED, key, at, NOW + timedelta(hours=hour))
            yield replace(written, version_id=f"v{at}.{hour}")
        if at % 10 == 0:
            deleted_at = NOW + timedelta(hours=5)
            yield StoredObject(VERSIONED, key, 0, deleted_at, "", version_id=f"d{at}", is_delete_marker=True)


def plain(keys: Iterable[str]) -> list[ListedVersion]:
    return [ListedVersion(key) for key in keys]


def test_a_listing_is_a_delivery_a_day_in_ranges_that_meet(opened: Opened) -> None:
    with ListingServer(plain(f"run/{at:05d}" for at in range(30_000))) as server:
        [delivery, uploads] = sources.find(opened(server.url), NOW).deliveries
    assert (delivery.table, delivery.scope, delivery.kind) == ("s3_inventory", "scratch", "bucket-listing")
    assert delivery.delivery_id.startswith("2026-11-20-")
    assert (delivery.snapshot_at, delivery.delivered_at) == (NOW, NOW)
    assert len(delivery.parts) > 4
    assert [part.until for part in delivery.parts] == [*(part.key for part in delivery.parts[1:]), None]
    assert Delivery.from_json(delivery.to_json()) == delivery
    assert uploads.table == "s3_uploads"


def test_the_same_bucket_gives_the_same_delivery_and_another_prefix_another(opened: Opened) -> None:
    with ListingServer(plain(f"run/{at:05d}" for at in range(9_000))) as server:
        first, again, other = (
            sources.find(opened(server.url, uri), NOW).deliveries[0]
            for uri in ("s3://scratch", "s3://scratch", "s3://scratch/run")
        )
    assert first == again
    assert first.delivery_id != other.delivery_id


def test_every_object_is_listed_once(opened: Opened, listed: Callable[..., Rows]) -> None:
    keys = sorted(f"runs/{at % 7}/step-{at:05d}.pt" for at in range(12_345))
    with ListingServer(plain(keys)) as server:
        rows = listed(opened(server.url))
    assert [row["object_key"] for row in rows] == keys
    assert rows[0] == {
        **dict.fromkeys((name for name, _ in RAW_TABLES["s3_inventory"]), None),
        "bucket": "scratch",
        "object_key": "runs/0/step-00000.pt",
        "directory": "runs/0/",
        "leaf": "step-00000.pt",
        "size_bytes": 1,
        "last_modified_at": datetime.fromisoformat("2026-11-19T01:02:03"),
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "storage_class": "STANDARD",
        "lists_versions": False,
        "snapshot_at": NOW,
    }


def test_an_empty_bucket_is_a_delivery_of_no_rows(opened: Opened, listed: Callable[..., Rows]) -> None:
    with ListingServer([]) as server:
        assert listed(opened(server.url)) == []


def test_a_prefix_is_all_that_is_listed(opened: Opened, listed: Callable[..., Rows]) -> None:
    with ListingServer(
        plain(f"{team}/{at:05d}" for team in ("a", "b", "b2") for at in range(2_500))
    ) as server:
        rows = listed(opened(server.url, "s3://scratch/b"))
    assert {row["directory"] for row in rows} == {"b/"}
    assert len(rows) == 2_500


@pytest.mark.parametrize("version_id", [None, "v1"])
def test_every_legal_key_comes_back_exactly(
    opened: Opened, listed: Callable[..., Rows], version_id: str | None
) -> None:
    keys = [
        *HOSTILE,
        *(f"{key}/{at:03d}" for key in HOSTILE if len(key.encode()) < 1000 for at in range(400)),
    ]
    rows_of = [ListedVersion(key, version_id) for key in keys]
    with ListingServer(rows_of, versioning="Enabled" if version_id else "") as server:
        rows = listed(opened(server.url))
    assert [row["object_key"] for row in rows] == sorted(keys)
    assert all(row["directory"] + row["leaf"] == row["object_key"] for row in rows)
    assert not any("/" in row["leaf"] for row in rows)


def test_versions_and_delete_markers_of_a_key_stay_together(
    opened: Opened, listed: Callable[..., Rows]
) -> None:
    def history(key: str, count: int) -> list[ListedVersion]:
        marker = ListedVersion(key, "marker", None)
        return [marker, *(ListedVersion(key, f"v{at:04d}", 7, is_latest=False) for at in range(count))]

    # More versions of one key than there are rows on two pages.
    rows_of = [*history("busy", 2_500), *(row for at in range(3_000) for row in history(f"calm/{at:04d}", 1))]
    with ListingServer(rows_of, versioning="Suspended") as server:
        rows = listed(opened(server.url))
    found = sorted((row["object_key"], row["version_id"]) for row in rows)
    assert found == sorted((row.key, row.version_id) for row in rows_of)
    marker = next(row for row in rows if row["version_id"] == "marker")
    assert (marker["is_delete_marker"], marker["is_latest"], marker["lists_versions"]) == (True, True, True)
    assert marker["size_bytes"] is marker["etag"] is marker["storage_class"] is None
    version = next(row for row in rows if row["version_id"] == "v0000")
    assert (version["is_delete_marker"], version["is_latest"], version["size_bytes"]) == (False, False, 7)


def test_a_range_that_ends_with_a_key_has_all_versions_of_it(
    opened: Opened, converted: Callable[..., Rows]
) -> None:
    rows_of = [ListedVersion("busy", f"v{at:04d}") for at in range(2_500)]
    with ListingServer([*rows_of, ListedVersion("calm", "v")], versioning="Enabled") as server:
        place = opened(server.url)
        [delivery, _] = sources.find(place, NOW).deliveries
        ranges = (Part("", until="busy"), Part("busy"))
        before, after = (converted(place, replace(delivery, parts=(part,))) for part in ranges)
    assert {row["version_id"] for row in before} == {row.version_id for row in rows_of}
    assert len(before) == 2_500
    assert [row["object_key"] for row in after] == ["calm"]


def test_what_was_written_before_versioning_has_no_version_id(
    opened: Opened, listed: Callable[..., Rows]
) -> None:
    with ListingServer([ListedVersion("old", "null")], versioning="Enabled") as server:
        [row] = listed(opened(server.url))
    assert (row["version_id"], row["is_latest"]) == (None, True)


def test_it_agrees_with_boto3_about_the_embedded_endpoint(
    strict: "S3Client", opened: Opened, listed: Callable[..., Rows]
) -> None:
    # What XML forbids cannot be compared: this endpoint lists it, and boto3 cannot read it.
    for key in (key for key in HOSTILE if key.isprintable()):
        strict.put_object(Bucket=CURRENT, Key=key, Body=b"x")
    pages = strict.get_paginator("list_objects_v2").paginate(Bucket=CURRENT)
    said = [entry for page in pages for entry in page["Contents"]]
    rows = listed(opened(strict.meta.endpoint_url, f"s3://{CURRENT}"))
    assert [as_boto3(row) for row in rows] == sorted(
        (one["Key"], None, one["Size"], one["LastModified"], one["ETag"].strip('"'), one["StorageClass"])
        for one in said
    )


def test_it_agrees_with_boto3_about_versions_in_the_embedded_endpoint(
    strict: "S3Client", opened: Opened, listed: Callable[..., Rows]
) -> None:
    pages = list(strict.get_paginator("list_object_versions").paginate(Bucket=VERSIONED))
    versions = [entry for page in pages for entry in page.get("Versions", [])]
    markers = [entry for page in pages for entry in page.get("DeleteMarkers", [])]
    rows = listed(opened(strict.meta.endpoint_url, f"s3://{VERSIONED}"))
    assert len(rows) == 1_260
    assert sorted(as_boto3(row) for row in rows if not row["is_delete_marker"]) == sorted(
        (
            one["Key"],
            one["VersionId"],
            one["Size"],
            one["LastModified"],
            one["ETag"].strip('"'),
            one["StorageClass"],
        )
        for one in versions
    )
    assert {row["version_id"] for row in rows if row["is_delete_marker"]} == {
        one["VersionId"] for one in markers
    }
    latest = {one["VersionId"] for one in (*versions, *markers) if one["IsLatest"]}
    assert {row["version_id"] for row in rows if row["is_latest"]} == latest


def as_boto3(row: dict[str, Any]) -> tuple[object, ...]:
    modified = row["last_modified_at"].replace(tzinfo=UTC)
    return (
        row["object_key"],
        row["version_id"],
        row["size_bytes"],
        modified,
        row["etag"],
        row["storage_class"],
    )


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("fault", [500, 503, "reset", "hidden", "cut"])
def test_a_store_that_fails_now_and_then_is_asked_again(
    opened: Opened, listed: Callable[..., Rows], fault: int | str
) -> None:
    with ListingServer(plain(f"run/{at:05d}" for at in range(5_500))) as server:
        # One is met while planning, the other while listing.
        server.faults = [200, 200, fault, 200, 200, 200, 200, 200, fault]
        rows = listed(opened(server.url))
    assert len(rows) == 5_500
    assert not server.faults


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "status, kind, what",
    [
        (403, Terminal, "refused the request"),
        (503, Transient, "busy"),
        (400, Terminal, "another region"),
    ],
)
def test_a_store_that_refuses_says_why(
    opened: Opened, status: int, kind: type[MoraineError], what: str
) -> None:
    with ListingServer(plain(["a"])) as server:
        server.faults = [status] * 40
        with pytest.raises(kind, match=what) as raised:
            sources.find(opened(server.url), NOW)
    assert raised.value.where.startswith("s3://scratch")


@pytest.mark.usefixtures("no_pauses")
def test_a_store_that_fails_halfway_gives_no_file(opened: Opened, tmp_path: Path) -> None:
    with ListingServer(plain(f"run/{at:05d}" for at in range(3_500))) as server:
        place = opened(server.url)
        [delivery, _] = sources.find(place, NOW).deliveries
        server.refused = {"continuation-token": 503}
        with pytest.raises(Transient, match="busy"):
            sources.convert(place, delivery, 0, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_bucket_that_is_not_there_is_an_error(strict: "S3Client", opened: Opened) -> None:
    with pytest.raises(Terminal, match="bucket does not exist"):
        sources.find(opened(strict.meta.endpoint_url, "s3://no-such-bucket"), NOW)


def test_versions_that_may_not_be_listed_are_a_warning(opened: Opened, listed: Callable[..., Rows]) -> None:
    with ListingServer(plain(["a"]), versioning="Enabled") as server:
        server.refused = {"versions": 403}
        place = opened(server.url)
        [warning] = sources.find(place, NOW).warnings
        assert "s3:ListBucketVersions" in warning
        [row] = listed(place)
    assert (row["object_key"], row["lists_versions"]) == ("a", False)


def test_a_bucket_that_does_not_say_whether_it_has_versions_is_listed_with_them(
    opened: Opened, listed: Callable[..., Rows]
) -> None:
    with ListingServer([ListedVersion("a", "v1")]) as server:
        server.refused = {"versioning": 403}
        place = opened(server.url)
        assert sources.find(place, NOW).warnings == ()
        [row] = listed(place)
    assert (row["version_id"], row["lists_versions"]) == ("v1", True)


def test_only_a_bucket_can_be_listed(tmp_path: Path) -> None:
    source = Source(name="scratch", kind="bucket-listing", uri=str(tmp_path))
    with pytest.raises(Terminal, match="only a bucket"):
        sources.find(sources.open_place(source, tmp_path, (), tmp_path), NOW)


def test_open_uploads_come_from_every_page_with_every_part(
    opened: Opened, converted: Callable[..., Rows]
) -> None:
    uploads = [
        ListedUpload(f"{key}/{at}", f"id-{at}", (5,) * at) for key in ("a b+%", "ü\x01") for at in range(4)
    ]
    with ListingServer([]) as server:
        server.uploads = [replace(each, upload_id=f"id{at}") for at, each in enumerate(uploads)]
        server.most_uploads = 3
        place = opened(server.url)
        [_, delivery] = sources.find(place, NOW).deliveries
    rows = converted(place, delivery)
    found = sorted((row["object_key"], row["part_count"], row["size_bytes"]) for row in rows)
    assert found == sorted((each.key, len(each.part_sizes), sum(each.part_sizes)) for each in uploads)


def test_entities_are_resolved_where_a_server_does_not_encode() -> None:
    assert plain_text(b"a&amp;lt;&lt;&#13;&#x1F40B;&quot;&apos;&gt;") == "a&lt;<\r\U0001f40b\"'>"


def test_the_order_of_elements_does_not_matter() -> None:
    answer = parse_s3_page(
        b"<ListVersionsResult><DeleteMarker><IsLatest>true</IsLatest><VersionId>m</VersionId><Key>b</Key>"
        b"</DeleteMarker>\n <Version>\n  <Size>3</Size><VersionId>v</VersionId><Key>a</Key></Version>"
        b"<NextVersionIdMarker>m</NextVersionIdMarker><NextKeyMarker>b</NextKeyMarker>"
        b"<IsTruncated>true</IsTruncated></ListVersionsResult>"
    )
    page = cut(answer, None)
    assert page.rows.to_pydict()["key"] == ["b", "a"]
    assert page.rows.to_pydict()["size"] == [None, "3"]
    assert (page.probe.first, page.probe.last) == ("a", "b")
    assert page.following == {"KeyMarker": "b", "VersionIdMarker": "m"}


@pytest.fixture
def gcs() -> Iterator[GcsServer]:
    with GcsServer(Clock(datetime(2026, 11, 19, tzinfo=UTC))) as server:
        yield server


def test_a_bucket_of_cloud_storage_is_listed_with_every_generation(
    gcs: GcsServer, opened: Opened, listed: Callable[..., Rows]
) -> None:
    gcs.add_bucket("scratch", versioning={"enabled": True})
    gcs.routes.listing.most_per_page = 50
    names = [
        *(name for name in HOSTILE if "\n" not in name and name != "."),
        *(f"run/{at:04d}" for at in range(700)),
    ]
    for name in names:
        gcs.put("scratch", name, b"x")
    gcs.put("scratch", "run/0007", b"newer")
    rows = listed(opened(gcs.url, "gs://scratch"))
    client = gcs.client()
    with closing(client):
        said = sorted(
            (one.name, one.generation, one.size) for one in client.list_blobs("scratch", versions=True)
        )
    assert sorted((row["object_key"], row["generation"], row["size_bytes"]) for row in rows) == said
    assert len(rows) == len(names) + 1
    [old] = [row for row in rows if row["deleted_at"] is not None]
    assert (old["object_key"], old["directory"], old["leaf"]) == ("run/0007", "run/", "0007")
    assert (old["bucket"], old["storage_class"], old["snapshot_at"]) == ("scratch", "STANDARD", NOW)


def test_a_range_of_cloud_storage_that_begins_after_a_key_lacks_it(
    gcs: GcsServer, opened: Opened, converted: Callable[..., Rows]
) -> None:
    gcs.add_bucket("scratch")
    for name in ("a", "b", "c"):
        gcs.put("scratch", name, b"x")
    place = opened(gcs.url, "gs://scratch")
    [delivery] = sources.find(place, NOW).deliveries
    rows = converted(place, replace(delivery, parts=(Part("", until="b"), Part("b"))))
    assert [row["object_key"] for row in rows] == ["a", "b", "c"]


def test_what_was_deleted_and_can_be_restored_is_listed_too(
    gcs: GcsServer, opened: Opened, listed: Callable[..., Rows]
) -> None:
    gcs.add_bucket("scratch", softDeletePolicy={"retentionDurationSeconds": "604800"})
    gcs.routes.listing.most_per_page = 20
    for at in range(300):
        gcs.put("scratch", f"run/{at:03d}", b"xy")
    with closing(gcs.client()) as client:
        for at in range(0, 300, 3):
            client.bucket("scratch").blob(f"run/{at:03d}").delete()
    rows = listed(opened(gcs.url, "gs://scratch"))
    deleted = [row["object_key"] for row in rows if row["soft_deleted_at"] is not None]
    assert deleted == [f"run/{at:03d}" for at in range(0, 300, 3)]
    assert len({row["object_key"] for row in rows}) == len(rows) == 300
    assert all(row["hard_deleted_at"] is not None for row in rows if row["soft_deleted_at"])


def test_a_bucket_of_cloud_storage_that_refuses_is_an_error(gcs: GcsServer, opened: Opened) -> None:
    gcs.add_bucket("scratch")
    gcs.fail_next("GET", lambda _: True, 403, times=None)
    with pytest.raises(Terminal, match="refused the request"):
        sources.find(opened(gcs.url, "gs://scratch"), NOW)
