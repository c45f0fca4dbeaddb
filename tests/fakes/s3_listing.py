"""A bucket that can be listed and nothing else, on loopback: S3's pages, its encoding, its faults.

Written from S3's documentation of ListObjectsV2 and ListObjectVersions: pages of at most a thousand rows,
versions of a key newest first, a key marker alone behind all versions of its key, keys encoded when asked.
"""

import socket
import struct
import time
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qs, quote_plus, urlsplit
from xml.sax.saxutils import escape

MOST_ROWS = 1000
_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A row of the listing; `version_id` is None in a bucket without versions."""

    key: str
    version_id: str | None = None
    size_bytes: int | None = 1
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """An upload that nobody completed, with the sizes of its parts."""

    key: str
    upload_id: str
    part_sizes: tuple[int, ...] = ()


class ListingServer:
    """Serves one bucket, whatever its name in the request; use it as a context."""

    def __init__(
        self, rows: Iterable[ListedVersion], *, latency_seconds: float = 0.0, versioning: str = ""
    ) -> None:
        self._rows = sorted(rows, key=lambda row: row.key)
        self._keys = [row.key for row in self._rows]
        self._texts = {
            True: [_row(row) for row in self._rows],
            False: [_plain_row(row) for row in self._rows],
        }
        self.latency_seconds, self.versioning = latency_seconds, versioning
        self.requests: list[str] = []
        self.faults: list[int | str] = []
        """What the next requests get instead: a status, `reset`, `hidden` (an error in an answer that seems
        well), or `cut` (half of an answer)."""
        self.uploads: list[ListedUpload] = []
        self.most_uploads = MOST_ROWS
        """Uploads, and parts of one, in an answer."""
        self.refused: dict[str, int] = {}
        """Statuses of whole kinds of requests, by a word of their query."""
        self._lock = Lock()
        self._http = _Server(self)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, target: str) -> tuple[int, bytes] | None:
        """Return status and body, or None for a connection that breaks."""
        query = {
            name: values[0]
            for name, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()
        }
        with self._lock:
            self.requests.append(target)
            fault = self.faults.pop(0) if self.faults else 200
        if fault == "reset":
            return None
        if fault == "hidden":
            return 200, _error(503)
        if fault == "cut":
            page = self._well(query)
            return 200, page[: len(page) // 2]
        status = next((status for word, status in self.refused.items() if word in query), int(fault))
        return status, self._well(query) if status == 200 else _error(status)

    def _well(self, query: dict[str, str]) -> bytes:
        if "versioning" in query:
            return _versioning(self.versioning)
        if "uploads" in query:
            return self._uploads_page(query)
        if "uploadId" in query:
            return self._parts_page(query)
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        return self._page(query)

    def _page(self, query: dict[str, str]) -> bytes:
        has_versions = "versions" in query
        prefix, most = query.get("prefix", ""), min(int(query.get("max-keys", MOST_ROWS)), MOST_ROWS)
        begin = max(self._begin(query), self._first(prefix))
        end = min(begin + most, self._end(prefix))
        more = end < self._end(prefix)
        encoded = query.get("encoding-type") == "url"
        about = [
            f"<IsTruncated>{str(more).lower()}</IsTruncated>",
            "<EncodingType>url</EncodingType>" if encoded else "",
            self._next(end, encoded=encoded, has_versions=has_versions) if more else "",
        ]
        name = "ListVersionsResult" if has_versions else "ListBucketResult"
        opening = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_SPACE}">{"".join(about)}'
        return opening.encode() + b"".join(self._texts[encoded][begin:end]) + f"</{name}>".encode()

    def _uploads_page(self, query: dict[str, str]) -> bytes:
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        waiting = sorted((each.key, each.upload_id) for each in self.uploads)
        page = [each for each in waiting if each > marker][: self.most_uploads]
        rows = "".join(
            f"<Upload><Key>{_encoded(key)}</Key><UploadId>{upload_id}</UploadId>"
            "<Initiated>2026-11-01T00:00:00.000Z</Initiated><StorageClass>STANDARD</StorageClass></Upload>"
            for key, upload_id in page
        )
        following = ""
        if page and page[-1] != waiting[-1]:
            key, upload_id = page[-1]
            following = (
                f"<NextKeyMarker>{_encoded(key)}</NextKeyMarker>"
                f"<NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
            )
        about = f"<EncodingType>url</EncodingType><IsTruncated>{str(bool(following)).lower()}</IsTruncated>"
        name = "ListMultipartUploadsResult"
        return f'<{name} xmlns="{_SPACE}">{about}{following}{rows}</{name}>'.encode()

    def _parts_page(self, query: dict[str, str]) -> bytes:
        [upload] = [each for each in self.uploads if each.upload_id == query["uploadId"]]
        begin = int(query.get("part-number-marker", "0"))
        sizes = list(enumerate(upload.part_sizes, start=1))[begin : begin + self.most_uploads]
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size></Part>" for number, size in sizes
        )
        end = begin + len(sizes)
        more = end < len(upload.part_sizes)
        about = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        about += f"<NextPartNumberMarker>{end}</NextPartNumberMarker>"
        return f'<ListPartsResult xmlns="{_SPACE}">{about}{rows}</ListPartsResult>'.encode()

    def _begin(self, query: dict[str, str]) -> int:
        if "continuation-token" in query:
            return int(query["continuation-token"].removeprefix("row&"))
        if "version-id-marker" in query:
            wanted = (query["key-marker"], query["version-id-marker"])
            return [(row.key, row.version_id) for row in self._rows].index(wanted) + 1
        after = query.get("start-after") or query.get("key-marker")
        return bisect_right(self._keys, after) if after else 0

    def _next(self, end: int, *, encoded: bool, has_versions: bool) -> str:
        if not has_versions:
            return f"<NextContinuationToken>row&amp;{end}</NextContinuationToken>"
        last = self._rows[end - 1]
        key = _encoded(last.key) if encoded else escape(last.key)
        version = last.version_id or "null"
        return f"<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"

    def _first(self, prefix: str) -> int:
        return next((at for at, key in enumerate(self._keys) if key.startswith(prefix)), 0) if prefix else 0

    def _end(self, prefix: str) -> int:
        if not prefix:
            return len(self._keys)
        return self._first(prefix) + sum(key.startswith(prefix) for key in self._keys)


def _row(row: ListedVersion) -> bytes:
    return _text(row, _encoded(row.key))


def _plain_row(row: ListedVersion) -> bytes:
    return _text(row, escape(row.key))


def _text(row: ListedVersion, key: str) -> bytes:
    element = (
        "Contents" if row.version_id is None else "Version" if row.size_bytes is not None else "DeleteMarker"
    )
    version = "" if row.version_id is None else f"<VersionId>{row.version_id}</VersionId>"
    latest = "" if row.version_id is None else f"<IsLatest>{str(row.is_latest).lower()}</IsLatest>"
    content = (
        ""
        if row.size_bytes is None
        else "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{row.size_bytes}</Size><StorageClass>STANDARD</StorageClass>"
    )
    modified = "<LastModified>2026-11-19T01:02:03.000Z</LastModified>"
    return f"<{element}><Key>{key}</Key>{version}{latest}{modified}{content}</{element}>".encode()


def _encoded(key: str) -> str:
    return quote_plus(key, safe="/")


def _versioning(status: str) -> bytes:
    inside = f"<Status>{status}</Status>" if status else ""
    return f'<VersioningConfiguration xmlns="{_SPACE}">{inside}</VersioningConfiguration>'.encode()


def _error(status: int) -> bytes:
    code = {403: "AccessDenied", 503: "SlowDown", 400: "AuthorizationHeaderMalformed"}.get(status, "Other")
    return f"<Error><Code>{code}</Code><Message>made up</Message></Error>".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, bucket: ListingServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = bucket


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        answer = self.server.bucket.answer(self.path)
        if answer is None:
            # No goodbye: the client sees a connection reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        status, body = answer
        about = ("Content-Type: application/xml", f"Content-Length: {len(body)}", "", "")
        self.wfile.write("\r\n".join((f"HTTP/1.1 {status} .", *about)).encode() + body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
