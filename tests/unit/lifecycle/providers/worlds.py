"""Clouds to try a provider on, each with a hand that acts behind the provider's back."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import pytest
from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from lifecycle.model import Scheme
from lifecycle.providers import (
    ClassChange,
    GcsProvider,
    MemoryProvider,
    ObjectState,
    Provider,
    S3Provider,
    UploadState,
)
from lifecycle.providers.memory import MemoryBucket
from pipelines.demo import make_company, running_endpoint
from pipelines.demo.backend import PARTITION, CompanyBackend
from pipelines.demo.objects import StoredObject
from pipelines.domain.configuration import Endpoint
from tests.fakes.gcs import GcsServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT = datetime(2026, 9, 1, 12, 30, 15)
COLDER: Mapping[Scheme, str] = {"s3": "GLACIER_IR", "gs": "NEARLINE"}
WRONG: Mapping[Scheme, str] = {"s3": "0" * 32, "gs": "7"}
_names = (f"bucket-{number}" for number in itertools.count(1))


class World(Protocol):
    """A cloud and its provider."""

    @property
    def provider(self) -> Provider:
        """What is tried."""

    def bucket(self, *, versioned: bool = False, lockable: bool = False) -> str:
        """Make a bucket, in which objects can be held where that has to be said; return its name."""

    def put(self, bucket: str, key: str, body: bytes = b"some bytes") -> ObjectState:
        """Store an object as somebody else would."""

    def put_many(self, bucket: str, keys: list[str]) -> None:
        """Store objects of a few bytes, fast."""

    def hold(self, bucket: str, key: str) -> None:
        """Put a hold on an object."""


def colder(world: World, state: ObjectState, **said: object) -> ClassChange:
    """Return the change that moves an object to a colder class under the right conditions."""
    change = ClassChange(COLDER[world.provider.scheme], state.token, state.token)
    return replace(change, **said)  # type: ignore[arg-type]


@dataclass
class MemoryWorld:
    """Buckets in memory."""

    provider: MemoryProvider

    def bucket(self, *, versioned: bool = False, lockable: bool = False) -> str:
        name = next(_names)
        is_on = versioned or (lockable and self.provider.scheme == "s3")
        self.provider.buckets[name] = MemoryBucket("on" if is_on else "off", object_lock=lockable)
        return name

    def put(self, bucket: str, key: str, body: bytes = b"some bytes") -> ObjectState:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return self.provider.put(bucket, ObjectState(key, etag, len(body), AT, "STANDARD"))

    def put_many(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            self.put(bucket, key)

    def hold(self, bucket: str, key: str) -> None:
        states = self.provider.buckets[bucket].keys[key]
        states[-1] = replace(states[-1], hold="legal hold")

    def open_upload(self, bucket: str, key: str) -> None:
        upload = UploadState(key, f"u{next(_names)}", AT)
        self.provider.buckets[bucket].uploads.append(upload)


@dataclass
class S3World:
    """moto, behind rules that enforce what it ignores, or without them."""

    provider: S3Provider
    url: str
    backend: CompanyBackend
    client: "S3Client" = field(init=False)

    def __post_init__(self) -> None:
        self.client = boto3.client("s3", endpoint_url=self.url)

    def bucket(self, *, versioned: bool = False, lockable: bool = False) -> str:
        name = next(_names)
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lockable)
        if versioned:
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, bucket: str, key: str, body: bytes = b"some bytes", **said: Any) -> ObjectState:  # noqa: ANN401  (the client's parameters)
        self.client.put_object(Bucket=bucket, Key=key, Body=body, **said)
        return self.provider.head(bucket, key)

    def put_many(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            self.backend.put_object(bucket, key, b"some bytes")

    def hold(self, bucket: str, key: str) -> None:
        self.client.put_object_legal_hold(Bucket=bucket, Key=key, LegalHold={"Status": "ON"})

    def open_upload(self, bucket: str, key: str) -> None:
        self.client.create_multipart_upload(Bucket=bucket, Key=key)

    def deny(self, bucket: str, *actions: str) -> None:
        """Let nobody do this with the bucket or its objects."""
        places = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        said = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": places}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [said]})
        self.client.put_bucket_policy(Bucket=bucket, Policy=policy)

    def only(self, **bucket_and_key: str) -> Mapping[str, Any]:
        """Return everything that S3 says of an object, with its tags and grants."""
        found: dict[str, Any] = dict(self.client.get_object(**bucket_and_key))  # type: ignore[arg-type]
        tags = self.client.get_object_tagging(**bucket_and_key)["TagSet"]  # type: ignore[arg-type]
        grants = self.client.get_object_acl(**bucket_and_key)["Grants"]  # type: ignore[arg-type]
        return {**found, "Body": found["Body"].read(), "Tags": tags, "Grants": grants}


@dataclass
class GcsWorld:
    """The fake of Cloud Storage."""

    provider: GcsProvider
    server: GcsServer

    def bucket(self, *, versioned: bool = False, lockable: bool = False, **settings: Any) -> str:  # noqa: ANN401  (JSON)
        del lockable
        name = next(_names)
        kept = {"softDeletePolicy": {"retentionDurationSeconds": "0"}, "versioning": {"enabled": versioned}}
        self.server.add_bucket(name, **{**kept, **settings})
        return name

    def put(self, bucket: str, key: str, body: bytes = b"some bytes", **fields: Any) -> ObjectState:  # noqa: ANN401  (JSON)
        self.server.put(bucket, key, body, **fields)
        return self.provider.head(bucket, key)

    def put_many(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            self.server.put(bucket, key, b"some bytes")

    def hold(self, bucket: str, key: str) -> None:
        live = self.server.live(bucket, key)
        assert live is not None
        live.fields["temporaryHold"] = True


@contextmanager
def serving_s3(
    *objects: StoredObject, plain: bool = False, part_bytes: int | None = None
) -> Iterator[S3World]:
    """Run an S3 endpoint that holds these objects; `plain` is moto as it comes."""
    company = replace(make_company(date(2026, 11, 20)), objects=objects, uploads=())
    before = set(s3_backends)
    with routing_every_key(), taking_empty_tags(), running_endpoint(company, plain=plain) as endpoint:
        made = [s3_backends[account][PARTITION] for account in set(s3_backends) - before]
        (backend,) = [found for found in made if isinstance(found, CompanyBackend)]
        endpoints = (Endpoint(match="s3://*", endpoint_url=endpoint.url),)
        provider = S3Provider(endpoints, part_bytes) if part_bytes else S3Provider(endpoints)
        yield S3World(provider, endpoint.url, backend)


@contextmanager
def serving_gcs(clock: Callable[[], datetime] | None = None) -> Iterator[GcsWorld]:
    """Run a fake of Cloud Storage."""
    with GcsServer() as server:
        provider = GcsProvider((Endpoint(match="gs://*", endpoint_url=server.url),), clock)
        yield GcsWorld(provider, server)


@contextmanager
def routing_every_key() -> Iterator[None]:
    """Let moto find keys with a line feed, which its routes do not match."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(werkzeug_app, "RegexConverter", _AnyCharacter)
        yield


@contextmanager
def taking_empty_tags() -> Iterator[None]:
    """Let moto take an empty set of tags, which ends in an error there."""
    read = S3Response._tagging_from_xml

    def tags(response: S3Response) -> Mapping[str, str]:
        found: Mapping[str, str] = read(response) if b"<Tag>" in response.body else {}
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "_tagging_from_xml", tags)
        yield


class _AnyCharacter(RegexConverter):  # type: ignore[misc]  # moto has no types
    def __init__(self, *said: object) -> None:
        super().__init__(*said)
        self.regex: str = f"(?s:{said[1]})"


@dataclass(frozen=True)
class Canned:
    """An answer that a server gives, whatever it is asked."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class CannedServer:
    """Gives its answers one after the other, the last one again and again; keeps what it was asked."""

    url: str
    asked: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers in lower case, body."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint(match="*", endpoint_url=self.url),)


@contextmanager
def answering(*answers: Canned) -> Iterator[CannedServer]:
    """Run a server that says nothing but these answers."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            named = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.command, self.path, named, body))
            answer = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body if self.command != "HEAD" else b"")
            self.wfile.flush()

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  (the library's names)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server = CannedServer(f"http://127.0.0.1:{http.server_port}")
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
