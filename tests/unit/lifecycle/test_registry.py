"""What a registry serves is read now, whole, or everything is protected."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from lifecycle.errors import Protected
from lifecycle.registry import refuse_served, served_versions
from pipelines.domain.configuration import Configuration, Source
from pipelines.domain.registry import ModelVersion

CHECKPOINT = "s3://train/runs/chat/checkpoint-100"


def version(source: str, run_id: str = "") -> ModelVersion:
    return ModelVersion("chat", "3", "Production", ("champion",), source, run_id, "READY")


def configured(uri: str) -> Configuration:
    return Configuration(lake="lake", sources=(Source(name="registry", kind="mlflow", uri=uri),))


@pytest.mark.parametrize(
    "source",
    [
        CHECKPOINT,
        CHECKPOINT + "/",
        CHECKPOINT + "/model.safetensors",
        "s3://train/runs/chat",
        "s3://train/",
    ],
    ids=["same", "slash", "below", "above", "bucket"],
)
def test_at_above_or_below_a_checkpoint_is_served(source: str) -> None:
    with pytest.raises(Protected, match="models:/chat/3"):
        refuse_served([version(source)], [CHECKPOINT])


@pytest.mark.parametrize(
    "source", ["s3://train/runs/chat/checkpoint-1000", "s3://other/x", "", "s3://train/runs/ch"]
)
def test_elsewhere_is_not(source: str) -> None:
    refuse_served([version(source)], [CHECKPOINT])


def test_a_run_id_in_the_path_is_served_whatever_the_source_says() -> None:
    run_id = "0123456789abcdef0123456789abcdef"
    with pytest.raises(Protected):
        refuse_served([version("runs:/x/model", run_id)], [f"s3://mlflow/1/{run_id}/artifacts/checkpoint-1"])


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    servers: list[tuple[ThreadingHTTPServer, Thread]] = []

    def start(pages: dict[str, object], status: int = 200, secret: str = "") -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = parse_qs(urlsplit(self.path).query).get("page_token", [""])[0]
                body = json.dumps(pages[token]).encode()
                is_known = not secret or self.headers["Authorization"] == f"Bearer {secret}"
                self.send_response(status if is_known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_all_pages_are_read(answering: Callable[..., str], tmp_path: Path) -> None:
    url = answering(
        {
            "": {
                "model_versions": [{"name": "a", "version": "1", "source": "s3://x"}],
                "next_page_token": "two",
            },
            "two": {"model_versions": [{"name": "b", "version": "2", "source": "s3://y"}]},
        }
    )
    assert [found.name for found in served_versions(configured(url), tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "pages, status",
    [
        ({"": {}}, 500),
        ({"": [1]}, 200),
        ({"": {"model_versions": [{"version": "1"}]}}, 200),
        ({"": {"next_page_token": "two"}, "two": {"next_page_token": "two"}}, 200),
    ],
    ids=["error", "not-an-answer", "nameless", "pages-without-end"],
)
def test_an_answer_that_is_none_protects(
    answering: Callable[..., str], tmp_path: Path, pages: dict[str, object], status: int
) -> None:
    with pytest.raises(Protected, match="cannot be read"):
        served_versions(configured(answering(pages, status)), tmp_path)


def test_a_registry_that_does_not_answer_protects(tmp_path: Path) -> None:
    with pytest.raises(Protected, match="cannot be read"):
        served_versions(configured("http://127.0.0.1:9"), tmp_path)


def test_a_registry_that_wants_a_token_gets_it_and_nobody_reads_it(
    answering: Callable[..., str], tmp_path: Path
) -> None:
    served = {"": {"model_versions": [{"name": "a", "version": "1", "source": "s3://x"}]}}
    url = answering(served, secret="hidden-word")
    assert served_versions(configured(url), tmp_path, "hidden-word")[0].name == "a"
    with pytest.raises(Protected) as refused:
        served_versions(configured(url), tmp_path, "wrong-word")
    assert "wrong-word" not in str(refused.value)


def test_saved_answers_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    saved = {"model_versions": [{"name": "a", "version": 7, "source": CHECKPOINT}]}
    (tmp_path / "answers" / "one.json").write_text(json.dumps(saved))
    assert served_versions(configured("file:answers"), tmp_path)[0].version == "7"


def test_saved_answers_that_are_missing_protect(tmp_path: Path) -> None:
    with pytest.raises(Protected):
        served_versions(configured("file:nowhere"), tmp_path)
