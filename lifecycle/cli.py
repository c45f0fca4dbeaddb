"""`moraine-lifecycle`: parse, call a step, print, exit code. The only program that can change a bucket."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lifecycle import render, steps
from lifecycle.plan import plan_to_json
from lifecycle.policy import sentences
from pipelines.domain.text import to_json, visible
from pipelines.errors import MoraineError

NOTHING_TO_DO, HAS_CHANGES, SOME_FAILED = 0, 2, 3
EXIT_CODES = (
    "Exit codes: 0 done or nothing to do · 1 error · 2 the plan has changes · 3 some actions failed · "
    "4 refused (a gate, a limit, a stale or unapproved plan)."
)

app = typer.Typer(
    name="moraine-lifecycle",
    help=f"Archive and delete what nobody needs: plan, approve, apply, verify.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
policies = typer.Typer(help="Look at retention policies.", no_args_is_help=True)
app.add_typer(policies, name="policy")
_console = Console(stderr=True)
_output = Console()

CONFIG = Path("moraine.yaml")
Config = Annotated[Path, typer.Option("--config", envvar="MORAINE_CONFIG", help="The settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="A plan's directory, or its id.")]
Uri = Annotated[str, typer.Argument(metavar="URI", help="s3://bucket/key")]


def main() -> None:
    """Run the program; every known error ends as one message and its exit code."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except MoraineError as error:
        _say_error("refused" if error.exit_code == 4 else "error", str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        _say_error("stopped", "by hand; run the same command again to go on")
        code = 1
    except Exception as error:  # noqa: BLE001  (the edge of the program: no traceback for people who did not ask)
        code = _unexpected(error)
    sys.exit(code or 0)


@app.command()
def plan(
    policy: Annotated[Path, typer.Option("--policy", help="The retention policy.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where the plan's folder goes.")] = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Decide what should go and write it down; nothing is changed. Exit code 2 when there is something to do.

    Example: moraine-lifecycle plan --policy lifecycle/policies/stale-checkpoints.yaml
    """
    run = steps.open_run(config)
    with _working("deciding"):
        report = steps.plan(run, policy, out)
    if as_json:
        _print_json(report)
    else:
        _output.print(render.plan_text(steps.show(run, report.path)))
    _console.print(f"wrote {report.path}", markup=False, highlight=False, soft_wrap=True)
    if report.has_changes:
        _console.print(
            f"next: moraine-lifecycle approve {report.id} --by NAME", markup=False, highlight=False
        )
    raise typer.Exit(HAS_CHANGES if report.has_changes else NOTHING_TO_DO)


@app.command()
def show(plan: PlanName, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Show a plan for people: what changes, what it saves, why the rest stays.

    Example: moraine-lifecycle show stale-checkpoints-2026-11-20-1a2b3c4d
    """
    found = steps.show(steps.open_run(config), plan)
    if as_json:
        sys.stdout.write(plan_to_json(found) + "\n")
    else:
        _output.print(render.plan_text(found))


@app.command()
def why(plan: PlanName, uri: Uri, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Tell what becomes of one object or checkpoint, and by which rule.

    Example: moraine-lifecycle why PLAN s3://train/runs/nlp/chat/checkpoint-500/model.safetensors
    """
    line = steps.why(steps.open_run(config), plan, uri)
    if as_json:
        _print_json(line)
    else:
        _output.print(render.why_text(line))


@app.command()
def approve(
    plan: PlanName,
    by: Annotated[str, typer.Option("--by", help="Who says yes.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say yes to exactly this plan, until it expires.

    Example: moraine-lifecycle approve PLAN --by "Ada Lovelace" --reason "runs are over"
    """
    approval = steps.approve(steps.open_run(config), plan, by, reason)
    if as_json:
        _print_json(approval)
    else:
        until = f"{approval.expires_at:%Y-%m-%d %H:%M} UTC"
        _output.print(f"approved by {approval.by} until {until}", markup=False, highlight=False)


@app.command()
def apply(plan: PlanName, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Do an approved plan. Run it again after any interruption: it goes on, and does nothing twice.

    Example: moraine-lifecycle apply PLAN
    """
    stopping = Event()
    with _until_told_to_stop(stopping), _progress() as tell:
        run = steps.open_run(config, is_stopped=stopping.is_set, on_progress=tell)
        report = steps.apply(run, plan)
    if as_json:
        _print_json(report)
    else:
        _output.print(render.receipts_table(report.chunks))
    if not report.is_finished:
        _console.print("Some actions are left: run the same command again.", markup=False, highlight=False)
    raise typer.Exit(NOTHING_TO_DO if report.is_clean else SOME_FAILED)


@app.command()
def verify(plan: PlanName, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """List the buckets again and compare them with the plan. Exit code 3 when something differs.

    Example: moraine-lifecycle verify PLAN
    """
    run = steps.open_run(config)
    with _working("listing the buckets"):
        found = steps.verify(run, plan)
    if as_json:
        _print_json(found)
    else:
        _output.print(render.verification_text(found))
    raise typer.Exit(NOTHING_TO_DO if found.is_clean else SOME_FAILED)


@app.command()
def canary(uri: Uri, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Measure which preconditions this endpoint and bucket really enforce; what is written is removed again.

    Example: moraine-lifecycle canary s3://train
    """
    found = steps.canary(steps.open_run(config), uri)
    if as_json:
        _print_json(found)
    else:
        _output.print(render.capabilities_table([found]))


@policies.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy's YAML file.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say in plain words what a policy would do, or what is wrong with it. No settings are needed.

    Example: moraine-lifecycle policy check lifecycle/policies/stale-checkpoints.yaml
    """
    del config
    said = sentences(steps.read_policy(file))
    if as_json:
        _print_json({"policy": str(file), "says": said})
    else:
        for sentence in said:
            _output.print(sentence, markup=False, highlight=False)


def _unexpected(error: Exception) -> int:
    if hasattr(error, "format_message"):
        # A wrong option or argument; typer's own exit code for it means "the plan has changes" here.
        said = error.format_message()
        if said:
            _say_error("error", f"{said}\n  fix:   See moraine-lifecycle --help.")
        return 1 if said else NOTHING_TO_DO
    if os.environ.get("MORAINE_DEBUG"):
        traceback.print_exc()
    fix = "Set MORAINE_DEBUG=1 for the details and report them."
    _say_error("unexpected error", f"{type(error).__name__}\n  fix:   {fix}")
    return 1


def _say_error(kind: str, text: str) -> None:
    _console.print(f"[bold red]{kind}[/] ", end="")
    for line in text.split("\n"):
        _console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def _print_json(value: object) -> None:
    sys.stdout.write(to_json(value) + "\n")


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show that something is going on, on a terminal only."""
    if not _console.is_terminal:
        yield
        return
    with _console.status(f"{what} …"):
        yield


@contextmanager
def _progress() -> Iterator[steps.Tell]:
    """Show how much of a plan is done, on a terminal only."""
    columns = (TextColumn("applying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=not _console.is_terminal, transient=True) as bar:
        task = bar.add_task("applying", total=None)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield tell


@contextmanager
def _until_told_to_stop(stopping: Event) -> Iterator[None]:
    """Let the first SIGTERM or Ctrl-C end the work between two changes; the second ends the process."""

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)
        _say_error("stopping", "after the change that is under way")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
