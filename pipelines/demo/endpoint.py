"""The company's cloud on this machine: an S3 endpoint with its buckets filled, and the model registry.

moto's server behind rules that it lacks (see `strict`). Secrets are not checked; lifecycle rules are
stored and never run. Endpoints in one process do not see each other.
"""

import io
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import ThreadedWSGIServer

from pipelines.demo.answers import Answer, json_answer, run_app
from pipelines.demo.backend import PARTITION, CompanyBackend
from pipelines.demo.company import BUCKETS, REGION, VERSIONED_BUCKETS, Company
from pipelines.demo.deliveries import make_deliveries
from pipelines.demo.registry import search_answer
from pipelines.demo.strict import Rules, target
from pipelines.domain.registry import API, SEARCH_PATH

DEMO_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a client of the endpoint needs in its environment; the endpoint accepts any secret."""

EMPTY_LISTS = frozenset(f"{API}/{name}/search" for name in ("registered-models", "experiments", "runs"))
"""What the company's registry has none of."""
_Request = socket.socket | tuple[bytes, socket.socket]
_INITIATED = re.compile(rb"<UploadId>([^<]*)</UploadId>(.*?)<Initiated>[^<]*</Initiated>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running endpoint."""

    url: str


class CloudApp:
    """The WSGI application: the registry, and S3, one request at a time."""

    def __init__(self, company: Company, backend: CompanyBackend, *, plain: bool) -> None:
        self._registrations = company.registrations
        self._backend = backend
        self._rules = None if plain else Rules(backend)
        # The S3 application itself: the dispatcher above it searches the disk for services at every request.
        self._moto = create_backend_app("s3")
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer one request."""
        _read_body(environ)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._backend.account_id
        # A condition and the change it guards are one: no other request comes between.
        with self._lock:
            answer = self._answer(environ)
        start_response(answer.status, answer.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        if environ["PATH_INFO"] == SEARCH_PATH:
            query = parse_qs(environ.get("QUERY_STRING", ""))
            size = int(query.get("max_results", ["100"])[0])
            return json_answer(search_answer(self._registrations, query.get("page_token", [""])[0], size))
        if environ["PATH_INFO"] in EMPTY_LISTS:
            # Versions carry their aliases here, and none of the company's trainings is going on.
            return json_answer({})
        answer = self._rules.handle(environ, self._moto) if self._rules else run_app(self._moto, environ)
        return self._corrected(environ, answer)

    def _corrected(self, environ: dict[str, Any], answer: Answer) -> Answer:
        """Say when uploads were begun, which moto does not know, and how long what was rewritten is."""
        _, key = target(environ)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if environ["REQUEST_METHOD"] == "HEAD":
            return answer
        if "uploads" in query and not key and answer.is_ok:
            answer = Answer(answer.status, answer.headers, _INITIATED.sub(self._initiated, answer.body))
        return answer.with_length()

    def _initiated(self, found: re.Match[bytes]) -> bytes:
        upload_id, between = found.groups()
        begun_at = self._backend.initiated_at[upload_id.decode()]
        text = f"{begun_at:%Y-%m-%dT%H:%M:%S}.000Z".encode()
        return b"<UploadId>%s</UploadId>%s<Initiated>%s</Initiated>" % (upload_id, between, text)


@contextmanager
def running_endpoint(
    company: Company, port: int = 0, *, host: str = "127.0.0.1", plain: bool = False
) -> Iterator[Endpoint]:
    """Serve the company until the block ends; `plain` runs moto without the rules, as a counter-proof.

    Raises:
        OSError: the port is taken.
    """
    with _filled_backend(company) as backend:
        server = _Server(host, port, CloudApp(company, backend, plain=plain))
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo-endpoint")
        thread.start()
        try:
            yield Endpoint(f"http://{host}:{server.port}")
        finally:
            server.stop()
            thread.join()


@contextmanager
def _filled_backend(company: Company) -> Iterator[CompanyBackend]:
    backend = CompanyBackend()
    s3_backends[backend.account_id][PARTITION] = backend
    try:
        for bucket in BUCKETS:
            backend.create_bucket(bucket, REGION)
            if bucket in VERSIONED_BUCKETS:
                backend.put_bucket_versioning(bucket, "Enabled")
        for item in (*company.objects, *make_deliveries(company)):
            if item.gone_at is None:
                backend.fill(item)
        for upload in company.uploads:
            backend.open_upload(upload)
        yield backend
    finally:
        s3_backends.pop(backend.account_id)
        backend.forget()


def _read_body(environ: dict[str, Any]) -> None:
    """Take the body off the socket before the lock: a slow client holds up nobody."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))


class _Handler(MotoRequestHandler):  # type: ignore[misc]  # moto has no types
    disable_nagle_algorithm = (
        True  # Headers and body leave in two writes; waiting to join them costs 40 ms each.
    )

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: thousands of requests are normal here."""


class _Server(ThreadedWSGIServer):
    """Ends cleanly: connections that clients hold open are closed, and their threads joined."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, host: str, port: int, app: CloudApp) -> None:
        super().__init__(host, port, app, handler=_Handler)
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()

    def process_request(self, request: _Request, client_address: object) -> None:
        """Remember the connection, then serve it."""
        with self._connections_lock:
            self._connections.add(_socket(request))
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        """Forget the connection, then close it."""
        with self._connections_lock:
            self._connections.discard(_socket(request))
        super().shutdown_request(request)

    def stop(self) -> None:
        """Stop listening, close what is open, wait for the threads."""
        self.shutdown()
        with self._connections_lock:
            for connection in self._connections:
                # The client may be gone already.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


def _socket(request: _Request) -> socket.socket:
    return request[1] if isinstance(request, tuple) else request
