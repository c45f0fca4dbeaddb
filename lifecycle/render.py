"""A plan, its receipts and its verification for human eyes; the same words in a terminal and in Markdown."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lifecycle.apply import ChunkReport
from lifecycle.model import BucketCapability, Line, Plan, Result, Total
from lifecycle.verify import Verification
from pipelines.domain.text import visible

_MOST_LINES = 40
"""Checkpoints shown one by one; the counts are always of all."""


def plan_text(plan: Plan, *, markdown: bool = False, lines: int = _MOST_LINES) -> RenderableType:
    """Return what a plan would do, what it saves, and why things stay."""
    style = box.MARKDOWN if markdown else box.SIMPLE_HEAD
    parts: list[RenderableType] = [Text(_headline(plan)), _totals(plan, style)]
    if plan.changes:
        parts += [Text("What changes"), _changes(plan.changes[:lines], style)]
    if len(plan.changes) > lines:
        parts.append(Text(f"… and {len(plan.changes) - lines:,} more; plan.json holds all of them.\n"))
    parts += [Text("Why the others stay"), _kept(plan.lines, style)]
    if plan.capabilities:
        parts += [Text("What the buckets enforce"), capabilities_table(plan.capabilities, style)]
    parts += [Text(f"Note: {visible(warning)}.") for warning in plan.warnings]
    return Group(*parts)


def plan_markdown(plan: Plan, width: int = 500) -> str:
    """Return the same as Markdown text."""
    text = StringIO()
    Console(width=width, file=text, force_terminal=False).print(plan_text(plan, markdown=True))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip() + "\n"


def why_text(line: Line) -> RenderableType:
    """Return what becomes of one checkpoint and why."""
    table = Table(box=None, show_header=False)
    for name, value in _explained(line):
        table.add_row(Text(name, style="dim"), Text(visible(value)))
    return table


def capabilities_table(capabilities: Iterable[BucketCapability], style: box.Box = box.SIMPLE_HEAD) -> Table:
    """Return what buckets enforce, a row each."""
    table = Table(box=style)
    for name in ("bucket", "versions", "copy: source", "copy: destination", "copy in parts", "delete"):
        table.add_column(name)
    for found in capabilities:
        enforced = (found.copy_source, found.copy_destination, found.copy_in_parts, found.delete)
        words = ("enforced" if it_is else "not enforced" for it_is in enforced)
        table.add_row(Text(f"s3://{visible(found.bucket)}"), found.versioning, *words)
    return table


def receipts_table(reports: Iterable[ChunkReport]) -> Table:
    """Return what became of each chunk's actions."""
    names: tuple[Result, ...] = ("done", "changed", "protected", "skipped", "failed")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("chunk")
    for name in (*names, "left"):
        table.add_column(name, justify="right")
    for report in reports:
        counts = [f"{report.results.get(name, 0):,}" for name in names]
        table.add_row(report.chunk, *counts, f"{report.left:,}")
    return table


def verification_text(found: Verification, lines: int = _MOST_LINES) -> RenderableType:
    """Return what the bucket says about a plan."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("objects", "looked for", "as planned"):
        table.add_column(name, justify="left" if name == "objects" else "right")
    for name, count in found.checked.items():
        table.add_row(name, f"{count:,}", f"{found.as_planned.get(name, 0):,}")
    parts: list[RenderableType] = [table]
    parts += [
        Text(f"{different.expected}: {visible(different.uri)}: {different.difference}")
        for different in found.differences[:lines]
    ]
    said = "as planned" if found.is_clean else f"{found.difference_count:,} objects are not as planned"
    parts.append(Text(f"The buckets were listed again: {said}."))
    return Group(*parts)


def size_text(size_bytes: int) -> str:
    """Return bytes as people read them: `1.2 TiB`."""
    size = Decimal(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def _headline(plan: Plan) -> str:
    return (
        f"Plan {plan.id or '(not sealed)'} of policy {plan.policy.name}, from snapshot {plan.snapshot_id}.\n"
        f"Valid until {plan.expires_at:%Y-%m-%d %H:%M} UTC; list prices of {plan.price_date}."
    )


def _totals(plan: Plan, style: box.Box) -> Table:
    table = Table(box=style)
    table.add_column("decision")
    for name in ("checkpoints", "objects", "size", "costs a month", "saves a month", "costs once"):
        table.add_column(name, justify="right")
    totals = (("archive", plan.totals.archive), ("delete", plan.totals.delete), ("keep", plan.totals.keep))
    for name, total in totals:
        table.add_row(name, *_numbers(total))
    return table


def _numbers(total: Total) -> Iterator[str]:
    yield f"{total.checkpoints:,}"
    yield f"{total.objects:,}"
    yield size_text(total.size_bytes)
    yield _usd(total.cost_usd_month)
    yield _usd(total.saving_usd_month)
    yield _usd(total.one_off_usd)


def _changes(lines: Iterable[Line], style: box.Box) -> Table:
    table = Table(box=style)
    table.add_column("decision")
    table.add_column("checkpoint", overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("saves a month", justify="right")
    table.add_column("why", overflow="fold")
    for line in lines:
        table.add_row(
            _done(line),
            Text(visible(line.uri)),
            size_text(line.action_bytes),
            _usd(line.saving_usd_month),
            Text(visible(line.reason)),
        )
    return table


def _done(line: Line) -> str:
    if line.decision == "archive":
        return f"archive to {line.target_class}"
    return "delete, version stays" if line.path == "delete-marker" else "delete for good"


def _kept(lines: Iterable[Line], style: box.Box) -> Table:
    counts: dict[str, list[Line]] = {}
    for line in lines:
        if not line.is_change:
            counts.setdefault(line.rule, []).append(line)
    table = Table(box=style)
    table.add_column("rule")
    table.add_column("checkpoints", justify="right")
    table.add_column("size", justify="right")
    table.add_column("for example", overflow="fold")
    for rule, kept in sorted(counts.items()):
        size = size_text(sum(line.size_bytes for line in kept))
        example = f"{visible(kept[0].uri)}: {visible(kept[0].reason)}"
        table.add_row(rule, f"{len(kept):,}", size, Text(example))
    return table


def _explained(line: Line) -> Iterator[tuple[str, object]]:
    yield "checkpoint", line.uri
    yield "decision", _done(line) if line.is_change else "keep"
    yield "rule", line.rule
    yield "because", line.reason
    yield "run", line.run
    yield "step", line.step
    yield "state", line.state
    yield "size", f"{size_text(line.size_bytes)} in {line.object_count:,} objects"
    yield "costs", f"{_usd(line.cost_usd_month)} a month"
    if line.is_change:
        yield "saves", f"{_usd(line.saving_usd_month)} a month, for {_usd(line.one_off_usd)} once"


def _usd(amount: Decimal) -> str:
    return "< 0.01 USD" if 0 < amount < Decimal("0.01") else f"{amount:,.2f} USD"
