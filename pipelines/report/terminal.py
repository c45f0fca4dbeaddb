"""The report on one screen."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.domain.text import visible
from pipelines.report.figures import change, counted, money, share, size, sparkline, tail
from pipelines.report.layout import WIDE, add_row, quiet_table, side_by_side, title
from pipelines.report.tables import Contribution, Cost, Report, read_report

DAYS_SHOWN = 60
ROWS_SHOWN = 6
QUARANTINED_SHOWN = 3
NOBODY = "(nobody)"
CENT = Decimal("0.01")
CONTRIBUTIONS_SHOWN = 3
ANOMALIES_SHOWN = 3
EFFECTS_IN_WORDS = {
    "price": "price",
    "use": "use",
    "fee": "fee, tax or credit",
    "new": "new",
    "gone": "gone",
    "month_length": "length of the months",
    "tier_reset": "first tiers of a month",
    "incomplete_day": "day not delivered whole",
    "restatement": "correction of an earlier bill",
}
CALENDAR = frozenset({"month_length", "tier_reset", "incomplete_day", "restatement"})
"""Effects that nobody has made."""
HIDDEN_KINDS = {
    "multipart": "open uploads",
    "noncurrent": "noncurrent versions",
    "delete_marker": "delete markers",
    "soft_deleted": "soft-deleted objects",
}
Lines = Iterator[Text | Table]


def render_report(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """Print what the snapshot behind `connection` says."""
    for line in report_lines(read_report(connection), console.width):
        console.print(line, highlight=False)


def report_lines(report: Report, width: int) -> Lines:
    """Yield what the report says, for `width` characters: the title first, then headings, lines, tables."""
    for section in (
        _header,
        _quarantined,
        _costs,
        _trend,
        _storage_and_egress,
        _prefixes,
        _hidden,
        _runs,
        _saved,
        _closing,
    ):
        yield from section(report, width)


def _header(report: Report, _: int) -> Lines:
    snapshot = report.snapshot
    identity = f"  snapshot {visible(snapshot.snapshot_id)}"
    yield Text.assemble((f"Moraine, {snapshot.as_of:%A %Y-%m-%d}", "bold"), (identity, "dim"))
    counts = dict.fromkeys(("passed", "warned", "failed", "skipped"), 0)
    for check in report.checks:
        counts[check.outcome] += check.count
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    style = "yellow" if counts["warned"] + counts["failed"] else "green"
    published = f"  published {snapshot.published_at:%Y-%m-%d %H:%M} UTC"
    yield Text.assemble((f"Checks: {said}", style), (published, "dim"))
    for check in report.checks:
        if check.outcome in ("warned", "failed"):
            yield Text(
                f"  {check.outcome}: {visible(check.check_id)}: {visible(check.observed)}", style="yellow"
            )
    if len(report.currencies) > 1:
        mixed = ", ".join(map(visible, report.currencies))
        yield Text(f"  Costs are in {mixed}: sums over them are no amounts.", style="red")


def _quarantined(report: Report, _: int) -> Lines:
    if not report.quarantined:
        return
    count = counted(len(report.quarantined), "damaged delivery", "damaged deliveries")
    yield title(f"In quarantine: {count}; the numbers rest on what came before")
    for one in report.quarantined[:QUARANTINED_SHOWN]:
        yield Text.assemble(
            (visible(one.source), "bold"),
            f" ({visible(one.scope)}, {one.delivered_at:%Y-%m-%d %H:%M}): {visible(one.reason)} ",
            (visible(one.how_to_fix), "dim"),
        )
    rest = len(report.quarantined) - QUARANTINED_SHOWN
    if rest > 0:
        query = "from marts.ingested_deliveries where status = 'quarantined'"
        yield Text(f'{rest:,} more: moraine sql "{query}"', style="dim")


def _costs(report: Report, _: int) -> Lines:
    if not report.costs_by_layer:
        yield title("What it costs: no bill was read; add a source of kind aws-cur2 or focus")
        return
    total = sum((cost.cost for cost in report.costs_by_layer), Decimal(0))
    yield title(f"What it costs: {money(total, _currency(report))} in 30 days")
    yield side_by_side(
        _cost_table("layer", report.costs_by_layer, _currency(report)),
        _cost_table("team", report.costs_by_team, _currency(report)),
    )
    yield from _forecast(report)
    for one in report.restated:
        amount = money(one.change, one.currency, signed=True)
        yield Text(
            f"{one.month} was restated by {amount} since {one.since:%Y-%m-%d} ({visible(one.source)}).",
            style="yellow",
        )


def _forecast(report: Report) -> Lines:
    month, currency = report.month, _currency(report)
    if month.forecast is None:
        return
    spent = money(month.used + month.other, currency)
    yield Text.assemble(
        f"{month.month:%B} has cost {spent} in {counted(month.days_billed, 'day')}; forecast ",
        (money(month.forecast, currency), "bold"),
        f" for all {month.days_in_month} at this pace",
    )


def _cost_table(name: str, costs: Sequence[Cost], currency: str) -> Table:
    table = quiet_table(name, ">30 days", ">share")
    shown = costs if len(costs) <= ROWS_SHOWN + 1 else costs[:ROWS_SHOWN]
    for cost in shown:
        add_row(table, cost.name or NOBODY, money(cost.cost, currency), share(cost.share))
    rest = costs[len(shown) :]
    if rest:
        cost_of_rest = sum((cost.cost for cost in rest), Decimal(0))
        share_of_rest = sum(cost.share or 0 for cost in rest)
        add_row(table, f"({len(rest)} more)", money(cost_of_rest, currency), share(share_of_rest))
    return table


def _trend(report: Report, width: int) -> Lines:
    if not report.costs_by_day:
        return
    day, currency = report.snapshot.as_of, _currency(report)
    by_day = {one.usage_date: one.cost for one in report.costs_by_day}
    days = min(DAYS_SHOWN, width - 10)
    line = [by_day.get(day - timedelta(days=ago)) for ago in reversed(range(days))]
    low, high = money(min(by_day.values()), currency), money(max(by_day.values()), currency)
    span = f"{' ' if width >= WIDE else chr(10)}{low} to {high} a day"
    yield Text.assemble("\n", (f"{days} days ", "bold"), (sparkline(line), "cyan"), (span, "dim"))
    before = by_day.get(day - timedelta(days=7))
    yield from _changes(report, by_day.get(day), before)
    yield _contributions(report, 28 if width >= WIDE else 14)
    if day in by_day and before is not None:
        yield from _calendar(report, by_day[day] - before)
    yield from _anomalies(report)


def _changes(report: Report, cost: Decimal | None, before: Decimal | None) -> Lines:
    currency, weekday = _currency(report), f"{report.snapshot.as_of:%A}"
    if cost is None or before is None:
        yield Text(
            f"There is no bill for this {weekday} and the one before: nothing to compare.", style="dim"
        )
        return
    more = cost - before
    yield Text.assemble(
        f"{weekday} cost {money(cost, currency)}, ",
        (
            f"{change(before, cost)} ({money(more, currency, signed=True)})",
            "bold red" if more > 0 else "bold green",
        ),
        f" against the {weekday} before" + ("; most of it:" if report.changes else ""),
    )


def _contributions(report: Report, days: int) -> Table:
    table = quiet_table(">", ">", "", "", "")
    for one in report.changes[:CONTRIBUTIONS_SHOWN]:
        amount = money(one.change, _currency(report), signed=True)
        bars = sparkline([cost or Decimal(0) for cost in one.costs_of_four_weeks[-days:]])
        # What a narrow screen cuts is the service, which the meter tells.
        what = " · ".join(filter(None, (one.meter, one.team or NOBODY, one.service)))
        add_row(table, amount, change(one.cost_before, one.cost), bars, _reason(one), what)
    return table


def _reason(one: Contribution) -> str:
    """Say in words what most of a change is."""
    before, after = one.quantity_before, one.quantity
    if one.effect == "use" and before and after and one.usage_unit is not None:
        return f"{change(before, after)} used"
    if one.effect == "price" and one.usage_unit:
        return f"price of a {one.usage_unit}"
    return EFFECTS_IN_WORDS.get(one.effect, one.effect)


def _calendar(report: Report, more: Decimal) -> Lines:
    """Say what is left, and what of the whole change nobody has made."""
    currency = _currency(report)
    rest = more - sum((one.change for one in report.changes[:CONTRIBUTIONS_SHOWN]), Decimal(0))
    said = [f"all else {money(rest, currency, signed=True)}"] if rest else []
    of_all = [
        f"{EFFECTS_IN_WORDS[one.effect]} {money(one.amount, currency, signed=True)}"
        for one in report.effects
        if one.effect in CALENDAR and abs(one.amount) >= CENT
    ]
    if of_all:
        said.append(f"of the whole change: {', '.join(of_all)}")
    if said:
        yield Text("; ".join(said), style="dim")


def _anomalies(report: Report) -> Lines:
    if not report.anomalies:
        return
    said = [
        f"{one.scope_name or (NOBODY if one.scope == 'team' else 'all')} {money(one.cost, one.currency)}"
        f" instead of {money(one.expected_cost, one.currency)}"
        for one in report.anomalies
        if one.scope in ("total", "team", "bucket")
    ][:ANOMALIES_SHOWN]
    if said:
        weekday = f"{report.snapshot.as_of:%A}"
        yield Text(f"Unusual for a {weekday}: {visible('; '.join(said))}", style="yellow")


def _storage_and_egress(report: Report, width: int) -> Lines:
    storage, egress = _storage_table(report), _egress_table(report)
    if width >= WIDE and report.storage and report.egress:
        yield title("Storage by bucket and class, data on the move by path")
        yield side_by_side(storage, egress)
        return
    if report.storage:
        yield title("Storage by bucket and class")
        yield storage
    if report.egress:
        yield title("Data on the move by path")
        yield egress


def _storage_table(report: Report) -> Table:
    table = quiet_table("bucket", "class", ">stored", ">30 days")
    for row in report.storage[:ROWS_SHOWN]:
        cost = money(row.cost, _currency(report))
        add_row(table, row.bucket or NOBODY, row.storage_class, size(row.size_bytes), cost)
    return table


def _egress_table(report: Report) -> Table:
    table = quiet_table("path", ">moved", ">30 days")
    for row in report.egress[:ROWS_SHOWN]:
        moved = size(int(row.transferred_gb * 1024**3)) if row.transferred_gb else ""
        add_row(table, row.path.replace("_", " "), moved, money(row.cost, _currency(report)))
    return table


def _prefixes(report: Report, width: int) -> Lines:
    closing, currency = report.closing, _currency(report)
    if not (report.prefixes or closing.bill):
        return
    yield title("Where the bill of the buckets comes from")
    table = quiet_table("prefix", "team", ">objects", ">size", ">30 days")
    shown = report.prefixes[:ROWS_SHOWN]
    for row in shown:
        place, cost = tail(f"s3://{row.bucket}/{row.prefix}", width - 46), money(row.cost, currency)
        add_row(table, place, row.team or NOBODY, f"{row.object_count:,}", size(row.size_bytes), cost)
    rest = closing.prefixes - sum((row.cost for row in shown), Decimal(0))
    if rest:
        add_row(table, "(all other prefixes)", "", "", "", money(rest, currency))
    for name, amount in (
        ("(residual) storage in no inventory", closing.residual_storage),
        ("(residual) requests, transfer and others", closing.residual_other),
    ):
        add_row(table, name, "", "", "", money(amount, currency), style="dim")
    yield table


def _hidden(report: Report, _: int) -> Lines:
    if not report.hidden:
        return
    total = sum((row.cost_usd_month for row in report.hidden), Decimal(0))
    yield title(f"Bytes that no listing shows: {money(total)} a month")
    costly = [row for row in report.hidden if row.cost_usd_month >= CENT]
    for row in costly[:3] or report.hidden[:1]:
        kind = HIDDEN_KINDS.get(row.kind, row.kind)
        what = f"{row.object_count:,} {kind}, {size(row.size_bytes)}, {money(row.cost_usd_month)}. "
        yield Text.assemble(
            (visible(row.bucket), "bold"), f": {visible(what)}", (visible(row.how_to_fix), "dim")
        )


def _saved(report: Report, _: int) -> Lines:
    if report.saved is None:
        yield Text(
            "This snapshot is older than marts.savings: what clean-up saved is not in it.", style="dim"
        )
    if not report.saved:
        return
    realised = sum((row.realised_usd or Decimal(0) for row in report.saved), Decimal(0))
    predicted = sum((row.predicted_usd for row in report.saved), Decimal(0))
    plans = counted(len({row.plan_id for row in report.saved}), "plan")
    yield title(f"What clean-up saved so far: {money(realised)} of {money(predicted)} predicted, {plans}")
    worst = report.saved[0]
    amount = "an unknown amount" if worst.realised_usd is None else money(worst.realised_usd)
    days = counted(worst.days_followed, "day")
    what = f": {amount} of {money(worst.predicted_usd)} in {days}; {worst.reading} ({worst.plan_id})"
    yield Text.assemble((visible(worst.bucket), "bold"), visible(what))


def _runs(report: Report, width: int) -> Lines:
    if not report.runs:
        return
    waste = report.waste
    count = f"{waste.checkpoint_count:,} in {counted(waste.run_count, 'run')}"
    yield title(
        f"Checkpoints: {count}, {size(waste.size_bytes)}; "
        f"{size(waste.stale_bytes)} of it stale, {money(waste.waste_usd_month)} a month"
    )
    table = quiet_table("run", "framework", "team", ">complete", ">size", ">stale", ">$/month")
    for run in report.runs[:ROWS_SHOWN]:
        place = tail(f"s3://{run.bucket}/{run.run}", width - 62)
        complete = f"{run.complete_count}/{run.checkpoint_count}"
        sizes = (size(run.size_bytes), size(run.stale_bytes), money(run.waste_usd_month))
        add_row(table, place, run.framework, run.team or NOBODY, complete, *sizes)
    yield table
    if waste.run_count > ROWS_SHOWN:
        yield Text(
            f"{waste.run_count - ROWS_SHOWN:,} more runs: moraine sql 'from marts.checkpoint_waste'",
            style="dim",
        )


def _closing(report: Report, _: int) -> Lines:
    closing, currency = report.closing, _currency(report)
    residual = closing.residual_storage + closing.residual_other
    if not (closing.bill or closing.prefixes or residual):
        return
    closes = closing.prefixes + residual == closing.bill
    yield Text.assemble(
        f"\nPrefix costs {money(closing.prefixes, currency)} + residual {money(residual, currency)}",
        (" = " if closes else " is not ", "bold"),
        (f"bill {money(closing.bill, currency)}", "bold green" if closes else "bold red"),
        " (30 days, exact)" if closes else "",
    )


def _currency(report: Report) -> str:
    return visible(report.currencies[0]) if report.currencies else "USD"
