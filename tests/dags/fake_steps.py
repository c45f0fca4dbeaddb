"""Stand-ins for `pipelines.steps` and `lifecycle.steps`, and a way to run a file with them.

    python -m tests.dags.fake_steps FILE [ARGUMENTS]

`FAKE_CALLS` names a file that gets a line per call. `FAKE_TROUBLE` says what goes wrong, for ever or a number
of times: `publish refused`, `build transient 1`. `FAKE_DELIVERIES` says how many are new (2), `FAKE_DAMAGE`
names one that is damaged. `FAKE_TWO_PEOPLE` names a plan that one person is not enough for.
"""

import os
import runpy
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lifecycle
import pipelines
from lifecycle.apply.chunk import ChunkReport
from lifecycle.model import Total, Totals
from pipelines.domain.deliveries import Rejected
from pipelines.domain.snapshots import CheckResult, Snapshot
from pipelines.errors import MoraineError, Refused, Terminal, Transient
from pipelines.steps import Chunk, IngestReport

CLEAN_UPS = {"stale-checkpoints": 3, "nothing-to-do": 0, "old-uploads": 2}
"""Policies, and how many objects each of their plans would delete."""

_ERRORS: dict[str, type[MoraineError]] = {"refused": Refused, "terminal": Terminal, "transient": Transient}


@dataclass(frozen=True, slots=True)
class Run:
    config: Path
    now: datetime
    as_of: date = date.min


class Night(ModuleType):
    """Looks like `pipelines.steps`."""

    def open_run(self, config: Path, as_of: date, now: datetime) -> Run:
        return Run(config, now, as_of)

    def source_names(self, run: Run) -> list[str]:
        _called("source_names", run.as_of)
        return ["aws-bill", "train"]

    def find(self, run: Run, source: str) -> tuple[IngestReport, list[Chunk]]:
        _called("find", run.as_of, source)
        report = IngestReport(source, known=7, warnings=("one thing could not be looked at",))
        count = int(os.environ.get("FAKE_DELIVERIES", "2")) if source == "train" else 0
        return report, [Chunk(source, "s3_inventory", f"d{number}", 0, 4) for number in range(count)]

    def land(self, run: Run, chunk: Chunk) -> Rejected | None:
        _called("land", run.as_of, chunk.source, chunk.delivery_id)
        return damage() if chunk.delivery_id == os.environ.get("FAKE_DAMAGE") else None

    def finish(self, run: Run, source: str, chunks: Iterable[Chunk]) -> IngestReport:
        ids = [chunk.delivery_id for chunk in chunks]
        _called("finish", run.as_of, source, *ids)
        return IngestReport(source, landed=len(ids), rows=10 * len(ids))

    def quarantined(self, run: Run) -> list[Rejected]:
        _called("quarantined", run.as_of)
        return [damage()] if "FAKE_DAMAGE" in os.environ else []

    def build(self, run: Run) -> SimpleNamespace:
        _called("build", run.as_of)
        return SimpleNamespace(build_id="b1")

    def check(self, run: Run) -> list[CheckResult]:
        _called("check", run.as_of)
        return [
            CheckResult("c1", "costs_daily", "block", passed=True, observed="0", expected="0", reason="r"),
            CheckResult("c2", "costs_daily", "warn", passed=False, observed="1", expected="0", reason="r"),
        ]

    def publish(self, run: Run) -> Snapshot:
        _called("publish", run.as_of)
        return Snapshot(f"{run.as_of}-abc", run.as_of, run.now, "published/x/warehouse.duckdb", "0.1.0")


