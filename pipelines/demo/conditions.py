"""The preconditions of S3, as values: which ETag or time a request insists on, and whether it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

_SOURCE = "HTTP_X_AMZ_COPY_SOURCE_"


@dataclass(frozen=True, slots=True)
class State:
    """What lies under a key now, as far as conditions look at it."""

    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request insists on; an empty text insists on nothing."""

    match: str = ""
    none_match: str = ""
    unmodified_since: str = ""
    modified_since: str = ""

    def failed(self, state: State | None) -> str:
        """Return the name of a condition that does not hold, or nothing."""
        if self.match and not is_match(self.match, state):
            return "If-Match"
        if self.none_match and is_match(self.none_match, state):
            return "If-None-Match"
        # S3 lets a matching ETag outweigh the time.
        if self.unmodified_since and not self.match and _is_newer(state, self.unmodified_since):
            return "If-Unmodified-Since"
        if self.modified_since and not self.none_match and not _is_newer(state, self.modified_since):
            return "If-Modified-Since"
        return ""


def on_destination(environ: Mapping[str, str]) -> Conditions:
    """Return what a request says about the key it changes."""
    return Conditions(environ.get("HTTP_IF_MATCH", ""), environ.get("HTTP_IF_NONE_MATCH", ""))


def on_source(environ: Mapping[str, str]) -> Conditions:
    """Return what a copy says about the object it copies."""
    return Conditions(
        environ.get(f"{_SOURCE}IF_MATCH", ""),
        environ.get(f"{_SOURCE}IF_NONE_MATCH", ""),
        environ.get(f"{_SOURCE}IF_UNMODIFIED_SINCE", ""),
        environ.get(f"{_SOURCE}IF_MODIFIED_SINCE", ""),
    )


def is_match(wanted: str, state: State | None) -> bool:
    """Tell whether an ETag, quoted or not, or `*` for any, is the one that is there."""
    if state is None:
        return False
    return wanted.strip() == "*" or wanted.strip().strip('"') == state.etag.strip('"')


def _is_newer(state: State | None, since: str) -> bool:
    if state is None:
        return False
    limit = parsedate_to_datetime(since).replace(tzinfo=None)
    return state.modified_at.replace(microsecond=0) > limit
