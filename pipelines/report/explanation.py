"""An explanation for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.domain.text import visible
from pipelines.report.figures import counted, money, size
from pipelines.report.layout import add_row, quiet_table
from pipelines.report.why import CheckpointFacts, Explanation

NOT_KNOWN = "not known"


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Print everything known about one object or checkpoint."""
    console.print(Text(visible(explanation.uri), style="bold"), highlight=False, soft_wrap=True)
    console.print(_facts(explanation), highlight=False)
    for reason in explanation.reasons:
        style = "green" if reason.startswith("protected") else ""
        console.print(Text(f"- {visible(reason)}", style=style), highlight=False)
    if explanation.objects:
        console.print()
        console.print(_files(explanation), highlight=False)
    hidden = explanation.checkpoint.object_count - len(explanation.objects)
    if explanation.kind == "checkpoint" and hidden > 0:
        console.print(Text(f"and {hidden:,} smaller ones", style="dim"), highlight=False)


def _facts(explanation: Explanation) -> Table:
    checkpoint = explanation.checkpoint
    cost = NOT_KNOWN if explanation.cost_usd_month is None else f"{money(explanation.cost_usd_month)} a month"
    if explanation.kind == "object":
        first = explanation.objects[0]
        what = {
            "role": first.role,
            "class": first.storage_class or "",
            "size": f"{size(first.size_bytes)} ({first.size_bytes:,} bytes)",
            "cost": f"{cost}, its share by bytes of the checkpoint",
            "checkpoint": checkpoint.checkpoint_uri,
        }
    else:
        what = {
            "class": checkpoint.storage_classes,
            "size": f"{size(checkpoint.size_bytes)} in {counted(checkpoint.object_count, 'object')}; "
            f"weights {size(checkpoint.weights_bytes)}, optimizer {size(checkpoint.optimizer_bytes)}",
            "cost": cost,
        }
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, text in {**what, **_of_the_run(checkpoint)}.items():
        grid.add_row(Text(name, style="dim"), Text(visible(text), overflow="fold"))
    return grid


def _of_the_run(checkpoint: CheckpointFacts) -> dict[str, str]:
    step = NOT_KNOWN if checkpoint.step is None else f"{checkpoint.step:,}"
    epoch = "" if checkpoint.epoch is None else f", epoch {checkpoint.epoch}"
    shards = (
        f", {checkpoint.shard_count} of {checkpoint.shards_expected} shards"
        if checkpoint.shards_expected
        else ""
    )
    return {
        "run": f"s3://{checkpoint.bucket}/{checkpoint.run}",
        "step": step + epoch,
        "framework": checkpoint.framework,
        "kind": checkpoint.kind.replace("_", " "),
        "state": checkpoint.state.replace("_", " ") + shards,
        "latest": "yes" if checkpoint.is_latest else "no",
        "best": "not known from names"
        if checkpoint.is_best is None
        else "yes"
        if checkpoint.is_best
        else "no",
        "team": checkpoint.team or "(nobody)",
        "written": f"{checkpoint.first_modified_at} to {checkpoint.last_modified_at} UTC",
    }


def _files(explanation: Explanation) -> Table:
    checkpoint = explanation.checkpoint
    folder = checkpoint.checkpoint_uri.partition(f"://{checkpoint.bucket}/")[2] + "/"
    table = quiet_table("object", "role", "class", ">bytes", ">written (UTC)")
    for file in explanation.objects:
        # Names within a checkpoint differ at their end; on a narrow screen the end would be cut.
        within = file.object_key.startswith(folder)
        name = file.object_key.removeprefix(folder) if within else file.object_key.rpartition("/")[2]
        version = f"  version {file.version_id}" if file.version_id else ""
        written = f"{file.last_modified_at:%Y-%m-%d %H:%M}"
        add_row(
            table,
            name + version,
            file.role,
            file.storage_class or "",
            f"{file.size_bytes:,}",
            written,
        )
    return table
