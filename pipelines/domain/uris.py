"""Where things are: `s3://bucket/key`, `gs://bucket/key`, `http://host`, or a path on this machine.

Keys are exact: nothing is trimmed, decoded or normalised.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import Terminal

BUCKET_SCHEMES = ("s3", "gs")
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*):(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BucketUri:
    """An object or a prefix in a bucket: `s3://bucket/key`; the key has no leading slash."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @property
    def root(self) -> "BucketUri":
        """The bucket itself."""
        return BucketUri(self.scheme, self.bucket, "")


@dataclass(frozen=True, slots=True)
class LocalUri:
    """A file or directory of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class HttpUri:
    """A service that answers HTTP."""

    url: str

    def __str__(self) -> str:
        return self.url


Uri = BucketUri | LocalUri | HttpUri


def parse_uri(text: str, *, base: Path | None = None) -> Uri:
    """Return the typed form of `text`; relative paths are relative to `base`.

    Raises:
        Terminal: the scheme is unknown or the bucket is missing.
    """
    found = _SCHEME.match(text)
    scheme, rest = (found.group(1), found.group(2)) if found else ("file", text)
    if scheme == "file":
        path = Path(rest.removeprefix("//") if rest.startswith("///") else rest)
        return LocalUri(path if path.is_absolute() or base is None else base / path)
    if scheme in ("http", "https"):
        return HttpUri(text.rstrip("/"))
    bucket, _, key = rest.removeprefix("//").partition("/")
    if scheme not in BUCKET_SCHEMES or not bucket or not rest.startswith("//"):
        raise Terminal(
            f"{text!r} is not a place Moraine can read",
            where="uri",
            fix="Write s3://bucket/prefix, gs://bucket/prefix, http://host:port, file:path or a plain path.",
        )
    return BucketUri(scheme, bucket, key)
