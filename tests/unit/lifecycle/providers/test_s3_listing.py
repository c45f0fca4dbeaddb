"""What a listing of S3 says on the wire, and what is made of its answers: as boto3 would, or an error."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from lifecycle.errors import ConditionFailed
from lifecycle.providers import ObjectState, S3Provider
from pipelines.domain.configuration import Endpoint
from pipelines.errors import Terminal, Transient
from tests.fakes.s3_listing import ListedVersion, ListingServer
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import Canned, answering

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
ETAG = "<ETag>&quot;e1&quot;</ETag>"
MODIFIED = "<LastModified>2026-11-19T01:02:03.456Z</LastModified>"
AT = datetime(2026, 11, 19, 1, 2, 3)
KEYS = sorted([*HOSTILE_KEYS.values(), *CONTROL_KEYS.values(), "a+b", "%41", "100%25", " ", "+", "a&lt;b"])


@pytest.fixture(autouse=True)
def quick(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, and no pauses between the client's attempts."""
    del environment
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def page(*entries: str, about: str = "", kind: str = "ListBucketResult") -> Canned:
    head = f'<?xml version="1.0"?>\n<{kind} xmlns="{NAMESPACE}"><Name>bucket</Name>{about}'
    return Canned(f"{head}{''.join(entries)}</{kind}>".encode())


def entry(key: str, inside: str = f"{MODIFIED}{ETAG}<Size>3</Size>") -> str:
    return f"<Contents><Key>{key}</Key>{inside}</Contents>"


def current(*answers: Canned, prefix: str = "") -> list[ObjectState]:
    with answering(*answers) as server:
        return list(S3Provider(server.endpoints).list("bucket", prefix))


def versions(*answers: Canned) -> list[ObjectState]:
    with answering(*answers) as server:
        return list(S3Provider(server.endpoints).versions("bucket", ""))


def provider_of(server: ListingServer) -> S3Provider:
    return S3Provider((Endpoint(match="*", endpoint_url=server.url),))


def told_by_boto3(server: ListingServer, request: str, prefix: str) -> Iterator[ObjectState]:
    client: Any = boto3.client("s3", endpoint_url=server.url)
    pages = client.get_paginator(request)
    for answer in pages.paginate(Bucket="bucket", Prefix=prefix):
        entries = [
            entry for kind in ("Contents", "Versions", "DeleteMarkers") for entry in answer.get(kind, ())
        ]
        for found in entries:
            modified = found["LastModified"].astimezone(UTC).replace(tzinfo=None)
            state = ObjectState(
                found["Key"],
                found.get("ETag", "").strip('"'),
                found.get("Size", 0),
                modified,
                found.get("StorageClass", ""),
                found.get("VersionId"),
                is_current=found.get("IsLatest", True),
            )
            yield replace(state, is_delete_marker="ETag" not in found)


@pytest.mark.parametrize("prefix", ["", "a/", "/", "a/tab\t", "a/trailing ", "none/"])
def test_every_page_is_told_as_boto3_tells_it(prefix: str) -> None:
    rows = [ListedVersion(key, size_bytes=at) for at, key in enumerate([*KEYS, *map(str, range(2_100))])]
    with ListingServer(rows) as server:
        found = list(provider_of(server).list("bucket", prefix))
        assert found == list(told_by_boto3(server, "list_objects_v2", prefix))
    assert [state.key for state in found] == sorted(row.key for row in rows if row.key.startswith(prefix))


def test_every_version_and_marker_is_told_as_boto3_tells_it() -> None:
    rows = [
        row
        for at, key in enumerate([*KEYS, *map(str, range(600))])
        for row in (
            ListedVersion(key, f"m&{at}" if at % 2 else f"m{at}", None),
            ListedVersion(key, f"v{at}", at, is_latest=False),
        )
    ]
    rows = [replace(row, version_id=str(row.version_id).replace("&", "-")) for row in rows]
    with ListingServer(rows) as server:
        found = list(provider_of(server).versions("bucket", ""))
        by_boto3 = list(told_by_boto3(server, "list_object_versions", ""))
    assert len(found) == len(rows)
    order = [(state.key, state.version_id) for state in found]
    assert sorted(by_boto3, key=lambda state: order.index((state.key, state.version_id))) == found


def test_a_key_is_what_it_is_whether_the_server_encodes_it_or_not() -> None:
    plain = page(entry("a+b%20&lt;&#13;&amp;lt;&gt;"), about="<IsTruncated>false</IsTruncated>")
    encoded = page(entry("a%2Bb%2520+%3C"), about="<EncodingType>url</EncodingType>")
    assert [state.key for state in current(plain)] == ["a+b%20<\r&lt;>"]
    assert [state.key for state in current(encoded)] == ["a+b%20 <"]


def test_a_state_is_told_in_whole_seconds_of_utc_and_with_a_class() -> None:
    zoned = f"<LastModified>2026-11-19T03:02:03.999+02:00</LastModified>{ETAG}<Size>3</Size>"
    cold = f"{MODIFIED}<ETag>&quot;e&amp;2&quot;</ETag><Size>0</Size><StorageClass>GLACIER</StorageClass>"
    bare = f"{MODIFIED}<ETag>e3</ETag><Size>1</Size><StorageClass></StorageClass>"
    found = current(page(entry("a"), entry("b", zoned), entry("c", cold), entry("d", bare)))
    assert found == [
        ObjectState("a", "e1", 3, AT, "STANDARD"),
        ObjectState("b", "e1", 3, AT, "STANDARD"),
        ObjectState("c", "e&2", 0, AT, "GLACIER"),
        ObjectState("d", "e3", 1, AT, "STANDARD"),
    ]


