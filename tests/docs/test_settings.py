"""What the README and the examples say to write is accepted; the editors' schema is the one of the code."""

import json
import re
from pathlib import Path

import pytest

from lifecycle.policy import parse_policy
from pipelines.domain.configuration import Configuration, parse_configuration
from pipelines.domain.pins import parse_pins

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^ *```yaml\n(.*?)^ *```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
SCHEMA = ROOT / "docs" / "moraine.schema.json"


def test_the_settings_of_the_readme_are_accepted() -> None:
    (settings,) = [block for block in BLOCKS if "lake:" in block]
    assert parse_configuration(settings, origin="README.md").sources


def test_the_recipients_of_the_readme_are_accepted() -> None:
    (notify,) = [block for block in BLOCKS if block.startswith("notify:")]
    smallest = "lake: lake\nsources: [{name: bill, kind: focus, uri: bills}]\n"
    assert len(parse_configuration(smallest + notify, origin="README.md").notify) == 3


def test_the_policy_of_the_readme_is_accepted() -> None:
    (policy,) = [block for block in BLOCKS if "quiet_for:" in block]
    assert parse_policy(policy, origin="README.md").name == "stale-checkpoints"


def test_the_pins_of_the_readme_are_accepted() -> None:
    (pins,) = [block for block in BLOCKS if block.startswith("pins:")]
    assert len(parse_pins(pins, origin="README.md").pins) == 2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "lifecycle" / "policies").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_example_policy_is_accepted(path: Path) -> None:
    assert parse_policy(path.read_text(encoding="utf-8"), origin=str(path)).name


def test_the_schema_for_editors_is_the_one_of_the_code() -> None:
    """To write it anew: python tests/docs/test_settings.py."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Configuration.model_json_schema()


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(Configuration.model_json_schema(), indent=2) + "\n", encoding="utf-8")
