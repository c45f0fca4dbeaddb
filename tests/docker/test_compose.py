import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.core import TyperGroup

from pipelines.demo.cli import app

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"

Service = Mapping[str, Any]


def load(path: Path) -> Any:  # noqa: ANN401  (a document)
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


COMPOSE: Mapping[str, Any] = load(DOCKER / "compose.yml")
SERVICES: Mapping[str, Service] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "moraine:local"}


def airflow_options() -> set[tuple[str, str]]:
    """Return the options of the installed Airflow, from its files: importing it would change logging."""
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    for folder in spec.submodule_search_locations:
        path = Path(folder, "config_templates", "config.yml")
        if path.is_file():
            sections: Mapping[str, Any] = load(path)
            return {(section, option) for section, entry in sections.items() for option in entry["options"]}
    raise AssertionError(spec.submodule_search_locations)


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from strings(item)
        case list():
            for item in value:
                yield from strings(item)


def make_secrets(file: Path) -> dict[str, str]:
    subprocess.run([DOCKER / "make-env.sh", file], check=True)
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_stack_has_airflow_in_parts_a_database_a_broker_a_worker_and_the_cloud() -> None:
    expected = {"api-server", "scheduler", "dag-processor", "worker", "migrate", "postgres", "redis", "cloud"}
    assert expected < SERVICES.keys()


def test_every_airflow_setting_exists_in_the_installed_airflow() -> None:
    known = airflow_options()
    named = {
        tuple(name.lower().split("__")[1:]) for name in COMPOSE["x-moraine"]["environment"] if "__" in name
    }
    own = {name for name in named if name[0] != "celery"}  # its provider is in an extra of its own
    assert own <= known
    assert named - own == {("celery", "broker_url"), ("celery", "result_backend")}


def test_no_secret_is_written_down() -> None:
    for name, value in (
        COMPOSE["x-moraine"]["environment"].items() | SERVICES["postgres"]["environment"].items()
    ):
        if re.search(r"PASSWORD|SECRET|KEY|CONN|BROKER|RESULT", name) and not name.startswith("AWS_"):
            assert re.search(r"\$\{[A-Z_]+:\?", value), name


def test_the_script_makes_every_secret_that_the_stack_asks_for(tmp_path: Path) -> None:
    made = make_secrets(tmp_path / "env")
    asked = {name for text in strings(COMPOSE) for name in re.findall(r"\$\{([A-Z_]+):\?", text)}
    assert made.keys() == asked
    assert all(len(value) >= 32 for value in made.values())
    assert len(set(made.values())) == len(made)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "env"
    made = make_secrets(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert make_secrets(file) == made
    assert make_secrets(tmp_path / "other") != made


def test_git_never_sees_the_secrets() -> None:
    assert ".env" in (DOCKER / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_only_airflows_pages_are_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:${MORAINE_PORT:-8080}:8080"]}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_who_is_waited_for_can_say_that_it_is_ready(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert SERVICES[other].get("healthcheck", {"test": "the image's"}).get("test"), other
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OURS.keys()))
def test_foreign_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z]+:\d+[a-z0-9.-]*", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_parts_run_with_no_capability_and_cannot_gain_one(name: str) -> None:
    assert OURS[name]["cap_drop"] == ["ALL"]
    assert OURS[name]["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in OURS[name], "the image's user is not root"


@pytest.mark.parametrize("name", ["cloud", "company"])
def test_the_company_is_started_by_commands_that_exist(name: str) -> None:
    assert SERVICES[name]["command"][:3] == ["python", "-m", "pipelines.demo"]
    command, *options = SERVICES[name]["command"][3:]
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    # Parses the options, and runs nothing.
    assert group.commands[command].make_context(command, options).params


def test_airflows_parts_are_started_by_commands_that_exist(tmp_path: Path) -> None:
    words = [service["command"][1:] for service in OURS.values() if service["command"][0] == "airflow"]
    own = [command for command in words if command[0] != "celery"]  # its provider is in an extra of its own
    assert len(own) == len(words) - 1
    parse = (
        "import json, sys; from airflow.cli.cli_parser import get_parser\n"
        "for words in json.loads(sys.argv[1]): print(get_parser().parse_args(words).func)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", parse, json.dumps(own)],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
