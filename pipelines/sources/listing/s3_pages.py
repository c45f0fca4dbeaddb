"""A page of an S3 listing: XML in, columns out. Pure.

A regular expression instead of an XML parser: a page is flat, its elements are known, and no text holds a
`<`. It takes a quarter of the time of the fastest parser, and keeps characters of a key that XML forbids.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

import pyarrow as pa

from pipelines.sources.listing.protocol import Cursor, Page, Probe

SCHEMA = pa.schema(
    [
        ("element", pa.string()),
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("is_latest", pa.string()),
        ("last_modified", pa.string()),
        ("etag", pa.string()),
        ("size", pa.string()),
        ("storage_class", pa.string()),
        ("is_encoded", pa.bool_()),
    ]
)

_ROWS = (b"Contents", b"Version", b"DeleteMarker")
_FIELDS = (b"Key", b"VersionId", b"IsLatest", b"LastModified", b"ETag", b"Size", b"StorageClass")
_ABOUT = (b"IsTruncated", b"EncodingType", b"NextContinuationToken", b"NextKeyMarker", b"NextVersionIdMarker")
_ELEMENT = b"Element"


def _texts(names: Iterable[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"<(%s)>([^<]*)" % b"|".join(names))


_ABOUT_PAGE = _texts(_ABOUT)
_OF_ROWS = _texts((*_ROWS, *_FIELDS))
_FIRST_ROW = re.compile(b"<(%s)>(.*?)</\\1>" % b"|".join(_ROWS), re.DOTALL)
_ENTITY = re.compile(r"&(?:#(\d+)|#[xX]([0-9a-fA-F]+)|(\w+));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LATE = 0.75

_Columns = Mapping[bytes, Sequence[bytes | None]]


@dataclass(frozen=True, slots=True)
class S3Page:
    """What one answer of ListObjectsV2 or ListObjectVersions holds."""

    elements: Sequence[bytes]
    """What each row is; rows are in key order, but some servers put delete markers behind all versions."""
    keys: Sequence[bytes]
    columns: _Columns
    """The other fields."""
    about: Mapping[bytes, bytes]

    @property
    def is_encoded(self) -> bool:
        """The server did encode keys, as it was asked to."""
        return self.about.get(b"EncodingType") == b"url"

    @property
    def following(self) -> Cursor | None:
        """Where the next page begins."""
        if self.about.get(b"IsTruncated") != b"true":
            return None
        if b"NextContinuationToken" in self.about:
            return {"ContinuationToken": plain_text(self.about[b"NextContinuationToken"])}
        cursor = {"KeyMarker": self._key(self.about[b"NextKeyMarker"])}
        version = plain_text(self.about.get(b"NextVersionIdMarker", b""))
        return {**cursor, "VersionIdMarker": version} if version else cursor

    def until(self, last: str | None) -> Page:
        """Return the rows whose key is not after `last`."""
        probe = self._probe()
        if last is None or probe.last <= last:
            # A page that ends with the range's last key may leave versions of it to the next.
            return Page(self._batch(), probe, self.following)
        inside = pa.array([self._key(key) <= last for key in self.keys], pa.bool_())
        return Page(self._batch().filter(inside), probe, None)

    def _probe(self) -> Probe:
        if not self.keys:
            return Probe(None, is_end=self.following is None)
        first = min(self._key(key) for key in self._ends(-1))
        last = max(self._key(key) for key in self._ends(1))
        late = int(len(self.keys) * _LATE)
        return Probe(
            first,
            late=min(self._key(self.keys[late]), last),
            late_count=len(self.keys) - late - 1,
            last=last,
            count=len(self.keys),
            is_end=self.following is None,
        )

    def _ends(self, step: int) -> Iterable[bytes]:
        """Return the last key of each kind of row, or with a step of -1 the first."""
        return dict(zip(self.elements[::step], self.keys[::step], strict=True)).values()

    def _key(self, text: bytes) -> str:
        return unquote_plus(text.decode(), errors="strict") if self.is_encoded else plain_text(text)

    def _batch(self) -> pa.RecordBatch:
        keys = self.keys if self.is_encoded else [plain_text(key) for key in self.keys]
        nothing = [None] * len(keys)
        texts = (self.elements, keys, *(self.columns.get(name, nothing) for name in _FIELDS[1:]))
        encoded = pa.array([self.is_encoded] * len(keys), pa.bool_())
        return pa.RecordBatch.from_arrays(
            [*(pa.array(column, pa.string()) for column in texts), encoded], schema=SCHEMA
        )


def parse_s3_page(body: bytes) -> S3Page:
    """Return what a whole answer holds."""
    first = _FIRST_ROW.search(body)
    if first is None:
        return S3Page((), (), {}, dict(_ABOUT_PAGE.findall(body)))
    end = max(body.rfind(b"</%s>" % row) for row in _ROWS)
    about = dict(_ABOUT_PAGE.findall(body[: first.start()] + body[end:]))
    elements, columns = _alike(body, first) or _different(body[first.start() :])
    keys = [key or b"" for key in columns[b"Key"]]
    return S3Page(elements, keys, columns, about)


def plain_text(text: bytes) -> str:
    """Return the text of an XML element, with its entities resolved."""
    return _ENTITY.sub(_resolved, text.decode()) if b"&" in text else text.decode()


def _alike(body: bytes, first: re.Match[bytes]) -> tuple[Sequence[bytes], _Columns] | None:
    """Return the columns of rows that are all made as the first one is; None where they are not."""
    element, row = first.groups()
    names = tuple(name for name, _ in _OF_ROWS.findall(row))
    rows = _row_pattern(element, names).findall(body)
    if len(names) < 2 or len(rows) != body.count(b"<Key>"):
        return None
    return [element] * len(rows), dict(zip(names, zip(*rows, strict=True), strict=True))


@lru_cache(maxsize=64)
def _row_pattern(element: bytes, names: Sequence[bytes]) -> re.Pattern[bytes]:
    # What else a row may hold stands between its fields, but no other row does.
    others = b"[^<]*(?:<(?!(?:%s)>)[^<]*)*" % b"|".join((b"/" + element, *_ROWS, *_FIELDS))
    fields = b"".join(b"<%s>([^<]*)</%s>%s" % (name, name, others) for name in names)
    return re.compile(b"<%s>%s%s</%s>" % (element, others, fields, element))


def _different(body: bytes) -> tuple[Sequence[bytes], _Columns]:
    rows: list[dict[bytes, bytes]] = []
    for name, text in _OF_ROWS.findall(body):
        if name in _ROWS:
            rows.append({_ELEMENT: name})
        else:
            rows[-1][name] = text
    columns = {name: [row.get(name) for row in rows] for name in _FIELDS}
    return [row[_ELEMENT] for row in rows], columns


def _resolved(entity: re.Match[str]) -> str:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return _NAMED.get(name, entity.group())
    return chr(int(decimal) if decimal else int(hexadecimal, 16))
