"""Many conditional deletes in one request of Cloud Storage.

The client's own batch builds and reads a mail message with a part per call, which takes ten times as long
as all else. The calls are written and read here; the connection, its credentials and its retries are the
client's.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lifecycle.providers.protocol import Removal, Target

if TYPE_CHECKING:
    from google.cloud import storage

MOST_CALLS = 100
"""What the service takes in one request."""
_BOUNDARY = "moraine-batch"
_CALL = (
    f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <%d>\r\n\r\n"
    "DELETE %s/%s?ifGenerationMatch=%d HTTP/1.1\r\n\r\n\r\n"
)
_PLAIN = re.compile("[A-Za-z0-9_.~/-]*")
_ID = re.compile(rb"content-id: *<response-(\d+)>", re.IGNORECASE)
_STATUS = re.compile(rb"\r?\n\r?\nHTTP/\d(?:\.\d)? (\d{3})")
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})
_OVERLOADED = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects to delete in one request, each only if it is still the generation named.

    No call names a generation to delete: that would remove it for good, past versions and soft delete.
    """

    bucket: str
    targets: Sequence[Target]
    leaves_behind: bool
    """The bucket keeps the generations that are deleted."""

    def delete(self, client: "storage.Client", retry: Any) -> list[Removal]:  # noqa: ANN401  (no types)
        """Send it; an object without an answer is not in the list.

        Raises:
            GoogleAPIError: the request as a whole failed; some may be gone.
        """
        response = retry(self._send)(client)
        boundary = response.headers.get("content-type", "").partition("boundary=")[2].strip('"')
        return list(self._answers(response.content.split(b"--" + boundary.encode())))

    def _send(self, client: "storage.Client") -> Any:  # noqa: ANN401  (the client has no types)
        from google.api_core.exceptions import from_http_response  # noqa: PLC0415  (see pipelines.stores.gcs)

        connection = client._base_connection  # noqa: SLF001  (as the client's own batch does)
        response = connection._make_request(  # noqa: SLF001
            "POST",
            f"{connection.API_BASE_URL}/batch/storage/v1",
            data=self._body(),
            headers={"content-type": f"multipart/mixed; boundary={_BOUNDARY}"},
        )
        if response.status_code != HTTPStatus.OK:
            raise from_http_response(response)  # type: ignore[no-untyped-call]
        return response

    def _body(self) -> bytes:
        place = f"/storage/v1/b/{quote(self.bucket, safe='')}/o"
        calls = [
            _CALL % (number, place, _in_address(target.key), int(target.token))
            for number, target in enumerate(self.targets, 1)
        ]
        return f"{''.join(calls)}--{_BOUNDARY}--\r\n".encode()

    def _answers(self, parts: Sequence[bytes]) -> Iterator[Removal]:
        for part in parts:
            number, status = _ID.search(part), _STATUS.search(part)
            if number and status and 0 < int(number[1]) <= len(self.targets):
                yield self._removal(self.targets[int(number[1]) - 1], int(status[1]), part)

    def _removal(self, target: Target, status: int, part: bytes) -> Removal:
        if status in _DONE:
            return Removal(target.key, "done", target.token if self.leaves_behind else "")
        if status == HTTPStatus.PRECONDITION_FAILED:
            return Removal(target.key, "changed")
        if status == HTTPStatus.NOT_FOUND:
            return Removal(target.key, "gone")
        if status in _OVERLOADED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Removal(target.key, "busy", detail=str(status))
        return Removal(target.key, "refused", detail=f"{status}, {_reason(part)}")


def _in_address(key: str) -> str:
    # Looking at each character takes as long as all else; most keys have nothing but slashes to hide.
    return key.replace("/", "%2F") if _PLAIN.fullmatch(key) else quote(key, safe="")


def _reason(part: bytes) -> str:
    try:
        document = json.loads(part[part.index(b"{") : part.rindex(b"}") + 1])
        return str(document["error"]["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        return "no reason"
