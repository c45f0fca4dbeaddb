"""What is said when a bucket cannot be read."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipelines.domain.configuration import Endpoint
from pipelines.domain.uris import BucketUri, HttpUri, LocalUri
from pipelines.errors import MoraineError, NotFound, Terminal, Transient
from pipelines.stores import LocalStore, S3Store, Store, open_store

Ask = Callable[[Store, Path], object]


@pytest.fixture
def refusing(credentials: None) -> Iterator[Callable[[int, str], Store]]:  # noqa: ARG001  (set before the client)
    """Return a function that opens a bucket whose service answers everything with one error."""
    servers: list[tuple[ThreadingHTTPServer, Thread]] = []

    def opened(status: int, code: str) -> Store:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            do_HEAD = do_GET  # noqa: N815  (the library's names)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        endpoint = Endpoint(match="s3://*", endpoint_url=f"http://127.0.0.1:{server.server_port}")
        return open_store(BucketUri("s3", "lake", ""), (endpoint,))

    yield opened
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def listed(store: Store, _: Path) -> object:
    return list(store.list())


def read(store: Store, _: Path) -> object:
    return store.read("key")


def fetched(store: Store, scratch: Path) -> object:
    return store.fetch("key", scratch)


def written(store: Store, _: Path) -> object:
    store.write("key", b"")
    return None


def uploaded(store: Store, scratch: Path) -> object:
    (scratch / "file").write_bytes(b"x")
    store.upload(scratch / "file", "key")
    return None


@pytest.mark.parametrize("ask", [listed, read, fetched, written, uploaded])
def test_denied_access_says_what_to_allow(
    refusing: Callable[[int, str], Store], tmp_path: Path, ask: Ask
) -> None:
    with pytest.raises(Terminal, match=r"refused|s3:GetObject"):
        ask(refusing(403, "AccessDenied"), tmp_path)


@pytest.mark.parametrize(
    "status, code, kind, said",
    [
        (403, "ExpiredToken", Terminal, "does not accept these credentials"),
        (403, "SignatureDoesNotMatch", Terminal, "does not accept these credentials"),
        (404, "NoSuchBucket", Terminal, "the bucket does not exist"),
        (404, "NoSuchKey", NotFound, "the object is not there"),
        (400, "Odd", Terminal, r"refused the request \(Odd\)"),
    ],
)
def test_a_refusal_is_told_by_its_cause(
    refusing: Callable[[int, str], Store], status: int, code: str, kind: type[MoraineError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        refusing(status, code).read("key")


@pytest.mark.parametrize("status, code", [(503, "SlowDown"), (500, "InternalError"), (502, "Odd")])
def test_a_busy_service_is_worth_a_retry(
    refusing: Callable[[int, str], Store], monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with pytest.raises(Transient, match=r"busy|fails"):
        refusing(status, code).read("key")


@pytest.mark.parametrize("ask", [listed, read, fetched, written, uploaded])
def test_missing_credentials_say_what_to_set(
    s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: Ask
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # The library's own session remembers credentials that it found before.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = open_store(BucketUri("s3", "lake", ""), (Endpoint(match="s3://*", endpoint_url=s3_url),))
    with pytest.raises(Terminal, match=r"no credentials(.|\n)*AWS_PROFILE"):
        ask(store, tmp_path)


def test_an_impossible_bucket_name_is_one_clear_message(s3_url: str, credentials: None) -> None:  # noqa: ARG001
    store = open_store(BucketUri("s3", "no bucket", ""), (Endpoint(match="s3://*", endpoint_url=s3_url),))
    with pytest.raises(Terminal, match="Invalid bucket name"):
        list(store.list())


def test_a_bucket_that_does_not_exist_is_named(s3_url: str, credentials: None) -> None:  # noqa: ARG001
    store = open_store(
        BucketUri("s3", "no-such-bucket", ""), (Endpoint(match="s3://*", endpoint_url=s3_url),)
    )
    with pytest.raises(Terminal, match="the bucket does not exist"):
        list(store.list())


def test_more_objects_than_one_page_are_listed(
    s3_store: Callable[[str], S3Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    store = s3_store("many")
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        store.write(key, b"")
    assert [blob.key for blob in store.list()] == keys


def test_places_that_are_no_store_are_refused(tmp_path: Path) -> None:
    assert isinstance(open_store(LocalUri(tmp_path)), LocalStore)
    with pytest.raises(Terminal, match="directories and buckets only"):
        open_store(HttpUri("http://127.0.0.1"))
