"""An explanation for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.domain.text import visible
from pipelines.report.explained import CheckpointFacts, Evidence, Explanation, ObjectFacts, RunFacts
from pipelines.report.figures import counted, money, size
from pipelines.report.layout import add_row, quiet_table
from pipelines.report.listing import PrefixFacts, VersionFacts

NOT_KNOWN = "not known"


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Print everything known about one object, checkpoint, run or folder."""
    console.print(Text(visible(explanation.uri), style="bold"), highlight=False, soft_wrap=True)
    console.print(_facts(explanation), highlight=False)
    for reason in (*explanation.reasons, *explanation.story):
        style = "green" if reason.startswith("protected") else ""
        console.print(Text(f"- {visible(reason)}", style=style), highlight=False)
    if explanation.evidence:
        console.print()
        console.print(_evidence(explanation.evidence), highlight=False)
    if explanation.objects and explanation.checkpoint:
        console.print()
        console.print(_files(explanation.objects, explanation.checkpoint), highlight=False)
        hidden = explanation.checkpoint.object_count - len(explanation.objects)
        if explanation.kind == "checkpoint" and hidden > 0:
            console.print(Text(f"and {hidden:,} smaller ones", style="dim"), highlight=False)


def _facts(explanation: Explanation) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, text in _named(explanation).items():
        grid.add_row(Text(name, style="dim"), Text(visible(text), overflow="fold"))
    return grid


def _evidence(evidence: Sequence[Evidence]) -> Table:
    grid = Table("witness", "says", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for each in evidence:
        grid.add_row(Text(visible(each.witness), overflow="fold"), Text(visible(each.says), overflow="fold"))
    return grid


def _named(explanation: Explanation) -> dict[str, str]:
    amount = explanation.cost_usd_month
    cost = NOT_KNOWN if amount is None else f"{money(amount)} a month"
    if explanation.checkpoint:
        what = _of_object if explanation.kind == "object" else _of_checkpoint
        named = what(explanation, explanation.checkpoint, cost)
        return {**named, **_of_the_run(explanation.checkpoint)}
    if explanation.run:
        return _run(explanation.run, cost)
    if explanation.versions:
        return _version(explanation.versions[0], cost)
    return _folder(explanation.folder) if explanation.folder else {}


def _of_object(explanation: Explanation, checkpoint: CheckpointFacts, cost: str) -> dict[str, str]:
    first = explanation.objects[0]
    return {
        "what": "object of a checkpoint",
        "role": first.role,
        "class": first.storage_class or "",
        "size": f"{size(first.size_bytes)} ({first.size_bytes:,} bytes)",
        "cost": f"{cost}, its share by bytes of the checkpoint",
        "checkpoint": checkpoint.checkpoint_uri,
    }


def _of_checkpoint(_: Explanation, checkpoint: CheckpointFacts, cost: str) -> dict[str, str]:
    return {
        "what": "checkpoint",
        "class": checkpoint.storage_classes,
        "size": f"{size(checkpoint.size_bytes)} in {counted(checkpoint.object_count, 'object')}; "
        f"weights {size(checkpoint.weights_bytes)}, optimizer {size(checkpoint.optimizer_bytes)}",
        "cost": cost,
    }


def _run(run: RunFacts, cost: str) -> dict[str, str]:
    return {
        "what": "training run",
        "framework": run.frameworks,
        "checkpoints": f"{run.checkpoint_count:,}, of which {run.complete_count:,} complete",
        "size": f"{size(run.size_bytes)} in {counted(run.object_count, 'object')}",
        "cost": cost,
        "latest": run.latest or NOT_KNOWN,
        "best": run.best or NOT_KNOWN,
        "team": run.team or "(nobody)",
    }


def _version(version: VersionFacts, cost: str) -> dict[str, str]:
    return {
        "what": "object",
        "state": version.state.replace("_", " "),
        "class": version.storage_class or "",
        "size": f"{size(version.size_bytes)} ({version.size_bytes:,} bytes)",
        "cost": f"{cost}, by its size and what its bucket pays",
    }


def _folder(folder: PrefixFacts) -> dict[str, str]:
    return {
        "what": "folder",
        "class": folder.storage_classes,
        "size": f"{size(folder.size_bytes)} in {counted(folder.object_count, 'object')}",
        "written": f"{folder.first_modified_at} to {folder.last_modified_at} UTC",
    }


def _of_the_run(checkpoint: CheckpointFacts) -> dict[str, str]:
    step = NOT_KNOWN if checkpoint.step is None else f"{checkpoint.step:,}"
    epoch = "" if checkpoint.epoch is None else f", epoch {checkpoint.epoch}"
    shards = (
        f", {checkpoint.shard_count} of {checkpoint.shards_expected} shards"
        if checkpoint.shards_expected
        else ""
    )
    return {
        "run": f"{checkpoint.checkpoint_uri.partition('://')[0]}://{checkpoint.bucket}/{checkpoint.run}",
        "step": step + epoch,
        "framework": checkpoint.framework,
        "kind": checkpoint.kind.replace("_", " "),
        "state": checkpoint.state.replace("_", " ") + shards,
        "latest": "yes" if checkpoint.is_latest else "no",
        "best": "not known" if checkpoint.is_best is None else "yes" if checkpoint.is_best else "no",
        "team": checkpoint.team or "(nobody)",
        "written": f"{checkpoint.first_modified_at} to {checkpoint.last_modified_at} UTC",
    }


def _files(objects: Sequence[ObjectFacts], checkpoint: CheckpointFacts) -> Table:
    folder = checkpoint.checkpoint_uri.partition(f"://{checkpoint.bucket}/")[2] + "/"
    table = quiet_table("object", "role", "class", ">bytes", ">written (UTC)")
    for file in objects:
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
