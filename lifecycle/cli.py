"""`moraine-lifecycle`: parse, call a step, print, exit code. The only program that can change a bucket."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lifecycle import render, steps
from lifecycle.handover.jobs import Errand, read_errand
from lifecycle.handover.rule_book import Wish
from lifecycle.plan.document import shown_json
from lifecycle.plan.preview import Preview
from lifecycle.policy import Policy
from lifecycle.policy_words import sentences
from pipelines.domain.durations import parse_duration
from pipelines.domain.text import to_json, visible
from pipelines.errors import MoraineError, NotFound

NOTHING_TO_DO, HAS_CHANGES, SOME_FAILED = 0, 2, 3
EXIT_CODES = (
    "Exit codes: 0 done or nothing to do · 1 error · 2 the plan has changes · 3 some actions failed · "
    "4 refused (a gate, a limit, a stale or unapproved plan)."
)

app = typer.Typer(
    name="moraine-lifecycle",
    help=f"Archive and delete what nobody needs: plan, approve, apply, verify, undo.\n\n{EXIT_CODES}",
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
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Try it on the published night of this day."),
]
PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="A plan's directory, or its id.")]
Uri = Annotated[str, typer.Argument(metavar="URI", help="s3://bucket/key")]


def _span(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
    as_of: AsOf = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Decide what should go and write it down; nothing is changed. Exit code 2 when there is something to do.

    With --as-of the policy is tried on a past night: such a plan is to be read, and cannot be applied.

    Example: moraine-lifecycle plan --policy lifecycle/policies/stale-checkpoints.yaml
    """
    run = steps.open_run(config)
    with _working("deciding"):
        report = steps.plan(run, policy, out, _day(as_of))
    if as_json:
        _print_json(report)
    else:
        changes = steps.changes(run, report.path, render.MOST_LINES)
        _output.print(render.plan_text(steps.show(run, report.path), changes))
    _console.print(f"wrote {report.path}", markup=False, highlight=False, soft_wrap=True)
    if report.is_trial:
        _console.print("a trial on a past night: it cannot be applied", markup=False, highlight=False)
    elif report.has_changes:
        _console.print(
            f"next: moraine-lifecycle approve {report.id} --by NAME", markup=False, highlight=False
        )
    raise typer.Exit(HAS_CHANGES if report.has_changes else NOTHING_TO_DO)


