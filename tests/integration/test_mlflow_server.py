"""A real MLflow server: what it serves and what its runs still write stays; without an answer all does."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import httpx
import pytest

from lifecycle.errors import Protected
from lifecycle.registry import claims_now, refuse_claimed
from pipelines import steps
from pipelines.domain.claims import Claims
from pipelines.domain.registry import API
from pipelines.errors import Transient
from tests.contract import deliveries as made

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("mlflow-server")]

PACKAGE = "mlflow>=3,<4"
KEPT_IN = Path(__file__).parents[2] / "var" / "integration" / "mlflow-3"
"""The environment stays here: it is large, and a suite may run often."""
AS_OF = date(2026, 11, 18)
NOW = datetime(2026, 11, 19, 6)
LAST_LINES = 20


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python of an environment that holds MLflow and nothing of ours."""
    home, ready = KEPT_IN, KEPT_IN / "ready"
    if not ready.exists():
        quickly = {**os.environ, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
        for words in installing(home):
            done = subprocess.run(words, env=quickly, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()[-1:]
                pytest.skip(f"MLflow cannot be installed here: {''.join(said)}")
        ready.touch()
    return home / "bin" / "python"


def installing(home: Path) -> Iterator[list[str]]:
    """Yield the commands that make the environment; uv is ten times as fast, and not everywhere."""
    uv, python = Path(sys.executable).with_name("uv"), str(home / "bin" / "python")
    if uv.exists():
        yield [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(home)]
        yield [str(uv), "pip", "install", "--quiet", "--python", python, PACKAGE]
    else:
        yield [sys.executable, "-m", "venv", "--clear", str(home)]
        yield [python, "-m", "pip", "install", "--quiet", PACKAGE]


@dataclass(frozen=True)
class Server:
    """A running server, and the few things that its clients do with it."""

    url: str
    process: subprocess.Popen[str]

    def post(self, path: str, **body: object) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}{API}/{path}", json=body, timeout=60)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    def run(self, experiment: str, name: str, **parameters: str) -> str:
        began = self.post("runs/create", experiment_id=experiment, run_name=name, start_time=1763596800000)
        run_id = str(began["run"]["info"]["run_id"])
        for key, value in parameters.items():
            self.post("runs/log-parameter", run_id=run_id, key=key, value=value)
        return run_id

    def register(self, source: str, run_id: str = "") -> str:
        made = self.post("model-versions/create", name="chat", source=source, run_id=run_id)
        return str(made["model_version"]["version"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


@contextmanager
def serving(python: Path, home: Path) -> Iterator[Server]:
    """Start a server on a free port of this machine; it tells nobody about itself."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--no-serve-artifacts"]
    words += ["--default-artifact-root", "s3://train/mlflow"]
    said: list[str] = []
    with subprocess.Popen(
        [str(python), *words],
        cwd=home,
        env=quiet,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if "startup complete" in line:
                    break
            else:
                pytest.skip("MLflow does not start here: " + "".join(said[-LAST_LINES:]))
            # What it says further is read and forgotten: a full pipe would stop it.
            reader = Thread(target=said.extend, args=(process.stdout,))
            reader.start()
            yield Server(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
        reader.join()


@dataclass(frozen=True)
class World:
    """A bucket, a registry that names some of it, and the night that read both."""

    server: Server
    run: steps.Run
    registered: set[str]
    in_use: set[str]
    marts: dict[str, bool]
    """Per checkpoint: whether the night protects it."""
    claimed: dict[str, set[str]]
    """Per kind of claim: the checkpoints."""


def night(home: Path, server: Server, keys: list[str], as_of: date, now: datetime) -> steps.Run:
    inventory = made.s3_inventory("Parquet")
    inventory.deliver(home / inventory.name, 1, made.objects(*keys)).settle()
    config = home / "moraine.yaml"
    registry = f"{{name: registry, kind: mlflow, uri: '{server.url}'}}"
    config.write_text(
        "lake: lake\nengine: {temp_directory: tmp, threads: 1}\n"
        f"sources: [{inventory.settings(home / inventory.name)}, {registry}]\n"
    )
    run = steps.open_run(config, as_of, now)
    for source in (inventory.name, "registry"):
        steps.ingest(run, source)
    steps.build(run)
    return run


def files(*folders: str) -> list[str]:
    names = ("model.safetensors", "config.json", "optimizer.pt", "trainer_state.json")
    return [f"{folder}/{name}" for folder in folders for name in names]


@pytest.fixture(scope="module")
def world(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("mlflow")
    with serving(python, home) as server:
        experiment = str(server.post("experiments/create", name="chat")["experiment_id"])
        server.post("registered-models/create", name="chat")
        over = server.run(experiment, "over", output_dir="s3://train/runs/over")
        server.post("runs/update", run_id=over, status="FINISHED", end_time=1763596900000)
        going = server.run(experiment, "going", output_dir="s3a://train/runs/going/")
        resumed = server.run(
            experiment, "resumed", resume_from_checkpoint="/mnt/train/runs/old/checkpoint-500"
        )

        served = server.register("s3://train/runs/served/checkpoint-500")
        server.post("registered-models/alias", name="chat", alias="champion", version=served)
        server.post(
            "model-versions/transition-stage",
            name="chat",
            version=served,
            stage="Production",
            archive_existing_versions=False,
        )
        server.register(f"runs:/{over}/checkpoint-500", over)
        deleted = server.register("s3://train/runs/deleted")
        answer = httpx.request(
            "DELETE",
            f"{server.url}{API}/model-versions/delete",
            json={"name": "chat", "version": deleted},
            timeout=60,
        )
        assert answer.status_code == httpx.codes.OK, answer.text

        artifacts = f"mlflow/{experiment}/{over}/artifacts"
        folders = [
            *(
                f"runs/{name}/checkpoint-{step}"
                for name in ("served", "deleted", "over", "going", "old")
                for step in (500, 5000, 9000)
            ),
            *(f"{artifacts}/checkpoint-{step}" for step in (500, 5000, 9000)),
            f"mlflow/{experiment}/{going}/artifacts/checkpoint-1",
        ]
        run = night(home, server, files(*folders), AS_OF, NOW)
        with closing(
            duckdb.connect(str(home / "lake" / "build" / str(AS_OF) / "warehouse.duckdb"), read_only=True)
        ) as connection:
            marts = connection.execute(
                "select checkpoint_uri, is_protected from marts.checkpoints"
            ).fetchall()
            claimed = connection.execute(
                "select claim_kind, checkpoint_id, claimed_by from intermediate.int_checkpoints_claimed"
            ).fetchall()
        assert resumed in str(claimed)
        assert "models:/chat/1 (Production, @champion)" in {by for _, _, by in claimed}
        yield World(
            server,
            run,
            {"s3://train/runs/served/checkpoint-500", f"s3://train/{artifacts}/checkpoint-500"},
            {
                *(f"s3://train/runs/going/checkpoint-{step}" for step in (500, 5000, 9000)),
                f"s3://train/mlflow/{experiment}/{going}/artifacts/checkpoint-1",
                "s3://train/runs/old/checkpoint-500",
            },
            {str(uri): bool(is_protected) for uri, is_protected in marts},
            {kind: {uri for each, uri, _ in claimed if each == kind} for kind in ("registered", "in_use")},
        )


def test_exactly_what_the_registry_names_is_claimed(world: World) -> None:
    assert world.claimed == {"registered": world.registered, "in_use": world.in_use}
    assert len(world.marts) == 19


def test_what_is_claimed_is_protected_and_some_other_is_not(world: World) -> None:
    assert all(world.marts[uri] for uri in world.registered | world.in_use)
    assert not world.marts["s3://train/runs/served/checkpoint-5000"]


def test_the_clean_up_sees_the_same_right_before_a_change(world: World) -> None:
    configuration = world.run.settings.configuration
    claims = Claims.of(claims_now(configuration, world.run.settings.base))

    needed = {uri for uri in world.marts if claims.on(uri)}

    assert needed == world.registered | world.in_use


def test_a_registry_that_has_stopped_protects_everything(world: World) -> None:
    world.server.stop()

    with pytest.raises(Transient, match="does not answer"):
        steps.ingest(world.run, "registry")
    with pytest.raises(Protected, match="cannot be read"):
        refuse_claimed(claims_now(world.run.settings.configuration, world.run.settings.base), world.marts)

    later = steps.open_run(world.run.settings.base / "moraine.yaml", date(2026, 11, 25), NOW)
    steps.build(later)
    stale = [result for result in steps.check(later) if result.check_id == "registry_is_fresh"]
    assert [(result.level, result.passed) for result in stale] == [("block", False)]
