"""Plans as reviewers read them: facts and a policy in, `plan.json` and `plan.md` out, to the byte."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from lifecycle.decide import decide
from lifecycle.model import Facts, Plan, PlanFile
from lifecycle.plan import Terms, make_plan, plan_from_json, plan_to_json, seal
from lifecycle.policy import parse_policy
from lifecycle.render import plan_markdown

HOME = Path(__file__).parent
CASES = sorted(path.parent.name for path in HOME.glob("*/facts.yaml"))
GIB = 1024**3
FACTS = TypeAdapter(Facts)


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_what_was_reviewed(case: str, *, is_updating: bool) -> None:
    plan = planned(HOME / case)
    for name, text in (("plan.json", plan_to_json(plan) + "\n"), ("plan.md", plan_markdown(plan))):
        path = HOME / case / name
        if is_updating:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "see the difference; --update-golden accepts it"
    assert plan_from_json(plan_to_json(plan), origin=case) == plan


def planned(case: Path) -> Plan:
    policy = parse_policy(
        (case / "policy.yaml").read_text(encoding="utf-8"), origin=f"{case.name}/policy.yaml"
    )
    facts = read_facts(case / "facts.yaml")
    terms = Terms(datetime(2026, 11, 21, 6), "0.1.0+golden")
    plan = make_plan(facts, decide(facts, policy, facts.as_of), policy, terms)
    return seal(plan, [], PlanFile("survivors.parquet", "0" * 64, 0))


def read_facts(path: Path) -> Facts:
    """Read the short form: what all checkpoints share is said once, and one class holds all bytes."""
    document: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    shared = document.pop("shared")
    document["artifacts"] = [artifact({**shared, **said}) for said in document["artifacts"]]
    return FACTS.validate_python(document)


def artifact(said: dict[str, Any]) -> dict[str, Any]:
    uri = f"s3://{said['bucket']}/{said['run']}/{said.pop('name')}"
    size, objects = int(said.pop("gib") * GIB), said.pop("objects")
    share = {
        "storage_class": said.pop("storage_class"),
        "object_count": objects,
        "size_bytes": size,
        "movable_count": objects,
        "movable_bytes": size,
        "largest_bytes": size // objects,
    }
    cost = (Decimal(size) / GIB * Decimal("0.02")).quantize(Decimal("0.000001"))
    return {
        "checkpoint_id": uri,
        "uri": uri,
        "object_count": objects,
        "size_bytes": size,
        "cost_usd_month": cost,
        "classes": [share],
        **said,
    }
