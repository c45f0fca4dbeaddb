"""Requests, answers, errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks; header names are in lower case."""

    method: str
    path: str
    """As sent: names are still percent-encoded."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    @classmethod
    def parse(
        cls, method: str, target: str, headers: Mapping[str, str], body: bytes, base_url: str
    ) -> "Request":
        """Return the request for `target`, which may be a path or a whole address."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, parts.path, query, headers, body, base_url)

    @property
    def target(self) -> str:
        """The path with its names decoded, then `?` and the parameters."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{unquote(self.path)}?{query}" if query else unquote(self.path)

    @property
    def json(self) -> Json:
        """The body as an object; nothing when there is no body."""
        found = json.loads(self.body or b"{}")
        return found if isinstance(found, dict) else {}

    def number(self, name: str) -> int | None:
        """Return a parameter as an integer."""
        text = self.query.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise invalid(f"Invalid value for {name}: {text!r}") from None

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is `true`."""
        return self.query.get(name, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal, as the service words it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def answer(self) -> Answer:
        """Return the error's document; 304 has none."""
        if self.status == 304:
            return Answer(304)
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        return json_answer(
            {"error": {"code": self.status, "message": self.message, "errors": [entry]}}, self.status
        )


def json_answer(document: Mapping[str, Any], status: int = 200) -> Answer:
    """Return a document."""
    return Answer(status, json.dumps(document).encode(), {"content-type": "application/json; charset=UTF-8"})


def not_found(what: str) -> ApiError:
    """Return a 404."""
    return ApiError(404, "notFound", what)


def invalid(what: str) -> ApiError:
    """Return a 400."""
    return ApiError(400, "invalid", what)
