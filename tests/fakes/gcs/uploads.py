"""Media, multipart and resumable uploads: an object appears whole, at the end, or not at all."""

import itertools
import json
import re
from dataclasses import dataclass, field

from tests.fakes.gcs.messages import Answer, Json, Request, invalid, json_answer, not_found
from tests.fakes.gcs.resources import object_resource
from tests.fakes.gcs.rules import Conditions, check_is_free
from tests.fakes.gcs.state import Bucket, Content, Generation, State

CHUNK_BYTES = 256 * 1024
"""All chunks of a resumable upload but the last are multiples of this."""
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


@dataclass
class _Session:
    bucket: str
    resource: Json
    opened: Request
    received: bytearray = field(default_factory=bytearray)
    made: Answer | None = None


class Uploads:
    """What answers below `/upload`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sessions: dict[str, _Session] = {}
        self._numbers = itertools.count(1)

    def post(self, request: Request, bucket_name: str) -> Answer:
        """Take a whole object, or open a session."""
        match request.query.get("uploadType"):
            case "media":
                resource = {"contentType": request.headers.get("content-type")}
                return self._finish(request, bucket_name, resource, request.body)
            case "multipart":
                resource, data = _parts(request)
                return self._finish(request, bucket_name, resource, data)
            case "resumable":
                return self._open(request, bucket_name)
            case other:
                raise invalid(f"Invalid uploadType: {other}")

    def put(self, request: Request, bucket_name: str) -> Answer:
        """Take a chunk, or tell how much of a session has arrived."""
        session = self._session(request, bucket_name)
        if session.made is not None:
            return session.made
        found = _RANGE.fullmatch(request.headers.get("content-range", f"bytes 0-{len(request.body) - 1}/*"))
        if found is None:
            raise invalid("Invalid Content-Range.")
        first, _, total = found.groups()
        if first is not None:
            _take(session, int(first), request.body, is_last=total != "*" and _is_end(found))
        if total == "*" or len(session.received) < int(total):
            return _so_far(session)
        resource = {**session.resource, **_announced(request)}
        session.made = self._finish(session.opened, bucket_name, resource, bytes(session.received))
        return session.made

    def cancel(self, request: Request, bucket_name: str) -> Answer:
        """Forget a session."""
        self._session(request, bucket_name)
        del self._sessions[request.query["upload_id"]]
        return Answer(499)

    def _open(self, request: Request, bucket_name: str) -> Answer:
        resource = {"contentType": request.headers.get("x-upload-content-type"), **request.json}
        bucket = self._state.bucket(bucket_name)
        live = bucket.live(_name(request, resource))
        Conditions.of(request).check(live)
        check_is_free(bucket, live, self._state.clock.now)
        upload_id = f"upload-{next(self._numbers)}"
        self._sessions[upload_id] = _Session(bucket_name, resource, request)
        path = f"/upload/storage/v1/b/{bucket_name}/o?uploadType=resumable&upload_id={upload_id}"
        return Answer(200, b"", {"location": request.base_url + path, "x-guploader-uploadid": upload_id})

    def _session(self, request: Request, bucket_name: str) -> _Session:
        session = self._sessions.get(request.query.get("upload_id", ""))
        if session is None or session.bucket != bucket_name:
            raise not_found("No such upload session.")
        return session

    def _finish(self, request: Request, bucket_name: str, resource: Json, data: bytes) -> Answer:
        bucket = self._state.bucket(bucket_name)
        content = Content(data)
        _check_hashes(resource, content)
        made = self._add(request, bucket, resource, content)
        return json_answer(object_resource(bucket, made, request.base_url))

    def _add(self, request: Request, bucket: Bucket, resource: Json, content: Content) -> Generation:
        name = _name(request, resource)
        live = bucket.live(name)
        Conditions.of(request).check(live)
        check_is_free(bucket, live, self._state.clock.now)
        return self._state.add(bucket, name, content, resource)


def _name(request: Request, resource: Json) -> str:
    name = str(request.query.get("name") or resource.get("name") or "")
    if not name or len(name.encode()) > 1024:
        raise invalid("An object's name has 1 to 1024 bytes.")
    return name


def _parts(request: Request) -> tuple[Json, bytes]:
    found = _BOUNDARY.search(request.headers.get("content-type", ""))
    if found is None:
        raise invalid("A multipart upload needs a boundary.")
    mark = b"--" + found.group(1).encode()
    _, first, rest = request.body.split(mark, 2)
    second = rest.rpartition(b"\r\n" + mark)[0]
    resource: Json = json.loads(first.partition(b"\r\n\r\n")[2])
    head, _, data = second.partition(b"\r\n\r\n")
    content_type = re.search(rb"(?i)content-type:\s*([^\r\n]+)", head)
    if content_type:
        resource.setdefault("contentType", content_type.group(1).decode())
    return resource, data


def _is_end(found: re.Match[str]) -> bool:
    return int(found.group(2)) + 1 == int(found.group(3))


def _take(session: _Session, first: int, data: bytes, *, is_last: bool) -> None:
    if first > len(session.received):
        raise invalid("A chunk is missing before this one.")
    if not is_last and len(data) % CHUNK_BYTES:
        raise invalid(f"A chunk is a multiple of {CHUNK_BYTES} bytes.")
    # What arrived before stays as it is, also when a client sends it again.
    session.received += data[len(session.received) - first :]


def _so_far(session: _Session) -> Answer:
    headers = {"range": f"bytes=0-{len(session.received) - 1}"} if session.received else {}
    return Answer(308, b"", headers)


def _announced(request: Request) -> Json:
    keys = {"crc32c": "crc32c", "md5": "md5Hash"}
    pairs = [entry.strip().partition("=") for entry in request.headers.get("x-goog-hash", "").split(",")]
    return {keys[name]: value for name, _, value in pairs if name in keys}


def _check_hashes(resource: Json, content: Content) -> None:
    for key, found in (("crc32c", content.crc32c), ("md5Hash", content.md5)):
        if resource.get(key, found) != found:
            raise invalid(f"Provided {key} {resource[key]} doesn't match calculated {key} {found}.")
