import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
# A backslash at the end of a line continues the instruction.
TEXT = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
INSTRUCTIONS = [line.split(None, 1) for line in TEXT.splitlines() if line and not line.startswith("#")]


def instructions(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_the_image_is_installed_by_the_script_that_a_laptop_uses() -> None:
    assert "docker/install.sh /opt/moraine celery,demo --no-editable" in instructions("RUN")
    assert "docker/install.sh" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_what_is_copied_into_the_image_exists_and_is_let_in() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    copied = [path for rest in instructions("COPY") if "--from" not in rest for path in rest.split()[:-1]]
    assert sorted(copied) == sorted(let_in)
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_nothing_in_the_image_runs_as_root() -> None:
    last_stage = INSTRUCTIONS[max(n for n, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]
    users = [rest for name, rest in last_stage if name == "USER"]
    assert users == ["50000"]
    assert [name for name, _ in last_stage].index("USER") < [name for name, _ in last_stage].index("CMD")


def test_the_image_says_whether_it_is_well_and_what_it_is() -> None:
    assert len(instructions("HEALTHCHECK")) == 1
    assert "org.opencontainers.image.licenses" in instructions("LABEL")[0]


def test_base_images_have_a_version() -> None:
    assert {rest.split()[0] for rest in instructions("FROM")} == {"python:3.11-slim"}


def test_the_scripts_are_shell_that_parses_and_may_be_run() -> None:
    for script in DOCKER.glob("*.sh"):
        subprocess.run(["/bin/sh", "-n", script], check=True)
        assert script.stat().st_mode & 0o111, script
