"""Plans as reviewers read them: facts and a policy in, `plan.json`, `decisions.json` and `plan.md` out.

`decisions.json` is what `decisions.parquet` holds, readable.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from lifecycle.decide.checkpoints import by_run, decide, run_of
from lifecycle.decide.datasets import Dataset, Reads, decide_datasets
from lifecycle.decide.versions import Staying, VersionSet, decide_versions
from lifecycle.model import Artifact, Decision, Line, Plan, PlanFile, Surroundings
from lifecycle.plan.document import Tally, Terms, make_plan, plan_from_json, plan_to_json, priced, seal
from lifecycle.policy import Policy, parse_policy
from lifecycle.render import plan_markdown
from pipelines.domain.text import to_json

HOME = Path(__file__).parent
CASES = sorted(path.parent.name for path in HOME.glob("*/facts.yaml"))
GIB = 1024**3
AROUND = TypeAdapter(Surroundings)
ARTIFACTS = TypeAdapter(tuple[Artifact, ...])
RANKS = {"archive": 0, "delete": 1, "keep": 2}


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_what_was_reviewed(case: str, *, is_updating: bool) -> None:
    plan, lines = planned(HOME / case)
    shown = {
        "plan.json": plan_to_json(plan) + "\n",
        "decisions.json": to_json(lines) + "\n",
        "plan.md": plan_markdown(plan, [line for line in lines if line.is_change]),
    }
    for name, text in shown.items():
        path = HOME / case / name
        if is_updating:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "see the difference; --update-golden accepts it"
    assert plan_from_json(plan_to_json(plan), origin=case) == plan


def planned(case: Path) -> tuple[Plan, list[Line]]:
    policy = parse_policy(
        (case / "policy.yaml").read_text(encoding="utf-8"), origin=f"{case.name}/policy.yaml"
    )
    around, artifacts = read_facts(case / "facts.yaml")
    tally, terms = Tally(), Terms(datetime(2026, 11, 21, 6), "0.1.0+golden")
    decisions = decided(case, policy, around, artifacts)
    lines = sorted(tally.counting(priced(decisions, around)), key=lambda line: RANKS[line.decision])
    plan = make_plan(tally, around, policy, terms)
    empty = (PlanFile(name, "0" * 64, 0) for name in ("decisions.parquet", "survivors.parquet"))
    return seal(plan, next(empty), [], next(empty)), lines


def decided(
    case: Path, policy: Policy, around: Surroundings, artifacts: tuple[Artifact, ...]
) -> Iterable[Decision]:
    """Decide on checkpoints; or on folders and datasets, of which `beside.yaml` says more, in their order."""
    if policy.match.kind == "checkpoint":
        return decide(by_run(sorted(artifacts, key=run_of)), around, policy, around.as_of)
    beside = YAML(typ="safe").load((case / "beside.yaml").read_text(encoding="utf-8"))
    both = list(zip(artifacts, beside, strict=True))
    if policy.match.kind == "dataset":
        datasets = (Dataset(found, said["store_sign"], Reads(**said["reads"])) for found, said in both)
        return decide_datasets(datasets, around, policy, around.as_of)
    folders = (
        VersionSet(found, is_due=said["due"], staying=Staying(**said["staying"])) for found, said in both
    )
    return decide_versions(folders, around, policy)


def read_facts(path: Path) -> tuple[Surroundings, tuple[Artifact, ...]]:
    """Read the short form: what all checkpoints share is said once, and one class holds all bytes."""
    document: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    shared = document.pop("shared")
    artifacts = [artifact({**shared, **said}) for said in document.pop("artifacts")]
    return AROUND.validate_python(document), ARTIFACTS.validate_python(artifacts)


def artifact(said: dict[str, Any]) -> dict[str, Any]:
    uri = f"{said.pop('scheme', 's3')}://{said['bucket']}/{said['run']}/{said.pop('name')}"
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
