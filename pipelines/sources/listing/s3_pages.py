"""A page of an S3 listing: XML in, columns out. Pure.

A regular expression instead of an XML parser: a page is flat, its elements are known, and no text holds a
`<`. It takes a quarter of the time of the fastest parser, and keeps characters of a key that XML forbids.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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

_ROWS = frozenset({b"Contents", b"Version", b"DeleteMarker"})
_FIELDS = (b"Key", b"VersionId", b"IsLatest", b"LastModified", b"ETag", b"Size", b"StorageClass")
_ABOUT = (b"IsTruncated", b"EncodingType", b"NextContinuationToken", b"NextKeyMarker", b"NextVersionIdMarker")
_ELEMENTS = re.compile(b"<(%s)>([^<]*)" % b"|".join([*_ROWS, *_FIELDS, *_ABOUT]))
_ENTITY = re.compile(r"&(?:#(\d+)|#[xX]([0-9a-fA-F]+)|(\w+));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LATE = 0.75

_Row = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class S3Page:
    """What one answer of ListObjectsV2 or ListObjectVersions holds."""

    rows: list[_Row]
    """In key order among each kind of element; some servers put delete markers last."""
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
            return Page(self._batch(self.rows), probe, self.following)
        return Page(self._batch([row for row in self.rows if self._key(row[b"Key"]) <= last]), probe, None)

    def _probe(self) -> Probe:
        if not self.rows:
            return Probe(None, is_end=self.following is None)
        first = min(self._key(row[b"Key"]) for row in self._ends(0))
        last = max(self._key(row[b"Key"]) for row in self._ends(-1))
        late = int(len(self.rows) * _LATE)
        return Probe(
            first,
            late=min(self._key(self.rows[late][b"Key"]), last),
            last=last,
            late_count=len(self.rows) - late - 1,
            count=len(self.rows),
            is_end=self.following is None,
        )

    def _ends(self, place: int) -> list[_Row]:
        kinds: dict[bytes, _Row] = {}
        for row in reversed(self.rows) if place == 0 else self.rows:
            kinds[row[b"element"]] = row
        return list(kinds.values())

    def _key(self, text: bytes) -> str:
        return unquote_plus(text.decode(), errors="strict") if self.is_encoded else plain_text(text)

    def _batch(self, rows: list[_Row]) -> pa.RecordBatch:
        keys = [row[b"Key"] if self.is_encoded else plain_text(row[b"Key"]) for row in rows]
        others = [[row.get(name) for row in rows] for name in (b"element", *_FIELDS[1:])]
        element, *values = [pa.array(column, pa.string()) for column in others]
        encoded = pa.array([self.is_encoded] * len(rows), pa.bool_())
        return pa.RecordBatch.from_arrays(
            [element, pa.array(keys, pa.string()), *values, encoded], schema=SCHEMA
        )


def parse_s3_page(body: bytes) -> S3Page:
    """Return what a whole answer holds."""
    found = _ELEMENTS.findall(body)
    rows: list[_Row] = []
    row: _Row = {}
    for name, text in found:
        if name in _ROWS:
            row = {b"element": name}
            rows.append(row)
        else:
            row[name] = text
    return S3Page(rows, dict(found))


def plain_text(text: bytes) -> str:
    """Return the text of an XML element, with its entities resolved."""
    return _ENTITY.sub(_resolved, text.decode()) if b"&" in text else text.decode()


def _resolved(entity: re.Match[str]) -> str:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return _NAMED.get(name, entity.group())
    return chr(int(decimal) if decimal else int(hexadecimal, 16))
