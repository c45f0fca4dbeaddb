"""`moraine`: parse, call a step, print, exit code. It reads clouds and changes no bucket but its own lake."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.status import Status

from pipelines import doctor as doctoring
from pipelines import gates, printing, report, steps
from pipelines.domain.snapshots import CheckResult, Snapshot
from pipelines.domain.text import visible
from pipelines.errors import MoraineError, Terminal
from pipelines.report import differences, shelf
from pipelines.report.figures import counted

EXIT_CODES = (
    "Exit codes: 0 done or nothing to do · 1 error · 3 done, but a delivery is damaged and in quarantine · "
    "4 refused (a gate failed)."
)

app = typer.Typer(
    name="moraine",
    help=f"What AI workloads leave in cloud storage, and what it costs.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
kept = typer.Typer(help="The published snapshots: list, compare, go back.", no_args_is_help=True)
app.add_typer(kept, name="snapshots")
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
NAMES = "An id or how it begins, a day (its newest snapshot), 'current' or 'previous'."
MOST_MOVED = 10
"""Changes of one figure that the screen shows; --json has them all."""


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class _Ingested:
    """What all sources brought, and what kept some from being read."""

    reports: list[steps.IngestReport] = field(default_factory=list)
    errors: list[MoraineError] = field(default_factory=list)


def main() -> None:
    """Run the program; every known error ends as one message and its exit code."""
    try:
        app()
    except MoraineError as error:
        _show_error(error, "error")
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
    ingested = _ingest_all(night, steps.source_names(night))
    _exit_if_unread(ingested)
    with _working("building the warehouse"):
        built = steps.build(night)
    with _working("checking it"):
        results = steps.check(night)
    _show_checks([result for result in results if not result.passed])
    snapshot = steps.publish(night)
    _done(night, snapshot)
    if as_json:
        printing.print_json(
            {"sources": ingested.reports, "build": built, "checks": results, "snapshot": snapshot}
        )
    _exit_if_damaged(ingested)


@app.command()
def ingest(
    source: Annotated[list[str] | None, typer.Argument(help="Sources to read; all unless named.")] = None,
    config: Config = CONFIG,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Land new deliveries in the lake.

    A damaged delivery is quarantined with its reason; all others, and all other sources, go on.

    Example: moraine ingest aws-bill
    """
    night = _open(config, as_of)
    ingested = _ingest_all(night, source or steps.source_names(night))
    if as_json:
        printing.print_json(ingested.reports)
    _exit_if_unread(ingested)
    _exit_if_damaged(ingested)


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
def check(
    config: Config = CONFIG,
    as_of: AsOf = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the results as one page that works offline.")
    ] = None,
    data_docs: Annotated[
        Path | None,
        typer.Option(
            "--data-docs",
            help="A directory for Great Expectations' own pages; they load scripts from the internet.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge the day's warehouse; exit code 4 when a blocking check failed.

    Below a check that failed stand up to 20 of the rows that are wrong.

    Example: moraine check --html checks.html
    """
    night = _open(config, as_of)
    with _working("checking the warehouse"):
        results = steps.check(night, data_docs)
    _show_checks(results)
    if html is not None:
        _write(gates.render_page(results, night.as_of), html)
    if as_json:
        printing.print_json(results)
    if any(not result.passed and result.level == "block" for result in results):
        raise typer.Exit(4)


@app.command()
def publish(config: Config = CONFIG, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Make the day's checked warehouse the one everybody reads.

    A day older than the current snapshot's is published beside it: the current one stays.

    Example: moraine publish
    """
    night = _open(config, as_of)
    snapshot = steps.publish(night)
    _done(night, snapshot)
    if as_json:
        printing.print_json(snapshot)


@app.command(name="report")
def report_(
    config: Config = CONFIG,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="A file; standard output unless said.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the published snapshot says, for people: on the screen, as a page, for spreadsheets.

    Example: moraine report --format xlsx --out costs.xlsx
    """
    for_terminal = out is None and sys.stdout.isatty()
    name = "json" if as_json else form.value
    if name == Format.XLSX and for_terminal:
        raise Terminal(
            "a workbook is nothing for a screen", where="--format xlsx", fix="Add --out costs.xlsx."
        )
    with steps.published(_open(config, None)) as (_, connection):
        if name == Format.XLSX:
            content: str | bytes = report.render_workbook(connection)
        else:
            content = report.render(connection, name, width=_console.width, color=for_terminal)
    _write(content, out)


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
    uri: Annotated[str, typer.Argument(help="s3:// or gs:// of an object, checkpoint, run or folder.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell everything known about one object, checkpoint, run or folder, and who needs it.

    Example: moraine why s3://train/runs/nlp/chat/checkpoint-500/
    """
    run = _open(config, None)
    with steps.published(run) as (snapshot, connection):
        explanation = report.explain(connection, uri, steps.listings(run, snapshot.as_of, uri))
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


@kept.command(name="list")
def list_(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """List the published snapshots, the newest day last, and why each is kept; * is the current one.

    Example: moraine snapshots list
    """
    lines = shelf.listed(steps.stored(_open(config, None)))
    if as_json:
        printing.print_json(lines)
    else:
        printing.print_table(shelf.COLUMNS, shelf.for_people(lines))


@kept.command()
def diff(
    before: Annotated[str, typer.Argument(help=NAMES)] = "previous",
    after: Annotated[str, typer.Argument(help=NAMES)] = "current",
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say which figures moved from one snapshot to another, and by how much.

    Example: moraine snapshots diff 2026-11-19 2026-11-20
    """
    found = steps.compare(_open(config, None), before, after)
    if as_json:
        printing.print_json(found)
        return
    _show("", f"from {found.before.snapshot_id} to {found.after.snapshot_id}: {_moved(found)}")
    if found.moved:
        printing.print_table(differences.COLUMNS, differences.for_people(found, MOST_MOVED))


@kept.command()
def rollback(
    snapshot: Annotated[str, typer.Argument(help=NAMES)], config: Config = CONFIG, as_json: AsJson = False
) -> None:
    """Make another snapshot the one everybody reads; the next newer day that is published takes over.

    Plans of moraine-lifecycle that were made from another snapshot are refused as stale from then on.

    Example: moraine snapshots rollback 2026-11-19
    """
    done = steps.roll_back(_open(config, None), snapshot)
    if as_json:
        printing.print_json(done)
    elif not done.has_moved:
        _show("", f"{done.current.snapshot_id} is current already; nothing was changed")
    else:
        was = f"; before it was {done.before.snapshot_id}" if done.before else ""
        _show("", f"current is now {done.current.snapshot_id}{was}")


@kept.command()
def prune(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Remove the snapshots that nothing keeps, as every publication does by itself.

    Example: moraine snapshots prune
    """
    removed = steps.prune(_open(config, None))
    if as_json:
        printing.print_json({"removed": removed})
    else:
        _show("", "\n  ".join([f"removed {counted(len(removed), 'snapshot')}", *removed]))


def _open(config: Path, as_of: datetime | None) -> steps.Run:
    now = datetime.now(UTC).replace(tzinfo=None)
    day: date = as_of.date() if as_of else now.date() - timedelta(days=1)
    return steps.open_run(config, day, now)


def _ingest_all(night: steps.Run, names: Iterable[str]) -> _Ingested:
    """Read every source, whatever becomes of the others; each error is said when it happens."""
    ingested = _Ingested()
    for name in names:
        try:
            ingested.reports.append(_ingest(night, name))
        except MoraineError as error:
            ingested.errors.append(error)
            _show_error(error, f"error in {name}")
    return ingested


def _ingest(night: steps.Run, source: str) -> steps.IngestReport:
    with _progress(source) as progress:
        report = steps.ingest(night, source, progress)
    landed = counted(report.landed, "new delivery", "new deliveries")
    history = f"; {report.replaced:,} damaged, replaced by newer ones" if report.replaced else ""
    _console.print(f"{source}: {landed}, {counted(report.rows, 'row')}{history}", highlight=False)
    for warning in report.warnings:
        _show("  [yellow]note[/] ", warning)
    for rejected in report.quarantined:
        where, fix = visible(rejected.where), visible(rejected.fix)
        _show("  [red]quarantined[/] ", f"{visible(rejected.reason)}\n    where: {where}\n    fix:   {fix}")
    return report


def _exit_if_unread(ingested: _Ingested) -> None:
    if ingested.errors:
        what = counted(len(ingested.errors), "source")
        story = "could not be read: mend that and run it again; the others have landed"
        _console.print(f"{what} {story}", highlight=False)
        # An error weighs more than a refusal: it has the smaller code.
        raise typer.Exit(min(error.exit_code for error in ingested.errors))


def _exit_if_damaged(ingested: _Ingested) -> None:
    damaged = sum(len(report.quarantined) for report in ingested.reports)
    if damaged:
        what = counted(damaged, "delivery is", "deliveries are")
        story = "damaged and in quarantine; what landed before stays in force"
        _console.print(f"{what} {story}", highlight=False)
        raise typer.Exit(3)


def _moved(found: differences.Differences) -> str:
    told = counted(len(found.moved), "figure") + " moved"
    untold = ", ".join(found.not_compared)
    return f"{told}; of another version, so not compared: {untold}" if untold else told


def _show_error(error: MoraineError, title: str) -> None:
    # Keys of buckets stand in messages: they must not move the cursor. The message's own lines stay lines.
    text = "\n".join(map(visible, str(error).split("\n")))
    _show(f"[bold red]{title}[/] ", text)


def _show(mark: str, text: str) -> None:
    _console.print(mark, end="")
    # A line is not cut: paths and commands in it are there to be copied.
    _console.print(text, markup=False, highlight=False, soft_wrap=True)


def _show_checks(results: list[CheckResult]) -> None:
    for line in gates.result_lines(results):
        # Keys among the offenders are there to be copied: a line is not cut.
        _console.print(line, markup=False, highlight=False, soft_wrap=True)


def _done(night: steps.Run, snapshot: Snapshot) -> None:
    current = steps.current(night)
    if current == snapshot:
        _console.print(f"published {snapshot.snapshot_id}; next: moraine report", highlight=False)
        return
    story = f"{current.snapshot_id} stays current: it is about a newer day"
    _show(f"published {snapshot.snapshot_id}; ", story)
    _show("  to make it current: ", f"moraine snapshots rollback {snapshot.snapshot_id}")


@contextmanager
def _progress(source: str) -> Iterator[steps.Progress]:
    """Show a bar over the parts of each delivery, on a terminal only."""
    columns = (SpinnerColumn(), TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=_console, transient=True, disable=not _console.is_terminal) as bars:
        bars.add_task(source, total=None)

        @contextmanager
        def shown(name: str, parts: int) -> Iterator[Callable[[], None]]:
            bar = bars.add_task(f"{source} {name}", total=parts)
            try:
                yield lambda: bars.advance(bar)
            finally:
                bars.remove_task(bar)

        yield shown


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show that something is going on, on a terminal only."""
    if not _console.is_terminal:
        yield
        return
    with Status(f"{what} …", console=_console):
        yield


def _write(content: str | bytes, out: Path | None) -> None:
    if out is None:
        _write_out(content)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        what = f"the file cannot be written: {error.strerror}"
        raise Terminal(what, where=str(out), fix="Name another file.") from None
    _show("", f"wrote {out}")


def _write_out(content: str | bytes) -> None:
    if isinstance(content, str):
        sys.stdout.write(content)
    else:
        sys.stdout.buffer.write(content)


if __name__ == "__main__":
    main()
