"""The registry: every page of it, clear words when it does not answer, and no token anywhere."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.domain.configuration import Source
from pipelines.errors import MoraineError, NotFound, Terminal, Transient
from pipelines.sources import mlflow, open_place
from pipelines.sources.places import Place

NOW = datetime.fromisoformat("2026-11-20T06:30:00")

Opened = Callable[..., Place]
RowsOf = Callable[..., list[dict[str, Any]]]
Answer = tuple[int, bytes]


def version(number: int) -> dict[str, object]:
    """Return a model version as MLflow describes it."""
    return {
        "name": "chat",
        "version": str(number),
        "current_stage": "Production",
        "aliases": ["champion"],
        "source": f"s3://train/runs/{number}/model",
        "run_id": "r1",
        "status": "READY",
    }


def page(*numbers: int, following: str = "") -> Answer:
    """Return one page of an answer."""
    body = {"model_versions": [version(number) for number in numbers], "next_page_token": following}
    return 200, json.dumps(body).encode()


class Registry:
    """A made-up registry: answers per page token, and the requests it saw."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {"": page(1)}
        self.seen: list[tuple[str, dict[str, Sequence[str]], str]] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = parse_qs(parts.query)
                registry.seen.append((parts.path, dict(asked), self.headers.get("Authorization", "")))
                status, body = registry.pages[asked.get("page_token", [""])[0]]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_every_page_is_asked_for(registry: Registry, place: Opened, rows_of: RowsOf) -> None:
    registry.pages = {"": page(1, 2, following="a b+c"), "a b+c": page(3)}
    opened = place("mlflow", registry.url)
    delivery = mlflow.find(opened, NOW)
    rows = rows_of(opened, delivery)
    assert [row["version"] for row in rows] == ["1", "2", "3"]
    assert rows[0] == {
        "name": "chat",
        "version": "1",
        "stage": "Production",
        "aliases": '["champion"]',
        "source": "s3://train/runs/1/model",
        "run_id": "r1",
        "status": "READY",
        "read_at": NOW,
    }
    assert [seen[0] for seen in registry.seen] == ["/api/2.0/mlflow/model-versions/search"] * 2


def test_an_unchanged_registry_is_the_same_delivery_on_one_day_and_another_on_the_next(
    registry: Registry, place: Opened
) -> None:
    opened = place("mlflow", registry.url)
    first = mlflow.find(opened, NOW)
    assert mlflow.find(opened, NOW + timedelta(hours=1)).delivery_id == first.delivery_id
    assert mlflow.find(opened, NOW + timedelta(days=1)).delivery_id != first.delivery_id
    assert first.scope == mlflow.find(opened, NOW + timedelta(days=1)).scope
    assert first.delivered_at == NOW


def test_an_empty_registry_is_a_delivery_without_rows(
    registry: Registry, place: Opened, rows_of: RowsOf
) -> None:
    registry.pages = {"": (200, b"{}")}
    opened = place("mlflow", registry.url)
    assert rows_of(opened, mlflow.find(opened, NOW)) == []


def test_a_token_is_sent_and_never_shown(registry: Registry, tmp_path: Path) -> None:
    source = Source(name="registry", kind="mlflow", uri=registry.url)
    opened = open_place(source, tmp_path, (), tmp_path / "scratch", token="s3cret")
    mlflow.find(opened, NOW)
    assert registry.seen[0][2] == "Bearer s3cret"
    assert "s3cret" not in repr(opened)
    registry.pages = {"": (401, b"")}
    with pytest.raises(Terminal, match="MLFLOW_TRACKING_TOKEN") as caught:
        mlflow.find(opened, NOW)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer, kind, said",
    [
        ((503, b""), Transient, "is busy"),
        ((429, b""), Transient, "is busy"),
        ((403, b""), Terminal, "refuses the request"),
        ((404, b""), Terminal, "answers 404"),
        ((200, b"<html>"), Terminal, "not JSON"),
        ((200, b'{"error": "x"}'), Terminal, "no list of model_versions"),
        ((200, b'{"model_versions": [{"name": "x"}]}'), Terminal, "without 'version'"),
        ((200, b'{"model_versions": [1]}'), Terminal, "not an answer of an MLflow registry"),
    ],
)
def test_an_answer_that_cannot_be_used_is_one_clear_message(
    registry: Registry, place: Opened, answer: Answer, kind: type[MoraineError], said: str
) -> None:
    registry.pages = {"": answer}
    with pytest.raises(kind, match=said):
        mlflow.find(place("mlflow", registry.url), NOW)


def test_a_list_that_does_not_end_is_refused(registry: Registry, place: Opened) -> None:
    registry.pages = {"": page(1, following="again"), "again": page(2, following="again")}
    with pytest.raises(Terminal, match="does not end"):
        mlflow.find(place("mlflow", registry.url), NOW)


def test_a_registry_that_does_not_answer_is_worth_a_retry(registry: Registry, place: Opened) -> None:
    url = registry.url
    registry.server.socket.close()
    with pytest.raises(Transient, match="does not answer"):
        mlflow.find(place("mlflow", url), NOW)


def test_saved_answers_are_read_together(tmp_path: Path, place: Opened, rows_of: RowsOf) -> None:
    (tmp_path / "page-1.json").write_bytes(page(1, following="x")[1])
    (tmp_path / "page-2.json").write_bytes(page(2)[1])
    opened = place("mlflow", tmp_path)
    delivery = mlflow.find(opened, NOW)
    assert [row["version"] for row in rows_of(opened, delivery)] == ["1", "2"]
    assert delivery.is_answer
    assert delivery.delivered_at == rows_of(opened, delivery)[0]["read_at"] != NOW


def test_no_saved_answer_says_what_was_looked_for(tmp_path: Path, place: Opened) -> None:
    with pytest.raises(NotFound, match=r"no \*\.json"):
        mlflow.find(place("mlflow", tmp_path), NOW)
