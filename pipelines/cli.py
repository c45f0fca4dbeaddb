"""`moraine`: parse, call a step, print, exit code. It reads clouds and changes no bucket but its own lake."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from pipelines import doctor as doctoring
from pipelines import printing, report, steps
from pipelines.domain.snapshots import CheckResult, Snapshot
from pipelines.errors import MoraineError

EXIT_CODES = "Exit codes: 0 done or nothing to do · 1 error · 4 refused (a gate failed)."

app = typer.Typer(
    name="moraine",
    help=f"What AI workloads leave in cloud storage, and what it costs.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_console = Console(stderr=True)

Config = Annotated[
    Path, typer.Option("--config", envvar="MORAINE_CONFIG", help="The settings file.", show_default=True)
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day to work on (UTC); yesterday unless said."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
CONFIG = Path("moraine.yaml")


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def main() -> None:
    """Run the program; every known error ends as one message and its exit code."""
    try:
        app()
    except MoraineError as error:
        _console.print("[bold red]error[/] ", end="")
        _console.print(str(error), markup=False, highlight=False)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  (the edge of the program: no traceback for people who did not ask)
        if os.environ.get("MORAINE_DEBUG"):
            traceback.print_exc()
        _console.print(f"[bold red]unexpected error[/] {type(error).__name__}", highlight=False)
        _console.print("  fix:   Set MORAINE_DEBUG=1 for the details and report them.", highlight=False)
        sys.exit(1)


@app.command()
def run(config: Config = CONFIG, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Do a whole night: ingest, build, check, publish.

    Example: moraine run --as-of 2026-11-20
    """
    night = _open(config, as_of)
    ingested = [_ingest(night, source) for source in steps.source_names(night)]
    with _working("building the warehouse"):
        built = steps.build(night)
    with _working("checking it"):
        results = steps.check(night)
    _show_checks([result for result in results if not result.passed])
    snapshot = steps.publish(night)
    _done(snapshot)
    if as_json:
        printing.print_json({"sources": ingested, "build": built, "checks": results, "snapshot": snapshot})


@app.command()
def ingest(
    source: Annotated[list[str] | None, typer.Argument(help="Sources to read; all unless named.")] = None,
    config: Config = CONFIG,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Land new deliveries in the lake.

    Example: moraine ingest aws-bill
    """
    night = _open(config, as_of)
    ingested = [_ingest(night, name) for name in source or steps.source_names(night)]
    if as_json:
        printing.print_json(ingested)


@app.command()
def build(config: Config = CONFIG, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Build the day's warehouse from what has landed.

    Example: moraine build --as-of 2026-11-20
    """
    night = _open(config, as_of)
    with _working("building the warehouse"):
        built = steps.build(night)
    _console.print(f"built {built.models} models from {built.deliveries} deliveries")
    if as_json:
        printing.print_json(built)


@app.command()
def check(config: Config = CONFIG, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Judge the day's warehouse; exit code 4 when a blocking check failed.

    Example: moraine check
    """
    night = _open(config, as_of)
    with _working("checking the warehouse"):
        results = steps.check(night)
    _show_checks(results)
    if as_json:
        printing.print_json(results)
    if any(not result.passed and result.level == "block" for result in results):
        raise typer.Exit(4)


@app.command()
def publish(config: Config = CONFIG, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Make the day's checked warehouse the one everybody reads.

    Example: moraine publish
    """
    snapshot = steps.publish(_open(config, as_of))
    _done(snapshot)
    if as_json:
        printing.print_json(snapshot)


@app.command(name="report")
def report_(
    config: Config = CONFIG,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="A file; standard output unless said.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the published snapshot says, for people.

    Example: moraine report --format csv --out costs.csv
    """
    with steps.published(_open(config, None)) as (_, connection):
        for_terminal = out is None and sys.stdout.isatty()
        name = "json" if as_json else form.value
        text = report.render(connection, name, width=_console.width, color=for_terminal)
    _write(text, out)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One statement over the schema marts.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Query the published snapshot, read only.

    Example: moraine sql "select team, sum(effective_cost) from marts.costs_daily group by all"
    """
    with steps.published(_open(config, None)) as (_, connection):
        columns, rows = steps.query(connection, query)
    if as_json:
        printing.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        printing.print_table(columns, rows)


@app.command()
def why(
    uri: Annotated[str, typer.Argument(help="s3://bucket/key of an object or a checkpoint.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell everything known about one object or checkpoint.

    Example: moraine why s3://train/runs/nlp/chat/checkpoint-500/
    """
    with steps.published(_open(config, None)) as (_, connection):
        explanation = report.explain(connection, uri)
    if as_json:
        printing.print_json(explanation)
    else:
        report.print_explanation(explanation, Console())


@app.command()
def where(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Print the path of the published DuckDB file.

    Example: duckdb "$(moraine where)"
    """
    path = steps.warehouse_path(_open(config, None))
    if as_json:
        printing.print_json({"warehouse": str(path)})
    else:
        sys.stdout.write(f"{path}\n")


@app.command()
def doctor(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Say what works and what to fix: settings, stores, permissions, freshness.

    Example: moraine doctor
    """
    findings = doctoring.examine(_open(config, None))
    if as_json:
        printing.print_json(findings)
    else:
        printing.print_table(
            ("", "what", "found", "fix"),
            [(("ok" if f.works else "no"), f.what, f.found, f.fix) for f in findings],
        )
    if not all(finding.works for finding in findings):
        raise typer.Exit(1)


def _open(config: Path, as_of: datetime | None) -> steps.Run:
    now = datetime.now(UTC).replace(tzinfo=None)
    day: date = as_of.date() if as_of else now.date() - timedelta(days=1)
    return steps.open_run(config, day, now)


def _ingest(night: steps.Run, source: str) -> steps.IngestReport:
    with _working(f"reading {source}"):
        ingested = steps.ingest(night, source)
    _console.print(f"{source}: {ingested.landed} new deliveries, {ingested.rows:,} rows", highlight=False)
    for warning in ingested.warnings:
        _console.print("  [yellow]note[/] ", end="")
        _console.print(warning, markup=False, highlight=False)
    return ingested


def _show_checks(results: list[CheckResult]) -> None:
    for result in results:
        mark = "ok" if result.passed else result.level
        line = f"{mark:5} {result.check_id}: {result.observed} (expected {result.expected})"
        _console.print(line, markup=False, highlight=False)


def _done(snapshot: Snapshot) -> None:
    _console.print(f"published {snapshot.snapshot_id}; next: moraine report", highlight=False)


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show that something is going on, on a terminal only."""
    if not _console.is_terminal:
        yield
        return
    with Status(f"{what} …", console=_console):
        yield


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    _console.print(f"wrote {out}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
