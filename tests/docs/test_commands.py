"""Every command is in the README and explains itself; what the README says to type exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import lifecycle.cli
import pipelines.cli
import pipelines.demo.cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"moraine": pipelines.cli.app, "moraine-lifecycle": lifecycle.cli.app}


def commands(program: str, app: typer.Typer) -> list[str]:
    group = typer.main.get_command(app)
    return [f"{program} {name}" for name in getattr(group, "commands", {})]


ALL = [line for program, app in PROGRAMS.items() for line in commands(program, app)]


@pytest.mark.parametrize("command", ALL)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`{command}" in README or command in README


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_explains_itself_with_an_example(program: str) -> None:
    group = typer.main.get_command(PROGRAMS[program])
    for name, command in getattr(group, "commands", {}).items():
        for each in getattr(command, "commands", {name: command}).values():
            assert "Example:" in str(each.help), f"{program} {name} has no example"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)\b", README))
    assert named
    assert named <= targets


def test_the_test_command_that_ci_reads_is_in_the_readme() -> None:
    assert "\n$ make test\n" in README


@pytest.mark.parametrize("module", ["pipelines.cli", "lifecycle.cli"])
def test_the_programs_start_without_heavy_imports(module: str) -> None:
    """`--help` answers at once: what takes seconds to import is imported by the command that needs it."""
    heavy = {"great_expectations", "pandas", "boto3", "airflow"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", ["dags", "pipelines", "sql", "lifecycle", "tests", "docker"])
def test_every_top_folder_opens_with_a_page_of_one_screen(folder: str) -> None:
    page = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# ")
    assert len(re.sub(r"```.*?```", "", page, flags=re.DOTALL).splitlines()) <= 60, "transcripts not counted"
