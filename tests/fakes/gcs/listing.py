"""Pages of objects."""

import base64
import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakes.gcs.messages import Answer, Json, Request, invalid, json_answer
from tests.fakes.gcs.resources import object_resource
from tests.fakes.gcs.state import Bucket, Generation, State

MOST_PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a listing: a generation, or a common prefix."""

    name: str
    known: Generation | None

    @property
    def order(self) -> tuple[bytes, int]:
        return self.name.encode(), self.known.generation if self.known else 0


class Listing:
    """What answers `GET /b/<bucket>/o`."""

    def __init__(self, state: State, most_per_page: int = MOST_PER_PAGE) -> None:
        self._state = state
        self.most_per_page = most_per_page

    def page(self, request: Request, bucket_name: str) -> Answer:
        """Return one page and the token of the next."""
        bucket = self._state.bucket(bucket_name)
        _check(request, bucket)
        entries = sorted(set(_entries(request, bucket)), key=lambda entry: entry.order)
        start = _start(request, entries)
        most = min(request.number("maxResults") or self.most_per_page, self.most_per_page)
        page = entries[start : start + most]
        document: Json = {"kind": "storage#objects"}
        items = [object_resource(bucket, entry.known, request.base_url) for entry in page if entry.known]
        prefixes = [entry.name for entry in page if not entry.known]
        if items:
            document["items"] = items
        if prefixes:
            document["prefixes"] = prefixes
        if start + most < len(entries):
            document["nextPageToken"] = _token(page[-1])
        return json_answer(document)


def _check(request: Request, bucket: Bucket) -> None:
    if "matchGlob" in request.query or "filter" in request.query:
        raise invalid("This fake knows neither matchGlob nor filter.")
    if request.flag("softDeleted") and request.flag("versions"):
        raise invalid("softDeleted and versions exclude each other.")
    if request.flag("softDeleted") and not bucket.fields.get("softDeletePolicy"):
        raise invalid("The bucket has no soft delete policy.")


def _entries(request: Request, bucket: Bucket) -> Iterator[_Entry]:
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    for known in bucket.generations():
        if not _is_wanted(request, known):
            continue
        at = known.name.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            yield _Entry(known.name, known)
            continue
        folder = known.name[: at + len(delimiter)]
        yield _Entry(folder, None)
        if folder == known.name and request.flag("includeTrailingDelimiter"):
            yield _Entry(known.name, known)


def _is_wanted(request: Request, known: Generation) -> bool:
    name = known.name.encode()
    end = request.query.get("endOffset", "").encode()
    is_inside = name >= request.query.get("startOffset", "").encode() and (not end or name < end)
    if not is_inside or not name.startswith(request.query.get("prefix", "").encode()):
        return False
    if request.flag("softDeleted"):
        return known.is_soft_deleted
    return known.is_live or (request.flag("versions") and not known.is_soft_deleted)


def _start(request: Request, entries: list[_Entry]) -> int:
    token = request.query.get("pageToken")
    if not token:
        return 0
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise invalid("Invalid page token.") from None
    return bisect_right(entries, (name.encode(), generation), key=lambda entry: entry.order)


def _token(last: _Entry) -> str:
    name, generation = last.order
    return base64.urlsafe_b64encode(json.dumps([name.decode(), generation]).encode()).decode()
