"""The demo from beginning to end: a company's cloud is started, its night and its clean-up run in Airflow.

The DAGs run in a process of their own, as they would under a scheduler; what they print is shown as it comes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.markup import escape

from pipelines import published, report
from pipelines.demo import training
from pipelines.demo.company import Company, make_company
from pipelines.demo.endpoint import DEMO_ENVIRONMENT, running_endpoint
from pipelines.demo.workspace import write_workspace
from pipelines.errors import Terminal
from pipelines.stores import LocalStore

REHEARSE = Path(__file__).resolve().parents[2] / "dags" / "rehearse.py"
HUMAN = "you, by starting the demo"


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the clean-up left on disk about itself."""

    plan: Mapping[str, Any]
    verification: Mapping[str, Any]
    directory: Path


def show(directory: Path, as_of: date, console: Console) -> None:
    """Run the demo in `directory`; what an earlier one left there is replaced.

    Raises:
        Terminal: a DAG failed; its message was printed.
    """
    console.print(f"[bold]Moraine demo[/] · Acme's storage on {as_of} · in {directory}/", highlight=False)
    company = make_company(as_of)
    _clear(directory)
    with running_endpoint(company) as endpoint:
        settings = write_workspace(directory, endpoint.url, as_of)
        said = f"{len(company.objects):,} objects in 3 buckets behind {endpoint.url}"
        console.print(f"the company's cloud is up: {said}", highlight=False)
        _rehearse(settings, as_of, console)
        held = _held(endpoint.url, training.BUCKET)
    _close(directory, settings, company, held, console)


def _clear(directory: Path) -> None:
    for name in ("lake", "tmp", "airflow"):
        shutil.rmtree(directory / name, ignore_errors=True)


def _rehearse(settings: Path, as_of: date, console: Console) -> None:
    """Run the three DAGs and show each task as it ends."""
    words = [sys.executable, str(REHEARSE), "--day", as_of.isoformat(), "--answer", "Approve"]
    words += [
        "--by",
        HUMAN,
        "--reason",
        "asked for by make demo",
        "--home",
        str(settings.parent / "airflow"),
    ]
    environment = os.environ | DEMO_ENVIRONMENT | {"MORAINE_CONFIG": str(settings.absolute())}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  (our own words)
        for line in process.stdout or ():
            console.print("  " + line.rstrip("\n"), markup=False, highlight=False)
    if process.returncode:
        raise Terminal(
            "a DAG of the demo failed",
            where=f"{settings.parent}/airflow/rehearsal.log",
            fix="Read the message above and the end of that log; 'make demo' starts over.",
        )


def _close(
    directory: Path, settings: Path, company: Company, held: Collection[str], console: Console
) -> None:
    lake = LocalStore(directory / "lake")
    with (
        _scratch() as scratch,
        closing(published.open_snapshot(lake, published.current(lake), scratch)) as facts,
    ):
        console.print()
        report.render_report(facts, console)
    cleared = list(_cleared(directory / "lake" / "plans"))
    for each in cleared:
        _print_cleared(each, console)
    _print_promises(company, held, console)
    _print_next(settings, cleared, console)


def _cleared(plans: Path) -> Iterator[Cleared]:
    for plan in sorted(plans.glob("*/plan.json")):
        verification = plan.with_name("verification.json")
        if verification.is_file():
            yield Cleared(json.loads(plan.read_text()), json.loads(verification.read_text()), plan.parent)


def _print_cleared(cleared: Cleared, console: Console) -> None:
    totals, checked = cleared.plan["totals"], cleared.verification
    console.print()
    console.rule(f"[bold]clean-up[/] · {escape(cleared.plan['id'])}", align="left")
    for what in ("archive", "delete", "keep"):
        total = totals[what]
        console.print(
            f"{what:8}{total['checkpoints']:>5} checkpoints {_tib(total['size_bytes']):>12}", highlight=False
        )
    saving = sum(Decimal(str(totals[what]["saving_usd_month"])) for what in ("archive", "delete"))
    console.print(f"saves   [bold]${saving:,.0f} a month[/], net of what stays", highlight=False)
    objects = sum(checked["checked"].values())
    verdict = "all as planned" if not checked["difference_count"] else f"{checked['difference_count']} differ"
    console.print(
        f"verified by listing the bucket again: {objects:,} objects looked for, {verdict}", highlight=False
    )


def _print_promises(company: Company, held: Collection[str], console: Console) -> None:
    """Say of each thing that must survive whether the bucket still holds it."""
    expected = company.expectations
    promises = {
        "the model that the registry serves": (expected.served,),
        "the best checkpoint of each run": expected.best,
        "the latest checkpoint of each run": expected.latest,
        "the interrupted save": (expected.interrupted,),
        "what only looks like a checkpoint": expected.lookalikes,
    }
    for what, uris in promises.items():
        kept = sum(any(uri == key or key.startswith(uri + "/") for key in held) for uri in uris)
        mark = "[green]kept[/]" if kept == len(uris) else "[bold red]GONE[/]"
        console.print(f"{mark}    {what}: {kept} of {len(uris)}", highlight=False)


def _print_next(settings: Path, plans: Iterable[Cleared], console: Console) -> None:
    console.rule("[bold]where to look next[/]", align="left")
    commands = [f"export MORAINE_CONFIG={settings}", ". .venv/bin/activate", "moraine report"]
    commands += ['moraine sql "select * from marts.prefix_costs order by effective_cost desc limit 10"']
    commands += [f"moraine-lifecycle show {cleared.plan['id']}" for cleared in plans]
    commands += ["make airflow        # the same DAGs in Airflow's own pages"]
    for command in commands:
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _held(url: str, bucket: str) -> frozenset[str]:
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=DEMO_ENVIRONMENT["AWS_DEFAULT_REGION"],
        aws_access_key_id=DEMO_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=DEMO_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return frozenset(f"s3://{bucket}/{item['Key']}" for page in pages for item in page.get("Contents", ()))


def _tib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**4:,.2f} TiB"


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
