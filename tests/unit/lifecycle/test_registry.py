"""What a registry serves is read now, whole, or everything is protected."""

import json
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

import pytest

from lifecycle.errors import Protected
from lifecycle.registry import claims_now, refuse_claimed
from pipelines.domain.configuration import Configuration, Source
from pipelines.domain.registry import API, SEARCH_PATH, ModelVersion

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
        refuse_claimed([version(source).claim], [CHECKPOINT])


@pytest.mark.parametrize(
    "source",
    ["s3://train/runs/chat/checkpoint-1000", "s3://other/x", "gs://train/runs", "s3://train/runs/ch"],
)
def test_elsewhere_is_not(source: str) -> None:
    refuse_claimed([version(source).claim], [CHECKPOINT])


def test_a_source_that_names_nothing_at_all_could_be_anything() -> None:
    with pytest.raises(Protected, match="models:/chat/3"):
        refuse_claimed([version("").claim], [CHECKPOINT])


def test_a_run_id_in_the_path_is_served_where_the_source_names_no_place() -> None:
    run_id = "0123456789abcdef0123456789abcdef"
    with pytest.raises(Protected):
        refuse_claimed(
            [version("runs:/x/model", run_id).claim], [f"s3://mlflow/1/{run_id}/artifacts/checkpoint-1"]
        )


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    servers: list[tuple[ThreadingHTTPServer, Thread]] = []

    def start(
        pages: dict[str, object],
        status: int = 200,
        secret: str = "",
        others: Mapping[str, object] = MappingProxyType({}),
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                token = parse_qs(asked.query).get("page_token", [""])[0]
                is_versions = asked.path == SEARCH_PATH
                body = json.dumps(pages[token] if is_versions else others.get(asked.path, {})).encode()
                is_known = not secret or self.headers["Authorization"] == f"Bearer {secret}"
                self.send_response(status if is_known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

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
    labels = [claim.label for claim in claims_now(configured(url), tmp_path)]
    assert labels == ["models:/a/1", "models:/b/2"]


def test_what_a_run_that_goes_on_writes_is_needed(answering: Callable[..., str], tmp_path: Path) -> None:
    info = {"run_id": "abc", "status": "RUNNING", "artifact_uri": "s3://train/runs/chat"}
    lists = {
        f"{API}/experiments/search": {"experiments": [{"experiment_id": "1"}]},
        f"{API}/runs/search": {"runs": [{"info": info}]},
    }
    claims = claims_now(configured(answering({"": {}}, others=lists)), tmp_path)
    with pytest.raises(Protected, match="run abc, RUNNING"):
        refuse_claimed(claims, ["s3://train/runs/other/checkpoint-1", CHECKPOINT])
    refuse_claimed(claims, ["s3://train/runs/other/checkpoint-1"])


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
        claims_now(configured(answering(pages, status)), tmp_path)


def test_a_registry_that_does_not_answer_protects(tmp_path: Path) -> None:
    with pytest.raises(Protected, match="cannot be read"):
        claims_now(configured("http://127.0.0.1:9"), tmp_path)


def test_a_registry_that_wants_a_token_gets_it_and_nobody_reads_it(
    answering: Callable[..., str], tmp_path: Path
) -> None:
    served = {"": {"model_versions": [{"name": "a", "version": "1", "source": "s3://x"}]}}
    url = answering(served, secret="hidden-word")
    assert claims_now(configured(url), tmp_path, "hidden-word")[0].label == "models:/a/1"
    with pytest.raises(Protected) as refused:
        claims_now(configured(url), tmp_path, "wrong-word")
    assert "wrong-word" not in str(refused.value)


def test_saved_answers_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    saved = {"model_versions": [{"name": "a", "version": 7, "source": CHECKPOINT}]}
    (tmp_path / "answers" / "one.json").write_text(json.dumps(saved))
    assert claims_now(configured("file:answers"), tmp_path)[0].label == "models:/a/7"


def test_saved_answers_that_are_missing_protect(tmp_path: Path) -> None:
    with pytest.raises(Protected):
        claims_now(configured("file:nowhere"), tmp_path)
