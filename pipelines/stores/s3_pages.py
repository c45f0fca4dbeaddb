"""A page of an S3 listing, asked for through boto3 and read without it.

Credentials, signing, retries, redirects and connections are boto3's own. Its reading of an answer costs about
ten times as much as everything else, so a whole answer is taken out just before it is read.

A regular expression instead of an XML parser: a page is flat, its elements are known, and no text holds a
`<`. It takes a quarter of the time of the fastest parser, and keeps characters of a key that XML forbids.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_plus

from pipelines.errors import Terminal

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

CURRENT = "ListObjectsV2"
VERSIONS = "ListObjectVersions"
"""The two ways to list, by the name of their request."""
PAGE_ROWS = 1000
"""S3 answers with at most so many rows."""
ROWS = (b"Contents", b"Version", b"DeleteMarker")
"""What a row may be."""
FIELDS = (b"Key", b"VersionId", b"IsLatest", b"LastModified", b"ETag", b"Size", b"StorageClass")
"""What of a row is read."""

_ENDS = {CURRENT: b"</ListBucketResult>", VERSIONS: b"</ListVersionsResult>"}
_STARTS = {CURRENT: b"<ListBucketResult", VERSIONS: b"<ListVersionsResult"}
_OPENING_BYTES = 256
_BODY = "MoraineBody"
_ABOUT = (b"IsTruncated", b"EncodingType", b"NextContinuationToken", b"NextKeyMarker", b"NextVersionIdMarker")
_ELEMENT = b"Element"


def _texts(names: Iterable[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"<(%s)>([^<]*)" % b"|".join(names))


_ABOUT_PAGE = _texts(_ABOUT)
_OF_ROWS = _texts((*ROWS, *FIELDS))
_FIRST_ROW = re.compile(b"<(%s)>(.*?)</\\1>" % b"|".join(ROWS), re.DOTALL)
_ENTITY = re.compile(r"&(?:#(\d+)|#[xX]([0-9a-fA-F]+)|(\w+));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

Columns = Mapping[bytes, Sequence[bytes | None]]
"""The texts of each field, row by row; None where a row has none."""


@dataclass(frozen=True, slots=True)
class S3Page:
    """What one answer of ListObjectsV2 or ListObjectVersions holds."""

    elements: Sequence[bytes]
    """What each row is; rows are in key order, but some servers put delete markers behind all versions."""
    keys: Sequence[bytes]
    columns: Columns
    """The other fields."""
    about: Mapping[bytes, bytes]

    @property
    def is_encoded(self) -> bool:
        """The server did encode keys, as it was asked to."""
        return self.about.get(b"EncodingType") == b"url"

    @property
    def following(self) -> Mapping[str, str] | None:
        """Where the next page begins; None behind the last one.

        Raises:
            KeyError: the store says that more follows, and not where.
        """
        if self.about.get(b"IsTruncated") != b"true":
            return None
        if b"NextContinuationToken" in self.about:
            return {"ContinuationToken": plain_text(self.about[b"NextContinuationToken"])}
        cursor = {"KeyMarker": self.key(self.about[b"NextKeyMarker"])}
        version = plain_text(self.about.get(b"NextVersionIdMarker", b""))
        return {**cursor, "VersionIdMarker": version} if version else cursor

    def key(self, text: bytes) -> str:
        """Return a key of this page as it is called."""
        if not self.is_encoded:
            return plain_text(text)
        is_plain = b"%" not in text and b"+" not in text
        return text.decode() if is_plain else unquote_plus(text.decode(), errors="strict")


def leave_unread(client: "S3Client") -> None:
    """Let a client hand its listings out unread; from then on, list with `read_page` only."""
    # Handlers of the widest pattern come first. Any later, and boto3 has parsed the whole answer once, to see
    # whether an error hides in it.
    client.meta.events.register_first("before-parse.*.*", _take_body)


def read_page(
    client: "S3Client",
    request: str,
    place: tuple[str, str],
    cursor: Mapping[str, str],
    most: int = PAGE_ROWS,
) -> S3Page:
    """Return one page of what lies in a bucket below a prefix; texts of keys stay as the server wrote them.

    Raises:
        Terminal: what it says is no listing.
        ClientError, BotoCoreError: the client's own, see `explained`.
    """
    bucket, prefix = place
    asked: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": prefix,
        "MaxKeys": most,
        "EncodingType": "url",
        **cursor,
    }
    ask = client.list_objects_v2 if request == CURRENT else client.list_object_versions
    answer = cast("Mapping[str, bytes]", ask(**asked))
    body = answer.get(_BODY, b"")
    page = parse_s3_page(body)
    # A row in a form that nobody knows must not be left out without a word.
    if not body or len(page.keys) != body.count(b"</Key>"):
        raise no_listing(*place)
    return page


def no_listing(bucket: str, prefix: str) -> Terminal:
    """Return what to say of an answer that cannot be read as a listing."""
    return Terminal(
        "the store's answer to a listing is not S3's",
        where=f"s3://{bucket}/{prefix}",
        fix="Check 'endpoints:' in moraine.yaml: something else than S3 answers there.",
    )


def parse_s3_page(body: bytes) -> S3Page:
    """Return what a whole answer holds."""
    first = _FIRST_ROW.search(body)
    if first is None:
        return S3Page((), (), {}, dict(_ABOUT_PAGE.findall(body)))
    end = max(body.rfind(b"</%s>" % row) for row in ROWS)
    about = dict(_ABOUT_PAGE.findall(body[: first.start()] + body[end:]))
    elements, columns = _alike(body, first) or _different(body[first.start() :])
    keys = [key or b"" for key in columns[b"Key"]]
    return S3Page(elements, keys, columns, about)


def plain_text(text: bytes) -> str:
    """Return the text of an XML element, with its entities resolved."""
    return _ENTITY.sub(_resolved, text.decode()) if b"&" in text else text.decode()


def _take_body(
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    operation_model: "OperationModel",
    **_: object,
) -> None:
    """Keep a whole answer for ourselves; errors and broken answers are boto3's to explain or to try again."""
    name, body = operation_model.name, response_dict["body"]
    if name not in _ENDS or response_dict["status_code"] != HTTPStatus.OK:
        return
    if _STARTS[name] in body[:_OPENING_BYTES] and body.rstrip().endswith(_ENDS[name]):
        customized_response_dict[_BODY] = body
        response_dict["body"] = _STARTS[name] + b"/>"


