"""A plan, its receipts and its verification for human eyes; the same words in a terminal and in Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lifecycle.apply.chunk import ChunkReport
from lifecycle.handover.desk import HandOver
from lifecycle.handover.rule_book import RulesReport
from lifecycle.model import REVERSIBLE_PATHS, BucketCapability, KeptBy, Line, Plan, Result, Total, Totals
from lifecycle.plan.preview import LimitReached, Preview, RunChange
from lifecycle.policy import Kind, units
from lifecycle.records.audit import AUDIT, AuditReport
from lifecycle.undo.journey import UndoReport
from lifecycle.verify.comparison import Verification
from pipelines.domain.text import visible

MOST_LINES = 40
"""Checkpoints shown one by one; the counts are always of all."""


def plan_text(plan: Plan, changes: Sequence[Line], *, markdown: bool = False) -> RenderableType:
    """Return what a plan would do, what it saves, and why things stay; `changes` are its first ones."""
    style = box.MARKDOWN if markdown else box.SIMPLE_HEAD
    one, many = units(plan.policy.match.kind)
    parts: list[RenderableType] = [Text(_headline(plan)), _totals(plan.totals, many, style)]
    if changes:
        parts += [Text("What changes"), _changes(changes[:MOST_LINES], one, style)]
    more = plan.totals.archive.checkpoints + plan.totals.delete.checkpoints - len(changes[:MOST_LINES])
    if more:
        parts.append(Text(f"… and {more:,} more; decisions.parquet holds all of them.\n"))
    if plan.totals.objects_for_good:
        count = plan.totals.objects_for_good
        rest = "the notes say what else cannot be undone" if plan.rules_seen else "all else can be undone"
        parts.append(Text(f"For good: {count:,} objects go and cannot be brought back; {rest}.\n"))
    parts += [Text("Why the others stay"), _kept(plan.kept, many, style)]
    if plan.capabilities:
        parts += [Text("What the buckets enforce"), capabilities_table(plan.capabilities, style)]
    parts += [Text(f"Note: {visible(warning)}.") for warning in plan.warnings]
    return Group(*parts)


def plan_markdown(plan: Plan, changes: Sequence[Line], width: int = 500) -> str:
    """Return the same as Markdown text."""
    text = StringIO()
    Console(width=width, file=text, force_terminal=False).print(plan_text(plan, changes, markdown=True))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip() + "\n"


def preview_text(found: Preview) -> RenderableType:
    """Return what a policy would touch, how near its limits that comes, and what was assumed."""
    one, many = units(found.kind)
    parts: list[RenderableType] = [
        Text(f"What it would touch, by snapshot {found.snapshot_id} of {found.as_of}. Nothing is written."),
        _totals(found.totals, many, box.SIMPLE_HEAD),
    ]
    if found.runs:
        parts += [Text("Where most changes"), _runs_table(found.runs, one, many)]
    parts += [Text("Limits of a plan"), _limits_table(found.limits)]
    if any(limit.is_passed for limit in found.limits):
        parts.append(Text("A plan would be refused: narrow 'match', lengthen 'after', or raise the limit."))
    parts += [Text("Why the others stay"), _kept(found.kept, many, box.SIMPLE_HEAD)]
    return Group(*parts, *(Text(f"Note: {visible(note)}.") for note in found.notes))


def why_text(line: Line, kind: Kind) -> RenderableType:
    """Return what becomes of one checkpoint, or of what else a policy of this kind is about, and why."""
    table = Table(box=None, show_header=False)
    for name, value in _explained(line, kind):
        table.add_row(Text(name, style="dim"), Text(visible(value)))
    return table


def capabilities_table(capabilities: Iterable[BucketCapability], style: box.Box = box.SIMPLE_HEAD) -> Table:
    """Return what buckets enforce, a row each."""
    table = Table(box=style)
    for name in ("bucket", "versions", "copy: source", "copy: destination", "copy in parts", "delete"):
        table.add_column(name)
    table.add_column("tags")
    for found in capabilities:
        enforced = (found.copy_source, found.copy_destination, found.copy_in_parts, found.delete)
        words = ("enforced" if it_is else "not enforced" for it_is in enforced)
        tags = "kept" if found.takes_tags else "no"
        table.add_row(Text(visible(found.place)), found.versioning, *words, tags)
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


def undo_text(report: UndoReport, lines: int = MOST_LINES) -> RenderableType:
    """Return what is back, what is not and why, and what going back costs."""
    if not report.chunks:
        return Text("Nothing was changed by this plan, so nothing is undone.")
    alone = [left for chunk in report.chunks for left in chunk.left_alone]
    parts: list[RenderableType] = [_undone_table(report)]
    parts += [Text(f"not as it was: {visible(left.uri)}: {visible(left.reason)}") for left in alone[:lines]]
    parts += [Text(sentence) for sentence in _undone_sentences(report)]
    return Group(*parts)


def verification_text(found: Verification, lines: int = MOST_LINES) -> RenderableType:
    """Return what the bucket says about a plan."""
    table = Table(box=box.SIMPLE_HEAD)
    as_it_is = "as it was" if found.is_undone else "as planned"
    for name in ("objects", "looked for", as_it_is):
        table.add_column(name, justify="left" if name == "objects" else "right")
    for name, count in found.checked.items():
        table.add_row(name, f"{count:,}", f"{found.as_planned.get(name, 0):,}")
    parts: list[RenderableType] = [table]
    for different in found.differences[:lines]:
        why = f" (left out: {different.left_out})" if different.left_out and not found.is_undone else ""
        parts.append(
            Text(f"{different.expected}: {visible(different.uri)}: {visible(different.difference + why)}")
        )
    parts += [Text(sentence) for sentence in _of_rules(found)]
    said = as_it_is if found.is_clean else f"{found.difference_count:,} objects are not {as_it_is}"
    parts.append(Text(f"The buckets were listed again: {said}."))
    if found.left_out:
        counts = ", ".join(f"{count:,} {result}" for result, count in found.left_out.items())
        parts.append(Text(f"Receipts say why: {counts}."))
    if found.left:
        parts.append(Text(f"{found.left:,} are left {_left_for(found)}."))
    return Group(*parts)


def _of_rules(found: Verification) -> Iterator[str]:
    if found.waiting:
        yield f"{found.waiting:,} wait for a rule of their bucket, as planned: verify again in a day or two."
    for place in found.spent_rules:
        away = f"moraine-lifecycle rules {found.plan_id} --remove"
        yield f"The rule in {visible(place)} has nothing left to move. Take it away: {away}."


def _left_for(found: Verification) -> str:
    if found.is_handed_over:
        return "for the cloud's engine, which takes its time: verify again later"
    return f"for another run of {'undo' if found.is_undone else 'apply'}"


def hand_over_text(found: HandOver) -> RenderableType:
    """Return what was written for the engines of the clouds, and what was not."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("job", "bucket", "does", "objects", "bytes"):
        table.add_column(name, justify="right" if name in ("objects", "bytes") else "left")
    for job in found.jobs:
        does = f"{job.operation} {job.target_class}".rstrip()
        table.add_row(job.name, visible(job.place), does, f"{job.objects:,}", size_text(job.size_bytes))
    out = (Text(f"in no job: {each.objects:,} objects: {visible(each.reason)}") for each in found.left_out)
    return Group(table, *out, Text("Nothing was changed. README.md says how to go on."))


