"""HTTP answers as values, between the layers of the embedded endpoint."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status line, headers, body."""

    status: str
    headers: Headers
    body: bytes

    @property
    def is_ok(self) -> bool:
        """A success."""
        return self.status.startswith("2")

    def with_length(self) -> "Answer":
        """Return the answer with the true length of its body; what has no body says nothing of it."""
        if self.status.startswith(("204", "304")):
            return self
        kept = [(name, text) for name, text in self.headers if name.lower() != "content-length"]
        return replace(self, headers=[*kept, ("Content-Length", str(len(self.body)))])


def run_app(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Answer:
    """Run a WSGI application to its end and return what it answered."""
    begun: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, *_: object) -> Callable[[bytes], None]:
        begun.append((status, headers))
        return lambda _: None

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = begun[-1]
    return Answer(status, headers, body)


def error_answer(code: int, name: str, message: str, condition: str = "") -> Answer:
    """Return an error as S3 words it."""
    about = f"<Condition>{escape(condition)}</Condition>" if condition else ""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{name}</Code><Message>{escape(message)}</Message>{about}<RequestId>demo</RequestId></Error>"
    )
    status = f"{code} {HTTPStatus(code).phrase}"
    return Answer(status, [("Content-Type", "application/xml")], body.encode()).with_length()


def json_answer(content: object) -> Answer:
    """Return a JSON document."""
    return Answer(
        "200 OK", [("Content-Type", "application/json")], json.dumps(content).encode()
    ).with_length()