def test_the_request_names_the_prefix_and_goes_on_where_the_page_says() -> None:
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b+c</NextContinuationToken>"
    with answering(page(entry("x"), about=more), page(entry("y"))) as server:
        found = list(S3Provider(server.endpoints).list("bucket", "a b/%/ü"))
    assert [state.key for state in found] == ["x", "y"]
    first, second = (path for _, path, _, _ in server.asked)
    assert "list-type=2" in first
    assert "prefix=a%20b%2F%25%2F%C3%BC" in first
    assert "continuation-token=a%26b%2Bc" in second


@pytest.mark.parametrize(
    "about",
    [
        "<IsTruncated>true</IsTruncated>",
        "<IsTruncated>true</IsTruncated><NextKeyMarker>%ff</NextKeyMarker><EncodingType>url</EncodingType>",
    ],
    ids=["nowhere", "no text"],
)
def test_a_page_that_is_not_the_last_and_says_not_what_follows_is_no_listing(about: str) -> None:
    with pytest.raises(Terminal, match="not S3's"):
        current(page(entry("a"), about=about))


def test_a_listing_that_goes_round_in_circles_ends() -> None:
    again = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    with pytest.raises(Terminal, match="not S3's"):
        current(page(entry("a"), about=again))


@pytest.mark.parametrize(
    "inside",
    [
        f"{MODIFIED}<Size>3</Size>",
        f"{ETAG}<Size>3</Size>",
        f"{MODIFIED}{ETAG}",
        f"{MODIFIED}{ETAG}<Size>many</Size>",
        f"<LastModified>yesterday</LastModified>{ETAG}<Size>3</Size>",
        f"<LastModified>2026-11-19T01:02:03</LastModified>{ETAG}<Size>3</Size>",
    ],
    ids=["no ETag", "no time", "no size", "a word for a size", "a word for a time", "a time without a zone"],
)
def test_a_row_that_lacks_something_is_an_error_and_not_left_out(inside: str) -> None:
    with pytest.raises(Terminal, match="not S3's"):
        current(page(entry("a"), entry("b", inside)))
    with pytest.raises(Terminal, match="not S3's"):
        current(page(entry("a", inside)))


@pytest.mark.parametrize(
    "row",
    [
        f"<Contents>{MODIFIED}{ETAG}<Size>3</Size></Contents>",
        f"<Contents><Key/>{MODIFIED}{ETAG}<Size>3</Size></Contents>",
        f'<Contents><Key type="x">b</Key>{MODIFIED}{ETAG}<Size>3</Size></Contents>',
        f'<Contents id="1"><Key>b</Key>{MODIFIED}{ETAG}<Size>3</Size></Contents>',
    ],
    ids=["no key", "an empty key", "a key with an attribute", "a row with an attribute"],
)
def test_a_row_that_nobody_can_read_is_an_error_and_not_left_out(row: str) -> None:
    for entries in ([entry("a"), row], [row, entry("a")], [row]):
        with pytest.raises(Terminal, match="not S3's"):
            current(page(*entries))


def test_a_marker_that_has_no_version_is_an_error() -> None:
    marker = f"<DeleteMarker><Key>a</Key><IsLatest>true</IsLatest>{MODIFIED}</DeleteMarker>"
    with pytest.raises(Terminal, match="not S3's"):
        versions(page(marker, kind="ListVersionsResult"))


@pytest.mark.parametrize(
    "answer, error",
    [
        (Canned(b"<html>hello</html>"), Terminal),
        (Canned(b'<ListBucketResult xmlns="x"><Contents><Key>a</Key>'), (Terminal, Transient)),
        (Canned(b"<Error><Code>InternalError</Code></Error>"), Transient),
        (Canned(b"<Error><Code>SlowDown</Code></Error>", 503), Transient),
        (Canned(b"<Error><Code>AccessDenied</Code></Error>", 403), Terminal),
        (Canned(b"<Error><Code>NoSuchBucket</Code></Error>", 404), Terminal),
        (Canned(b""), Terminal),
    ],
    ids=["a web page", "cut", "an error that says 200", "busy", "denied", "no bucket", "nothing"],
)
def test_what_is_no_whole_listing_is_an_error_and_not_an_empty_bucket(
    answer: Canned, error: type[Exception]
) -> None:
    with pytest.raises(error):
        current(answer)


def test_the_client_asks_again_by_itself() -> None:
    slow = Canned(b"<Error><Code>SlowDown</Code></Error>", 503)
    assert [state.key for state in current(slow, page(entry("a")))] == ["a"]


def test_what_the_way_back_is_told_of_is_the_key_itself() -> None:
    def row(key: str) -> str:
        about = "<VersionId>v</VersionId><IsLatest>true</IsLatest>"
        return f"<Version><Key>{key}</Key>{about}{MODIFIED}{ETAG}<Size>1</Size></Version>"

    with answering(page(row("a"), row("a/b"), kind="ListVersionsResult")) as server:
        # Something lives there again: nothing is removed.
        with pytest.raises(ConditionFailed):
            S3Provider(server.endpoints).restore("bucket", "a", "m1")
        assert [method for method, *_ in server.asked] == ["GET"]