def rules_text(report: RulesReport) -> RenderableType:
    """Return what the rules of buckets are about."""
    lines: list[RenderableType] = []
    for bucket in report.buckets:
        own = ", ".join(bucket.own_there) or "none"
        lines.append(Text(f"s3://{visible(bucket.bucket)}: {bucket.others:,} rules of others, ours: {own}"))
        lines += [Text(f"  changed since: {visible(change)}") for change in bucket.drift]
    return Group(*lines) if lines else Text("No bucket needs a rule of this plan.")


def audit_text(report: AuditReport, lines: int = MOST_LINES) -> RenderableType:
    """Return whether a log and what it speaks of is as it was written."""
    parts = [f"{AUDIT} in {visible(report.directory)}: {len(report.entries):,} entries."]
    if report.broken:
        parts.append(f"Broken at line {report.broken.line}: {visible(report.broken.what)}.")
    else:
        parts.append("The chain is whole, and every file is as it was sealed.")
    parts += [f"Not sealed: {visible(name)}" for name in report.unsealed[:lines]]
    if more := len(report.unsealed) - len(report.unsealed[:lines]):
        parts.append(f"… and {more:,} more that are not sealed.")
    parts.append(f"Newest hash: {report.newest}")
    return Group(*(Text(part) for part in parts))


