"""Sockets, faults, the log of requests, and what tests set up directly."""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any, Literal, Self

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.fakes.gcs.buckets import change
from tests.fakes.gcs.clock import Clock
from tests.fakes.gcs.messages import Answer, ApiError, Request
from tests.fakes.gcs.routes import Routes
from tests.fakes.gcs.state import Content, Generation, State, new_bucket

Failure = int | Literal["reset", "lose_response", "cut_body"]
"""A status; a connection that breaks before the server acts, or after it, or within the body."""

_REASONS = {
    401: "required",
    403: "forbidden",
    404: "notFound",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
}


@dataclass
class _Fault:
    method: str
    is_meant: Callable[[str], bool]
    failure: Failure
    times: int | None


class GcsServer:
    """The fake on a random port of loopback; use it as a context.

    One request is handled at a time, so that each is atomic; connections are served in threads.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.state = State(self.clock)
        self.routes = Routes(self.state)
        self.requests: list[Request] = []
        """All that arrived, oldest first; the calls of a batch follow their batch."""
        self._faults: list[_Fault] = []
        self._broken: Exception | None = None
        self._lock = RLock()
        self._http = _HttpServer(self)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        if self._broken is not None:
            raise AssertionError("the fake itself failed") from self._broken

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def client(self) -> storage.Client:
        """Return a real client for this server; the caller closes it."""
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]  # it ships half its types
        client = storage.Client(
            project="fake", credentials=anonymous, client_options={"api_endpoint": self.url}
        )
        # It would ask for buckets in a thread of its own, and take the faults that were planted for others.
        client._bucket_metadata_cache = None
        return client

    def add_bucket(self, name: str, **fields: Any) -> None:  # noqa: ANN401  (the JSON of its settings)
        """Make a bucket; settings are named as in the JSON API: `versioning={"enabled": True}`."""
        with self._lock:
            bucket = new_bucket(self.state, {"name": name})
            change(bucket, fields, self.clock.now)
            bucket.metageneration = 1

    def put(
        self,
        bucket: str,
        name: str,
        data: bytes = b"",
        *,
        size: int | None = None,
        **fields: Any,  # noqa: ANN401  (the JSON of its metadata)
    ) -> Generation:
        """Store an object, whatever holds say; `size` makes one whose bytes are not there."""
        with self._lock:
            return self.state.add(self.state.bucket(bucket), name, Content(data, size), fields)

    def live(self, bucket: str, name: str) -> Generation | None:
        """Return what a reader of the name gets."""
        with self._lock:
            return self.state.bucket(bucket).live(name)

    def generations(self, bucket: str, name: str) -> list[Generation]:
        """Return every generation of a name that is still kept, oldest first."""
        with self._lock:
            return list(self.state.bucket(bucket).objects.get(name, []))

    def fail_next(
        self,
        method: str,
        is_meant: Callable[[str], bool],
        failure: Failure,
        times: int | None = 1,
    ) -> None:
        """Let the next `times` requests fail, or all of them for None; `*` is any method.

        `is_meant` is asked with the decoded path and its parameters: `/storage/v1/b/lake/o?prefix=a b`.
        Within a batch a call can only fail with a status.
        """
        with self._lock:
            self._faults.append(_Fault(method, is_meant, failure, times))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def handle(self, request: Request) -> tuple[Answer, Failure | None]:
        """Log and answer one request; the failure tells what to do with its connection."""
        with self._lock:
            self.requests.append(request)
            failure = self._failure(request)
            if isinstance(failure, int):
                return _refusal(failure), None
            if failure == "reset":
                return Answer(), failure
            return self._answer(request), failure

    def _answer(self, request: Request) -> Answer:
        try:
            return self.routes.answer(request, self._answer_call)
        except Exception as error:  # noqa: BLE001  (a fault of the fake is the test's to see, not the client's to retry)
            self._broken = self._broken or error
            return _refusal(HTTPStatus.BAD_REQUEST)

    def _answer_call(self, call: Request) -> Answer:
        return self.handle(call)[0]

    def _failure(self, request: Request) -> Failure | None:
        for fault in self._faults:
            if fault.method in ("*", request.method) and fault.is_meant(request.target):
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault.failure
        return None


def _refusal(status: int) -> Answer:
    return ApiError(status, _REASONS.get(status, "backendError"), "A planted fault.").answer()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fake: GcsServer) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client goes away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _HttpServer

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fake = self.server.fake
        answer, failure = fake.handle(Request.parse(self.command, self.path, headers, body, fake.url))
        if failure in ("reset", "lose_response"):
            self._break()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if failure == "cut_body":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            self._break()
            return
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _break(self) -> None:
        # With no time to linger, closing resets the connection.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  (the library's names)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
