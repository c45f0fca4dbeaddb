"""Listings of S3 as states of objects. A listing that cannot be read to its end is an error, never short."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING

from lifecycle.providers.protocol import ObjectState
from pipelines.stores.s3 import explained
from pipelines.stores.s3_pages import VERSIONS, S3Page, no_listing, plain_text, read_page

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_Cursor = Mapping[str, str]
_QUOTE = b"&quot;"


def listed(client: "S3Client", request: str, bucket: str, prefix: str) -> Iterator[ObjectState]:
    """Yield what lies below a prefix, page by page; `request` says whether versions are wanted.

    Raises:
        Transient: the store does not answer.
        Terminal: it refuses, or what it says is no listing, or no whole one.
    """
    cursor: _Cursor | None = {}
    with explained(f"s3://{bucket}/{prefix}"):
        while cursor is not None:
            found, following = _page(client, request, (bucket, prefix), cursor)
            yield from found
            cursor = following


def versions_of(client: "S3Client", bucket: str, key: str) -> list[ObjectState]:
    """Return the versions of one key, as far as one page has them; it comes before all that begin like it.

    Raises:
        Terminal: what the store says is no listing.
        ClientError: the store's own answer.
    """
    found, _ = _page(client, VERSIONS, (bucket, key), {})
    return [version for version in found if version.key == key]


def _page(
    client: "S3Client", request: str, place: tuple[str, str], cursor: _Cursor
) -> tuple[list[ObjectState], _Cursor | None]:
    page = read_page(client, request, place, cursor)
    try:
        found, following = list(_states(page)), page.following
    except (LookupError, TypeError, ValueError) as error:
        raise no_listing(*place) from error
    if following == cursor:
        # It would never end.
        raise no_listing(*place)
    return found, following


def _states(page: S3Page) -> Iterator[ObjectState]:
    fields = (page.columns.get(name) or repeat(None) for name in (b"LastModified", b"ETag", b"Size"))
    more = (page.columns.get(name) or repeat(None) for name in (b"StorageClass", b"VersionId", b"IsLatest"))
    rows = zip(page.elements, page.keys, *fields, *more, strict=False)
    for element, key, modified, etag, size, storage_class, version, latest in rows:
        is_marker = element == b"DeleteMarker"
        if not (key and modified) or (is_marker and not (version and latest)):
            raise ValueError(key)
        yield ObjectState(
            page.key(key),
            "" if is_marker else _etag(etag),
            0 if is_marker else int(size or b""),
            _moment(modified.decode()),
            "" if is_marker else (storage_class or b"STANDARD").decode(),
            plain_text(version) if version else None,
            is_current=latest in (None, b"true"),
            is_delete_marker=is_marker,
        )


def _etag(text: bytes | None) -> str:
    if text is None:
        raise ValueError(text)
    inside = text.removeprefix(_QUOTE).removesuffix(_QUOTE)
    return inside.decode() if b"&" not in inside and b'"' not in inside else plain_text(text).strip('"')


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # A listing may know milliseconds where HEAD knows seconds.
    return moment.replace(tzinfo=None, microsecond=0)