def size_text(size_bytes: int) -> str:
    """Return bytes as people read them: `1.2 TiB`."""
    size = Decimal(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def _undone_table(report: UndoReport) -> Table:
    results: Mapping[Result, str] = {
        "done": "back",
        "changed": "changed since",
        "protected": "held",
        "skipped": "half back",
        "thawing": "thawing",
        "failed": "failed",
    }
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("chunk")
    for name in (*results.values(), "left", "for good"):
        table.add_column(name, justify="right")
    for chunk in report.chunks:
        counts = [f"{chunk.results.get(result, 0):,}" for result in results]
        table.add_row(chunk.chunk, *counts, f"{chunk.left:,}", f"{chunk.for_good:,}")
    return table


def _undone_sentences(report: UndoReport) -> Iterator[str]:
    cost = report.cost
    if cost.one_off_usd or cost.usd_month:
        once, monthly = _usd(cost.one_off_usd), _usd(cost.usd_month)
        yield f"Going back costs {once} once, and {monthly} a month from now on."
    if cost.unpriced_bytes:
        yield f"Not priced: {size_text(cost.unpriced_bytes)} in classes without a known price."
    if report.thawing:
        yield f"{report.thawing:,} objects are thawing: run it again in some hours."
    if report.left - report.thawing > 0:
        yield f"{report.left - report.thawing:,} more are left for another run."
    if report.is_clean:
        yield "Everything is as it was. Look again with 'moraine-lifecycle verify'."


def _headline(plan: Plan) -> str:
    return (
        f"Plan {plan.id or '(not sealed)'} of policy {plan.policy.name}, from snapshot {plan.snapshot_id}.\n"
        f"Valid until {plan.expires_at:%Y-%m-%d %H:%M} UTC; list prices of {plan.price_date}."
    )


def _runs_table(runs: Iterable[RunChange], one: str, many: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("run" if one == "checkpoint" else "where", overflow="fold")
    for name in (many, "objects", "size", "saves a month"):
        table.add_column(name, justify="right")
    for found in runs:
        counts = (f"{found.checkpoints:,}", f"{found.objects:,}", size_text(found.size_bytes))
        where = f"{found.place}/{found.run}" if found.run else found.place
        table.add_row(Text(visible(where)), *counts, _usd(found.saving_usd_month))
    return table


def _limits_table(limits: Iterable[LimitReached]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("limit", overflow="fold")
    for name in ("would change", "at most", ""):
        table.add_column(name, justify="right")
    for found in limits:
        passed = "passed" if found.is_passed else ""
        table.add_row(Text(visible(found.name)), f"{found.figure:,}", f"{found.limit:,}", passed)
    return table


def _totals(totals: Totals, many: str, style: box.Box) -> Table:
    table = Table(box=style)
    table.add_column("decision")
    for name in (many, "objects", "size", "costs a month", "saves a month", "costs once"):
        table.add_column(name, justify="right")
    rows = (("archive", totals.archive), ("delete", totals.delete), ("keep", totals.keep))
    for name, total in rows:
        table.add_row(name, *_numbers(total))
    return table


def _numbers(total: Total) -> Iterator[str]:
    yield f"{total.checkpoints:,}"
    yield f"{total.objects:,}"
    yield size_text(total.size_bytes)
    yield _usd(total.cost_usd_month)
    yield _usd(total.saving_usd_month)
    yield _usd(total.one_off_usd)


def _changes(lines: Iterable[Line], one: str, style: box.Box) -> Table:
    table = Table(box=style)
    table.add_column("decision")
    table.add_column(one, overflow="fold")
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
        by_rule = " by rule" if line.path == "tag-and-rule" else ""
        return f"archive to {line.target_class}{by_rule}"
    ways = {
        "delete-marker": "delete, version stays",
        "soft-delete": "delete, can be restored",
        "abort-upload": "end the upload",
    }
    return ways.get(line.path, "delete for good")


def _kept(kept: Iterable[KeptBy], many: str, style: box.Box) -> Table:
    table = Table(box=style)
    table.add_column("rule")
    table.add_column(many, justify="right")
    table.add_column("size", justify="right")
    table.add_column("for example", overflow="fold")
    for found in kept:
        example = f"{visible(found.uri)}: {visible(found.reason)}"
        table.add_row(found.rule, f"{found.checkpoints:,}", size_text(found.size_bytes), Text(example))
    return table


def _explained(line: Line, kind: Kind) -> Iterator[tuple[str, object]]:
    yield units(kind)[0], line.uri
    yield "decision", _done(line) if line.is_change else "keep"
    yield "rule", line.rule
    yield "because", line.reason
    if kind == "checkpoint":
        yield "run", line.run
        yield "step", line.step
        yield "state", line.state
    yield "size", f"{size_text(line.size_bytes)} in {line.object_count:,} objects"
    yield "costs", f"{_usd(line.cost_usd_month)} a month"
    if line.is_change:
        yield "saves", f"{_usd(line.saving_usd_month)} a month, for {_usd(line.one_off_usd)} once"
        yield "undo", _way_back(line)


def _way_back(line: Line) -> str:
    if line.path == "tag-and-rule":
        return "can be undone until the rule has moved it; from then on only where copies are safe"
    can_be_undone = line.decision == "archive" or line.path in REVERSIBLE_PATHS
    return "can be undone" if can_be_undone else "cannot be undone"


def _usd(amount: Decimal) -> str:
    return "< 0.01 USD" if 0 < amount < Decimal("0.01") else f"{amount:,.2f} USD"
