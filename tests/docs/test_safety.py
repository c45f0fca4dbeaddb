"""Each promise of docs/safety.md names tests that exist, and each safety rule is promised."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
PROMISES = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
FOLDERS = ("unit/lifecycle", "properties", "sql", "integration")


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def known() -> set[str]:
    files = (path for folder in FOLDERS for path in (ROOT / "tests" / folder).rglob("test_*.py"))
    return set().union(*map(names_in, files))


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_names_tests_that_exist(promise: str, known: set[str]) -> None:
    named = set(re.findall(r"`(test_\w+)`", promise))
    assert named, "a promise without a test"
    assert named <= known


def test_every_safety_rule_is_promised() -> None:
    rules = names_in(ROOT / "tests" / "unit" / "lifecycle" / "test_safety_rules.py")
    numbers = {found.group(1) for name in rules if (found := re.match(r"test_rule_(\d+)_", name))}
    promised = set(re.findall(r"`test_rule_(\d+)_", PAGE))
    assert numbers == promised