@app.command()
def show(plan: PlanName, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Show a plan for people: what changes, what it saves, why the rest stays.

    With --json, `lines` are the first 1,000 changes; decisions.parquet beside the plan holds every decision.

    Example: moraine-lifecycle show stale-checkpoints-2026-11-20-1a2b3c4d
    """
    run = steps.open_run(config)
    found = steps.show(run, plan)
    if as_json:
        sys.stdout.write(shown_json(found, steps.changes(run, plan)) + "\n")
    else:
        _output.print(render.plan_text(found, steps.changes(run, plan, render.MOST_LINES)))


@app.command()
def why(plan: PlanName, uri: Uri, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Tell what becomes of one object or checkpoint, and by which rule.

    Example: moraine-lifecycle why PLAN s3://train/runs/nlp/chat/checkpoint-500/model.safetensors
    """
    run = steps.open_run(config)
    line = steps.why(run, plan, uri)
    if as_json:
        _print_json(line)
    else:
        _output.print(render.why_text(line, steps.kind_of(run, plan)))


@app.command()
def approve(
    plan: PlanName,
    by: Annotated[str, typer.Option("--by", help="Who says yes.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    lasting: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            parser=_span,
            metavar="TIME",
            help="For how long, such as 4h; never longer than the plan.",
        ),
    ] = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say yes to exactly this plan, until it expires.

    Where its policy wants two people, a second one says the same.

    Example: moraine-lifecycle approve PLAN --by "Ada Lovelace" --reason "runs are over" --for 4h
    """
    run = steps.open_run(config)
    approval = steps.approve(run, plan, by, reason, lasting=lasting)
    if as_json:
        _print_json(approval)
    else:
        until = f"{approval.expires_at:%Y-%m-%d %H:%M} UTC"
        _output.print(f"approved by {visible(approval.by)} until {until}", markup=False, highlight=False)
    if why := steps.second_needed(run, plan):
        _console.print(
            f"a second person has to approve it, too: it changes {why}", markup=False, highlight=False
        )


@app.command()
def apply(  # noqa: PLR0913  (each option is a parameter: that is typer's form)
    plan: PlanName,
    *,
    handover: Annotated[
        bool, typer.Option("--handover", help="Change nothing: write jobs for the engines of the clouds.")
    ] = False,
    role: Annotated[str, typer.Option("--role", help="With it: the ARN that S3's jobs act under.")] = "",
    manifests: Annotated[
        list[str] | None,
        typer.Option("--manifests", metavar="URI", help="With it: where you upload manifests, per cloud."),
    ] = None,
    with_tags: Annotated[
        bool,
        typer.Option("--with-tags", help="With it: jobs may replace the tags that objects have on S3."),
    ] = False,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Do an approved plan. Run it again after any interruption: it goes on, and does nothing twice.

    With --handover, for billions of objects, everything is asked as before and nothing is changed: the folder
    `handover` in the plan's directory tells what to give to S3 Batch Operations and to Cloud Storage's batch
    operations. What their engines cannot do safely is left out, and told.

    Example: moraine-lifecycle apply PLAN
    """
    if handover:
        _hand_over(plan, read_errand(role, manifests or (), with_tags=with_tags), config, as_json)
        return
    stopping = Event()
    with _until_told_to_stop(stopping), _progress() as tell:
        run = steps.open_run(config, is_stopped=stopping.is_set, on_progress=tell)
        report = steps.apply(run, plan)
    if as_json:
        _print_json(report)
    else:
        _output.print(render.receipts_table(report.chunks))
    if report.by_rule:
        tagged = (
            f"Rules of {visible(', '.join(report.by_rule))} move what was tagged, within days: verify then."
        )
        _console.print(tagged, markup=False, highlight=False)
    if not report.is_finished:
        _console.print("Some actions are left: run the same command again.", markup=False, highlight=False)
    raise typer.Exit(NOTHING_TO_DO if report.is_clean else SOME_FAILED)


def _hand_over(plan: str, errand: Errand, config: Path, as_json: bool) -> None:  # noqa: FBT001  (see apply)
    stopping = Event()
    with _until_told_to_stop(stopping), _working("looking at everything once more"):
        run = steps.open_run(config, is_stopped=stopping.is_set)
        found = steps.hand_over(run, plan, errand)
    if as_json:
        _print_json(found)
    else:
        _output.print(render.hand_over_text(found))


@app.command()
def rules(
    plan: PlanName,
    put: Annotated[bool, typer.Option("--put", help="Put the plan's rules beside the others.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the plan's rules away again.")] = False,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Look at the lifecycle rules of buckets in which a plan tags objects; put its own, or remove them.

    Nobody else's rule is ever changed. When somebody changed one since they were last looked at, nothing is
    put. Exit code 3 when looking finds such a change.

    Example: moraine-lifecycle rules PLAN --put
    """
    if put and remove:
        raise typer.BadParameter("--put and --remove exclude each other")
    wish: Wish = "put" if put else "remove" if remove else "look"
    report = steps.rules(steps.open_run(config), plan, wish)
    if as_json:
        _print_json(report)
    else:
        _output.print(render.rules_text(report))
    raise typer.Exit(SOME_FAILED if report.has_drift and wish == "look" else NOTHING_TO_DO)


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
def undo(
    plan: PlanName,
    by: Annotated[str, typer.Option("--by", help="Who wants it back.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    *,
    jobs_ended: Annotated[
        bool,
        typer.Option("--jobs-ended", help="Of a plan handed over: no job of it runs, and none will."),
    ] = False,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take back what a plan did, from its receipts. Run it again after any interruption: it goes on.

    Of a plan that was handed over it is what the buckets show to be done.

    What somebody wrote since is left alone. The plan cannot be applied again. Exit code 3 when something
    is not as it was: deleted for good, changed since, held, or still thawing.

    Example: moraine-lifecycle undo PLAN --by "Ada Lovelace" --reason "the run goes on"
    """
    stopping = Event()
    with _until_told_to_stop(stopping), _progress("undoing") as tell:
        run = steps.open_run(config, is_stopped=stopping.is_set, on_progress=tell)
        report = steps.undo(run, plan, by, reason, jobs_ended=jobs_ended)
    if as_json:
        _print_json(report)
    else:
        _output.print(render.undo_text(report))
    raise typer.Exit(NOTHING_TO_DO if report.is_clean else SOME_FAILED)


@app.command()
def audit(
    plans: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where the plans are; else as the settings say.")
    ] = None,
    expect: Annotated[
        str,
        typer.Option("--expect", metavar="HASH", help="A newest hash of earlier: its line must be there."),
    ] = "",
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Check that the log of all plans, approvals, receipts and verifications is as it was written.

    Write the newest hash down elsewhere: with --expect, a log whose last lines are gone is found, too. With
    --json all entries are printed. Exit code 3 when something was edited or is gone.

    Example: moraine-lifecycle audit --expect 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    found = steps.audit(config, plans, expect)
    if as_json:
        _print_json({**asdict(found), "is_sound": found.is_sound})
    else:
        _output.print(render.audit_text(found), soft_wrap=True)
    raise typer.Exit(NOTHING_TO_DO if found.is_sound else SOME_FAILED)


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
    as_of: AsOf = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say in plain words what a policy would do, or what is wrong with it, and what it would touch today.

    What it would touch needs settings and a published night. Nothing is written to a bucket or the lake: that
    buckets enforce conditions is assumed. Without settings the policy is explained only.

    Example: moraine-lifecycle policy check lifecycle/policies/stale-checkpoints.yaml --as-of 2026-11-20
    """
    policy = steps.read_policy(file)
    said = sentences(policy)
    if not as_json:
        for sentence in said:
            _output.print(sentence, markup=False, highlight=False)
    found = _tried(policy, config, _day(as_of))
    if as_json:
        _print_json({"policy": str(file), "says": said, "would_touch": found})
    elif found:
        _output.print(render.preview_text(found))


def _tried(policy: Policy, config: Path, as_of: date | None) -> Preview | None:
    """Return what a policy would touch; nothing where there are no settings or nothing is published yet."""
    try:
        with _working("deciding"):
            return steps.try_policy(steps.open_run(config), policy, as_of)
    except NotFound as error:
        if as_of:
            raise
        _console.print(
            f"explained only: {error.what} ({visible(error.where)})", markup=False, highlight=False
        )
        return None


def _day(as_of: datetime | None) -> date | None:
    return as_of.date() if as_of else None


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
def _progress(what: str = "applying") -> Iterator[steps.Tell]:
    """Show how much of a plan is done, on a terminal only."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=not _console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)

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
