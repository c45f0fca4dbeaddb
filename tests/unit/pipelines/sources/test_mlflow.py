"""The registry: every page of it, clear words when it does not answer, and no token anywhere."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import pytest

from pipelines.domain.configuration import Source
from pipelines.domain.registry import API, SEARCH_PATH
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
        self.lists: dict[str, dict[str, Answer]] = {}
        """Answers to other questions, per end of their path and page token."""
        self.seen: list[tuple[str, dict[str, Sequence[str]], str]] = []
        self.bodies: list[dict[str, Any]] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = parse_qs(parts.query)
                registry.seen.append((parts.path, dict(asked), self.headers.get("Authorization", "")))
                self.answer(registry.pages if parts.path == SEARCH_PATH else registry.others(parts), asked)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                registry.bodies.append(body)
                asked = {"page_token": [body.get("page_token", "")]}
                self.answer(registry.others(urlsplit(self.path)), asked)

            def answer(self, pages: dict[str, Answer], asked: dict[str, list[str]]) -> None:
                status, body = pages[asked.get("page_token", [""])[0]]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def others(self, asked: SplitResult) -> dict[str, Answer]:
        """Return the answers to another question than for versions; without any it is an empty list."""
        named = f"{asked.path.removeprefix(API)}?{asked.query}"
        found = [pages for question, pages in self.lists.items() if named.startswith(question)]
        return found[0] if found else {"": (200, b"{}")}

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
    _, delivery = mlflow.find(opened, NOW)
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
        "model_id": "",
        "location": "s3://train/runs/1/model",
        "read_at": NOW,
    }
    assert [seen[0].rpartition("mlflow/")[2] for seen in registry.seen] == [
        "model-versions/search",
        "model-versions/search",
        "registered-models/search",
        "experiments/search",
    ]


def test_an_unchanged_registry_is_the_same_delivery_on_one_day_and_another_on_the_next(
    registry: Registry, place: Opened
) -> None:
    opened = place("mlflow", registry.url)
    _, first = mlflow.find(opened, NOW)
    _, an_hour_later = mlflow.find(opened, NOW + timedelta(hours=1))
    _, a_day_later = mlflow.find(opened, NOW + timedelta(days=1))
    assert an_hour_later.delivery_id == first.delivery_id
    assert a_day_later.delivery_id != first.delivery_id
    assert first.scope == a_day_later.scope
    assert first.delivered_at == NOW


def test_an_empty_registry_is_a_delivery_without_rows(
    registry: Registry, place: Opened, rows_of: RowsOf
) -> None:
    registry.pages = {"": (200, b"{}")}
    opened = place("mlflow", registry.url)
    assert [rows_of(opened, one) for one in mlflow.find(opened, NOW)] == [[], []]


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
    _, delivery = mlflow.find(opened, NOW)
    assert [row["version"] for row in rows_of(opened, delivery)] == ["1", "2"]
    assert delivery.is_answer
    assert delivery.delivered_at == rows_of(opened, delivery)[0]["read_at"] != NOW


def test_no_saved_answer_says_what_was_looked_for(tmp_path: Path, place: Opened) -> None:
    with pytest.raises(NotFound, match=r"no \*\.json"):
        mlflow.find(place("mlflow", tmp_path), NOW)


def listed(**lists: object) -> dict[str, Answer]:
    """Return a list that has one page."""
    return {"": (200, json.dumps(lists).encode())}


RUN = {
    "info": {
        "run_id": "abc",
        "run_name": "chat",
        "status": "RUNNING",
        "start_time": 1763596800000,
        "artifact_uri": "mlflow-artifacts:/1/abc/artifacts",
    },
    "data": {"params": [{"key": "output_dir", "value": "s3://train/runs/chat"}]},
}


def test_aliases_and_runs_are_asked_for(registry: Registry, place: Opened, rows_of: RowsOf) -> None:
    aliases = [{"alias": "eu", "version": "1"}, {"alias": "champion", "version": "1"}]
    registry.lists = {
        "/registered-models/search": listed(registered_models=[{"name": "chat", "aliases": aliases}]),
        "/experiments/search": listed(experiments=[{"experiment_id": str(n)} for n in range(150)]),
        "/runs/search": listed(runs=[RUN]),
    }
    opened = place("mlflow", registry.url)

    runs, versions = mlflow.find(opened, NOW)

    assert rows_of(opened, versions)[0]["aliases"] == '["champion", "eu"]'
    assert [len(body["experiment_ids"]) for body in registry.bodies] == [100, 100, 50, 50]
    assert {body["filter"] for body in registry.bodies} == {
        "attributes.status = 'RUNNING'",
        "attributes.status = 'SCHEDULED'",
    }
    named = [(row["folder"], row["named_by"], row["location"]) for row in rows_of(opened, runs)]
    assert set(named) == {("abc", "", ""), ("", "params.output_dir", "s3://train/runs/chat")}


def test_places_are_looked_up_where_a_version_names_none(
    registry: Registry, place: Opened, rows_of: RowsOf
) -> None:
    sources = ["runs:/abc/model", "runs:/gone/model", "models:/m-1", "mlflow-artifacts:/1/abc/artifacts/m"]
    versions = [
        {"name": "chat", "version": str(n), "source": source} for n, source in enumerate(sources, start=1)
    ]
    registry.pages = {"": (200, json.dumps({"model_versions": versions}).encode())}
    registry.lists = {
        "/runs/get?run_id=abc": listed(run={"info": {"artifact_uri": "s3://train/mlflow/1/abc/artifacts"}}),
        "/runs/get?run_id=gone": {"": (404, b"{}")},
        "/model-versions/get-download-uri?name=chat&version=3": listed(
            artifact_uri="s3a://train/models/m-1/"
        ),
    }
    opened = place("mlflow", registry.url)

    _, delivery = mlflow.find(opened, NOW)

    found = [(row["location"], row["run_id"], row["model_id"]) for row in rows_of(opened, delivery)]
    assert found == [
        ("s3://train/mlflow/1/abc/artifacts/model", "abc", ""),
        ("", "gone", ""),
        ("s3://train/models/m-1", "", "m-1"),
        ("1/abc/artifacts/m", "", ""),
    ]


def test_what_a_server_hands_out_itself_lies_where_the_settings_say(
    registry: Registry, rows_of: RowsOf, tmp_path: Path
) -> None:
    registry.lists = {
        "/experiments/search": listed(experiments=[{"experiment_id": "1"}]),
        "/runs/search": listed(runs=[RUN]),
    }
    source = Source(name="registry", kind="mlflow", uri=registry.url, artifacts="s3://train/mlflow")
    opened = open_place(source, tmp_path, (), tmp_path / "scratch")

    runs, _ = mlflow.find(opened, NOW)

    assert "s3://train/mlflow/1/abc/artifacts" in [row["location"] for row in rows_of(opened, runs)]


@pytest.mark.parametrize("question", ["/registered-models/search", "/experiments/search", "/runs/search"])
@pytest.mark.parametrize("status, kind", [(403, Terminal), (404, Terminal), (429, Transient)])
def test_a_list_that_cannot_be_read_lets_nothing_land(
    registry: Registry, place: Opened, question: str, status: int, kind: type[MoraineError]
) -> None:
    registry.lists = {
        "/experiments/search": listed(experiments=[{"experiment_id": "1"}]),
        question: {"": (status, b"{}")},
    }
    with pytest.raises(kind):
        mlflow.find(place("mlflow", registry.url), NOW)


def test_an_answer_nested_without_end_is_one_clear_message(registry: Registry, place: Opened) -> None:
    registry.pages = {"": (200, b"[" * 200_000)}
    with pytest.raises(Terminal, match="not JSON"):
        mlflow.find(place("mlflow", registry.url), NOW)