class Cleaning(ModuleType):
    """Looks like `lifecycle.steps`."""

    def open_run(self, config: Path, now: datetime) -> Run:
        return Run(config, now)

    def policies(self, run: Run) -> list[str]:
        _called("policies", run.config)
        return [f"policies/{name}.yaml" for name in CLEAN_UPS]

    def plan(self, run: Run, policy_path: Path) -> SimpleNamespace:
        _called("plan", policy_path)
        assert run.now.tzinfo is None
        return SimpleNamespace(id=policy_path.stem)

    def show(self, run: Run, plan: str) -> Any:  # noqa: ANN401  (as `fake_plan`)
        assert run.now.tzinfo is None
        return fake_plan(plan)

    def approve(self, run: Run, plan: str, by: str, reason: str, *, is_second: bool = False) -> None:
        if is_second and by in _approvers(plan):
            raise Refused("a second person has to approve", where=plan, fix="Let somebody else say so.")
        _called("approve", plan, by, reason)
        assert run.now.tzinfo is None

    def second_needed(self, run: Run, plan: str) -> str:
        assert run.now.tzinfo is None
        is_needed = plan == os.environ.get("FAKE_TWO_PEOPLE") and len(_approvers(plan)) == 1
        return "3 objects for good" if is_needed else ""

    def chunks(self, run: Run, plan: str) -> list[str]:
        _called("chunks", plan)
        assert run.now.tzinfo is None
        return ["chunk-00000", "chunk-00001"]

    def apply_chunk(self, run: Run, plan: str, chunk: str) -> SimpleNamespace:
        _called("apply_chunk", plan, chunk)
        assert run.now.tzinfo is None
        return SimpleNamespace(plan_id=plan, chunks=(ChunkReport(chunk, {"done": 2}),))

    def verify(self, run: Run, plan: str) -> SimpleNamespace:
        _called("verify", plan)
        assert run.now.tzinfo is None
        return SimpleNamespace(plan_id=plan, is_clean=True, checked={"deleted": 4})


def damage(delivery_id: str = "d1") -> Rejected:
    """Return a delivery that was put in quarantine."""
    return Rejected(
        source="train",
        kind="s3-inventory",
        table="s3_inventory",
        delivery_id=delivery_id,
        scope="train",
        delivered_at=datetime(2026, 11, 20, 1, tzinfo=UTC).replace(tzinfo=None),
        checksum="c",
        reason="a data file is cut short",
        where=f"s3://inventories/{delivery_id}.csv.gz",
        fix="Have it delivered again.",
    )


def fake_plan(name: str) -> Any:  # noqa: ANN401  (has what the question reads of a Plan, and no more)
    """Return what the question reads of a plan that deletes for good."""
    objects = CLEAN_UPS[name]
    deleted = Total(1, objects, 4096, saving_usd_month=Decimal("1234.567"))
    return SimpleNamespace(
        id=name,
        policy=SimpleNamespace(name=name),
        chunks=("chunk-00000",) if objects else (),
        warnings=("this is not undone by itself",),
        totals=Totals(Total(), Total(), deleted, runs=1, objects_for_good=objects),
        expires_at=datetime(2026, 11, 22, 8, 30, tzinfo=UTC).replace(tzinfo=None),
    )


def install() -> None:
    """Put the fakes where `from pipelines import steps` and `from lifecycle import steps` find them."""
    for package, fake in ((pipelines, Night("pipelines.steps")), (lifecycle, Cleaning("lifecycle.steps"))):
        sys.modules[fake.__name__] = fake
        vars(fake)["Chunk"] = Chunk
        vars(package)["steps"] = fake


def _approvers(plan: str) -> set[str]:
    calls = [line.split() for line in Path(os.environ["FAKE_CALLS"]).read_text(encoding="utf-8").splitlines()]
    return {words[2] for words in calls if words[:2] == ["approve", plan]}


def _called(name: str, *arguments: object) -> None:
    calls = Path(os.environ["FAKE_CALLS"])
    with calls.open("a", encoding="utf-8") as log:
        log.write(" ".join([name, *map(str, arguments)]) + "\n")
    step, kind, times = [*os.environ.get("FAKE_TROUBLE", "").split(), "", "", ""][:3]
    so_far = sum(line.split()[0] == name for line in calls.read_text(encoding="utf-8").splitlines())
    if step == name and so_far <= int(times or sys.maxsize):
        raise _ERRORS[kind]("it did not work", where=f"the fake {name}", fix="Leave it alone.")


if __name__ == "__main__":
    install()
    del sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
