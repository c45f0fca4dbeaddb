"""The screen says what the snapshot says: facts, not layout."""

import io
import re

import duckdb
import pytest
from rich.console import Console

from pipelines.report import render, render_report


def screen(connection: duckdb.DuckDBPyConnection, width: int = 100) -> str:
    console = Console(record=True, width=width, color_system=None, file=io.StringIO())
    render_report(connection, console)
    return re.sub(" +", " ", console.export_text())


def test_the_header_names_day_snapshot_and_checks(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "Thursday 2026-11-19 snapshot 2026-11-19-abcdef012345" in text
    assert "1 passed, 1 warned, 0 failed, 1 skipped published 2026-11-20 06:30 UTC" in text
    assert "warned: costs_have_owners: 30% (Amazon EC2)" in text


DAMAGED = """
insert into marts.ingested_deliveries
select 'd' || n, 'train', 'train', 'quarantined', 'a file is cut (s3://lists/' || n || ')', 'Copy it again.',
    '2026-11-19 05:00'
from range({count}) as damaged(n)
"""


def test_nothing_is_said_of_quarantine_when_nothing_is_there(snapshot: duckdb.DuckDBPyConnection) -> None:
    assert "quarantine" not in screen(snapshot)


def test_a_damaged_delivery_is_named_with_its_reason_and_the_fix(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(DAMAGED.format(count=1))

    text = screen(writer)

    assert "In quarantine: 1 damaged delivery; the numbers rest on what came before" in text
    assert "train (train, 2026-11-19 05:00): a file is cut (s3://lists/0) Copy it again." in " ".join(
        text.split()
    )
    assert "aws-bill" not in text


def test_a_month_that_the_newest_delivery_restated_is_named_with_its_change(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    writer.execute("""
        insert into marts.bill_restatements values
            ('aws-bill', 'USD', 12, true, '2026-11-19 05:00', '2026-11-20 05:00', '2026-10-30'),
            ('aws-bill', 'USD', 0.3, true, '2026-11-19 06:00', '2026-11-20 06:00', '2026-10-31'),
            ('aws-bill', 'USD', 50, false, '2026-11-19 05:00', '2026-11-20 05:00', '2026-11-18'),
            ('aws-bill', 'USD', 70, true, '2026-11-17 05:00', '2026-11-18 05:00', '2026-10-31')
    """)

    text = screen(writer)

    assert "2026-10 was restated by +$12.30 since 2026-11-19 (aws-bill)." in text
    assert text.count("was restated") == 1


def test_many_damaged_deliveries_do_not_fill_the_screen(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(DAMAGED.format(count=40))

    text = screen(writer)

    assert "In quarantine: 40 damaged deliveries" in text
    assert text.count("Copy it again.") == 3
    assert "37 more: moraine sql" in text


def test_costs_are_shown_by_layer_and_by_team(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "What it costs: $3,510.00 in 30 days" in text
    assert "compute $3,000.00 85%" in text
    assert "nlp $3,060.00 87%" in text
    assert "(nobody) $30.00 1%" in text


def test_a_cost_jump_is_visible_with_what_made_it(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "60 days " + "▁" * 57 + "███ $113.00 to $153.00 a day" in text
    assert "Thursday cost $153.00, +35% (+$40.00) against the Thursday before" in text
    assert "+$40.00 +400% " + "▁" * 25 + "███ +400% used Out-Bytes · vision · Amazon EC2" in text
    assert "of the whole change: length of the months +$0.50, first tiers of a month -$0.50" in text
    assert "Unusual for a Thursday: vision $50.00 instead of $10.00" in text


def test_why_a_day_cost_more_is_said_in_five_lines(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("""
        update marts.costs_daily set effective_cost = costs.cost
        from (values ('Requests', 1.25), ('BoxUsage', 0), ('TimedStorage', 3)) as costs(meter, cost)
        where costs_daily.meter = costs.meter and usage_date = '2026-11-19';
        insert into marts.cost_changes by name
        select
            date '2026-11-19' as usage_date, 'same_weekday' as comparison, service as service_name, meter,
            team, unit as usage_unit, effect, amount
        from (values
            ('Amazon EC2', 'BoxUsage', 'nlp', 'Hrs', 'gone', -100),
            ('Amazon S3', 'TimedStorage', 'nlp', 'GB-Mo', 'price', 1),
            ('Amazon S3', 'Requests', '', 'Requests', 'new', 0.25)
        ) as changes(service, meter, team, unit, effect, amount);
    """)

    lines = [" ".join(line.split()) for line in screen(writer).splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("Thursday cost"))

    assert lines[start : start + 5] == [
        "Thursday cost $54.25, -52% (-$58.75) against the Thursday before; most of it:",
        "-$100.00 -100% " + "█" * 27 + "▁ gone BoxUsage · nlp · Amazon EC2",
        "+$40.00 +400% " + "▁" * 25 + "███ +400% used Out-Bytes · vision · Amazon EC2",
        "+$1.00 +50% " + "▁" * 27 + "█ price of a GB-Mo TimedStorage · nlp · Amazon S3",
        "all else +$0.25; of the whole change: length of the months +$0.50, first tiers of a month -$0.50",
    ]


def test_the_month_is_carried_on_at_its_pace_and_what_comes_once_is_not(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    writer.execute("update marts.costs_daily set charge_category = 'Tax' where usage_date < '2026-11-17'")

    # Use has cost $459 in 19 days, which is $724.74 in 30; $1,808 come once.
    assert "November has cost $2,267.00 in 19 days; forecast $2,532.74 for all 30 at this pace" in screen(
        writer
    )


def test_two_days_are_no_pace(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("delete from marts.costs_daily where usage_date < '2026-11-18'")

    assert "forecast" not in screen(writer)


def test_a_day_without_a_bill_is_not_compared(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("delete from marts.costs_daily where usage_date = '2026-11-19'")

    assert "There is no bill for this Thursday and the one before" in screen(writer)


def test_storage_is_what_the_bill_says_was_kept(snapshot: duckdb.DuckDBPyConnection) -> None:
    # 2 GB-months on one day of a month of 30 days are 60 GB.
    assert "train STANDARD 60.0 GiB $4.00" in screen(snapshot)


def test_data_on_the_move_is_shown_by_path(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "inter region out 1.00 TiB $50.00" in text
    assert "nat hours $1.08" in text


def test_prefixes_and_residual_add_up_to_the_bill_on_the_screen(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "s3://train/runs/nlp/ nlp 1,234 1.00 TiB $57.00" in text
    assert "(residual) storage in no inventory $3.00" in text
    assert "(residual) requests, transfer and others $30.00" in text
    assert "Prefix costs $57.00 + residual $33.00 = bill $90.00 (30 days, exact)" in text


def test_prefixes_that_do_not_close_say_so(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("update marts.prefix_costs set effective_cost = 1.8 where not is_residual")

    assert "Prefix costs $54.00 + residual $33.00 is not bill $90.00" in screen(writer)


def test_prefixes_below_the_first_are_summed_not_dropped(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(
        "insert into marts.prefix_costs "
        "select prefix_costs.* replace ('p' || n as prefix, 0.5 as effective_cost) "
        "from marts.prefix_costs cross join range(9) as more(n) where not is_residual"
    )

    # Six are shown: the first of $57 and five of $15. Four of $15 remain.
    assert "(all other prefixes) $60.00" in screen(writer)


def test_hidden_bytes_come_with_the_fix(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "Bytes that no listing shows: $1.50 a month" in text
    assert "train: 4 open uploads, 1.00 GiB, $1.50. Abort them: aws s3api abort-multipart-upload" in text


def test_what_clean_up_saved_is_told_with_the_plan_that_fell_shortest(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    assert "What clean-up saved" not in screen(writer)

    writer.execute(
        "insert into marts.savings values"
        "('p1', 'train', 10, 7.5, 7, 'the bill fell with it'),"
        "('p2', 'data', 20, 2.5, -1, 'nothing was saved: versions stay billed'),"
        "('p3', 'data', 5, 1, null, 'no price is known')"
    )
    text = screen(writer)

    assert "What clean-up saved so far: $6.00 of $11.00 predicted, 3 plans" in text
    assert "data: -$1.00 of $2.50 in 20 days; nothing was saved: versions stay billed (p2)" in text


def test_a_snapshot_that_is_older_than_savings_is_reported_and_says_so(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    writer.execute("drop table marts.savings")
    text = screen(writer)

    assert "This snapshot is older than marts.savings: what clean-up saved is not in it." in text
    assert "Checkpoints: 3 in 1 run" in text


def test_checkpoints_are_shown_by_run_with_their_waste(snapshot: duckdb.DuckDBPyConnection) -> None:
    text = screen(snapshot)

    assert "Checkpoints: 3 in 1 run, 3.00 GiB; 1.00 GiB of it stale, $12.50 a month" in text
    assert "s3://train/runs/nlp/chat hf_trainer nlp 2/3 3.00 GiB 1.00 GiB $12.50" in text


def test_a_run_with_several_reasons_is_one_line(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute(
        """
        insert into marts.checkpoint_waste values
        ('train', 'runs/nlp/chat', 'hf_trainer', 'nlp', 4, 4, 1073741824, 1073741824, 2.5, 'copies of others')
        """
    )

    text = screen(writer)

    assert "Checkpoints: 7 in 1 run, 4.00 GiB; 2.00 GiB of it stale, $15.00 a month" in text
    assert "s3://train/runs/nlp/chat hf_trainer nlp 6/7 4.00 GiB 2.00 GiB $15.00" in text
    assert "more run" not in text


@pytest.mark.parametrize("width", [80, 110])
def test_it_fits_the_screen(snapshot: duckdb.DuckDBPyConnection, width: int) -> None:
    lines = render(snapshot, "text", width=width).splitlines()

    assert len(lines) <= 60
    assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize("width", [40, 80, 200])
def test_numbers_are_never_cut(writer: duckdb.DuckDBPyConnection, width: int) -> None:
    writer.execute("update marts.prefix_costs set prefix = repeat('deep/', 60) where not is_residual")

    text = screen(writer, max(width, 80))

    assert "1,234 1.00 TiB $57.00" in text
    assert "…" in text


def test_names_are_text_and_never_markup_or_commands(writer: duckdb.DuckDBPyConnection, hostile: str) -> None:
    writer.execute("update marts.prefix_costs set prefix = ? where not is_residual", [hostile])
    writer.execute("update marts.costs_daily set team = ? where team = 'vision'", [hostile])
    writer.execute("update marts.hidden_bytes set bucket = ?", [hostile])
    writer.execute("update marts.quality_results set observed = ?", [hostile])
    writer.execute("update marts.checkpoint_waste set run = ?", [hostile])
    writer.execute("update marts.storage_daily set bucket = ?", [hostile])
    writer.execute("update marts.ingested_deliveries set status = 'quarantined', reason = ?", [hostile])

    text = render(writer, "text", width=200)

    assert "\x1b" not in text
    assert text.count(r"we[red]ird'; drop table marts.checkpoints; --\x1b[2J") >= 7


def test_without_a_bill_the_screen_says_how_to_get_one(writer: duckdb.DuckDBPyConnection) -> None:
    for table in ("costs_daily", "prefix_costs", "storage_daily", "egress_daily"):
        writer.execute(f"delete from marts.{table}")

    text = screen(writer)

    assert "no bill was read; add a source of kind aws-cur2 or focus" in text
    assert "Checkpoints: 3 in 1 run" in text
    assert "= bill" not in text


def test_two_currencies_are_pointed_out(writer: duckdb.DuckDBPyConnection) -> None:
    writer.execute("update marts.costs_daily set currency = 'EUR' where meter = 'Requests'")

    assert "Costs are in USD, EUR: sums over them are no amounts." in screen(writer)


def test_colour_is_there_when_asked_for(snapshot: duckdb.DuckDBPyConnection) -> None:
    assert "\x1b[" in render(snapshot, "text", color=True)
    assert "\x1b[" not in render(snapshot, "text")