def _alike(body: bytes, first: re.Match[bytes]) -> tuple[Sequence[bytes], Columns] | None:
    """Return the columns of rows that are all made as the first one is; None where they are not."""
    element, row = first.groups()
    names = tuple(name for name, _ in _OF_ROWS.findall(row))
    rows = _row_pattern(element, names).findall(body)
    if len(names) < 2 or b"Key" not in names or len(rows) != sum(body.count(b"<%s>" % name) for name in ROWS):
        return None
    return [element] * len(rows), dict(zip(names, zip(*rows, strict=True), strict=True))


@lru_cache(maxsize=64)
def _row_pattern(element: bytes, names: Sequence[bytes]) -> re.Pattern[bytes]:
    # What else a row may hold stands between its fields, but no other row does.
    others = b"[^<]*(?:<(?!(?:%s)>)[^<]*)*" % b"|".join((b"/" + element, *ROWS, *FIELDS))
    fields = b"".join(b"<%s>([^<]*)</%s>%s" % (name, name, others) for name in names)
    return re.compile(b"<%s>%s%s</%s>" % (element, others, fields, element))


def _different(body: bytes) -> tuple[Sequence[bytes], Columns]:
    rows: list[dict[bytes, bytes]] = []
    for name, text in _OF_ROWS.findall(body):
        if name in ROWS:
            rows.append({_ELEMENT: name})
        else:
            rows[-1][name] = text
    columns = {name: [row.get(name) for row in rows] for name in FIELDS}
    return [row[_ELEMENT] for row in rows], columns


def _resolved(entity: re.Match[str]) -> str:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return _NAMED.get(name, entity.group())
    return chr(int(decimal) if decimal else int(hexadecimal, 16))
