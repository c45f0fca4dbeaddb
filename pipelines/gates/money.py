"""Is every charge there once, with a price and an owner? Checks of costs."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.gates.check import SOME, ZERO, Bounds, Check, Shared, count_of

UNCLASSIFIED_AT_MOST = Decimal("0.01")
UNALLOCATED_AT_MOST = Decimal("0.20")
UNPRICED_AT_MOST = Decimal("0.01")
MONTH = "usage_date > getvariable('as_of') - 30 and usage_date <= getvariable('as_of')"

CHARGES = Shared(
    "charges_by_day",
    "select usage_date, sum(billed_cost) as billed, sum(effective_cost) as effective, "
    "sum(line_count)::bigint as row_count "
    "from intermediate.int_charges_summed_daily group by all",
)
"""What the bills say of each day, as the models read their lines."""

_COMPARED_WITH_THE_MART = """
with
bill as (select * from charges_by_day),
mart as (
    select usage_date, sum(billed_cost) as billed, sum(effective_cost) as effective
    from marts.costs_daily
    group by all
),
compared as (
    select
        coalesce(bill.usage_date, mart.usage_date) as usage_date,
        coalesce(bill.billed, 0) as billed_in_bill,
        coalesce(mart.billed, 0) as billed_in_mart,
        coalesce(bill.effective, 0) as effective_in_bill,
        coalesce(mart.effective, 0) as effective_in_mart,
        abs(billed_in_bill - billed_in_mart) + abs(effective_in_bill - effective_in_mart) as difference
    from bill
    full outer join mart on bill.usage_date is not distinct from mart.usage_date
)
"""
_COMPARED_WITH_THE_ROLLUP = """
with
said as (
    select usage_date, sum(bill_days.billed_cost) as billed, sum(bill_days.row_count)::bigint as row_count
    from raw.bill_days
    inner join raw.deliveries using (source, table_name, delivery_id)
    where deliveries.fault is null
    group by all
),
charged as (select * from charges_by_day),
compared as (
    select
        coalesce(said.usage_date, charged.usage_date) as usage_date,
        coalesce(said.billed, 0) as billed_when_landed,
        coalesce(charged.billed, 0) as billed_in_models,
        coalesce(said.row_count, 0) as rows_when_landed,
        coalesce(charged.row_count, 0) as rows_in_models,
        abs(billed_when_landed - billed_in_models) as difference,
        difference <> 0 or rows_when_landed <> rows_in_models as is_different
    from said
    full outer join charged on said.usage_date is not distinct from charged.usage_date
)
"""
_BILL_DIFFERENCE = f"""
{_COMPARED_WITH_THE_MART}
select
    '' as scope,
    coalesce(max(difference), 0) as measured,
    'on ' || max_by(usage_date, difference) filter (where difference > 0) as example
from compared
"""
_DAYS_THAT_DIFFER = f"""
{_COMPARED_WITH_THE_MART}
select '' as scope, * from compared where difference > 0 order by difference desc, usage_date
"""
_DAYS_UNLIKE_LANDED = f"""
{_COMPARED_WITH_THE_ROLLUP}
select '' as scope, * exclude (is_different) from compared
where is_different
order by difference desc, usage_date
"""

_CURRENCIES = """
select
    '' as scope,
    count(distinct currency) as measured,
    string_agg(distinct currency, ', ' order by currency) as example
from marts.costs_daily
where currency <> ''
"""
_BY_CURRENCY = """
select '' as scope, currency, provider, count(*) as row_count, sum(billed_cost) as billed_cost
from marts.costs_daily
where currency <> ''
group by all
order by row_count
"""

_CHANGES_UNLIKE_COSTS = """
with
costs as (
    select usage_date, sum(effective_cost) as cost
    from intermediate.int_charges_attributed
    where usage_date > getvariable('as_of') - 92 and usage_date <= getvariable('as_of')
    group by all
),
compared as (
    select usage_date, 'day_before' as comparison, (usage_date - 1)::date as compared_date from costs
    union all
    select usage_date, 'same_weekday' as comparison, (usage_date - 7)::date as compared_date from costs
    union all
    select
        usage_date, 'month_before' as comparison, (usage_date - interval 1 month)::date as compared_date
    from costs
),
changed as (
    select usage_date, comparison, compared_date, sum(amount) as amount
    from marts.cost_changes
    group by all
)
select
    '' as scope,
    compared.usage_date,
    compared.comparison,
    after.cost - before.cost as change,
    coalesce(changed.amount, 0) as explained,
    abs(after.cost - before.cost - coalesce(changed.amount, 0)) as difference
from compared
inner join costs as after on compared.usage_date = after.usage_date
inner join costs as before on compared.compared_date = before.usage_date
left outer join changed
    on
        compared.usage_date = changed.usage_date
        and compared.comparison = changed.comparison
        and compared.compared_date = changed.compared_date
where compared.usage_date > getvariable('as_of') - 35 and difference <> 0
order by difference desc, compared.usage_date
"""

_BYTES_LISTED = """
with
bytes as (
    select
        directories.provider, directories.bucket, directories.storage_class,
        sum(directories.size_bytes)::bigint as size_bytes
    from intermediate.int_directories_unioned as directories
    inner join intermediate.int_listings_chosen as listings
        on
            directories.provider = listings.provider
            and directories.bucket = listings.bucket
            and directories.snapshot_at = listings.snapshot_at
    group by all
),
priced as (
    select bytes.*, coalesce(rates.usd_gb_month, 0) > 0 as has_price
    from bytes
    left outer join intermediate.int_storage_rates_chosen as rates
        on
            bytes.provider = rates.provider
            and bytes.bucket = rates.bucket
            and bytes.storage_class = rates.storage_class
)
"""
_UNPRICED_SHARE = f"""
{_BYTES_LISTED}
select
    '' as scope,
    coalesce(sum(size_bytes) filter (where not has_price) / nullif(sum(size_bytes), 0), 0) as measured,
    max_by(bucket || ' ' || coalesce(storage_class, 'without a class'), size_bytes)
        filter (where not has_price and size_bytes > 0) as example
from priced
"""
_UNPRICED = f"""
{_BYTES_LISTED}
select '' as scope, * exclude (has_price) from priced where not has_price order by size_bytes desc
"""

_UNCLASSIFIED_SHARE = f"""
select
    '' as scope,
    coalesce(
        sum(abs(effective_cost)) filter (where path = 'unclassified_transfer')
        / nullif(sum(abs(effective_cost)), 0),
        0
    ) as measured,
    max_by(resource_id, effective_cost) filter (where path = 'unclassified_transfer') as example
from marts.egress_daily
where {MONTH}
"""
_UNCLASSIFIED = f"""
select '' as scope, provider, resource_id, team, sum(effective_cost) as effective_cost
from marts.egress_daily
where path = 'unclassified_transfer' and {MONTH}
group by all
order by abs(sum(effective_cost)) desc
"""
_SHOWN = """
with
bill as (
    select
        date_trunc('month', usage_date)::date as usage_month, currency,
        sum(billed_cost) as billed, sum(effective_cost) as effective
    from intermediate.int_charges_attributed
    group by all
),
mart as (
    select usage_month, currency, sum(billed_cost) as billed, sum(effective_cost) as effective
    from marts.showback_monthly
    group by all
),
compared as (
    select
        coalesce(bill.usage_month, mart.usage_month) as usage_month,
        coalesce(bill.currency, mart.currency) as currency,
        coalesce(bill.billed, 0) as billed_in_bill,
        coalesce(mart.billed, 0) as billed_in_mart,
        coalesce(bill.effective, 0) as effective_in_bill,
        coalesce(mart.effective, 0) as effective_in_mart,
        abs(billed_in_bill - billed_in_mart) + abs(effective_in_bill - effective_in_mart) as difference
    from bill
    full outer join mart
        on bill.usage_month is not distinct from mart.usage_month and bill.currency = mart.currency
)
"""
_SHOWBACK_DIFFERENCE = f"""
{_SHOWN}
select
    '' as scope,
    coalesce(max(difference), 0) as measured,
    'in ' || max_by(strftime(usage_month, '%Y-%m') || ' ' || currency, difference)
        filter (where difference > 0) as example
from compared
"""
_MONTHS_THAT_DIFFER = f"""
{_SHOWN}
select '' as scope, * from compared where difference > 0 order by difference desc, usage_month
"""
_UNALLOCATED_SHARE = f"""
select
    '' as scope,
    coalesce(sum(unallocated_effective_cost) / nullif(sum(effective_cost), 0), 0) as measured,
    (
        select max_by(service_name, effective_cost)
        from marts.costs_daily
        where team = '' and {MONTH}
    ) as example
from marts.showback_monthly
where usage_month > getvariable('as_of') - 60 and usage_month <= getvariable('as_of')
"""
_UNALLOCATED = f"""
select '' as scope, provider, service_name, resource_id, sum(effective_cost) as effective_cost
from marts.costs_daily
where team = '' and {MONTH}
group by all
order by sum(effective_cost) desc
"""


def money() -> Sequence[Check]:
    """Return the checks of costs."""
    return (*_sums(), *_coverage())


def _sums() -> Sequence[Check]:
    return (
        Check(
            "costs_equal_the_bill",
            "marts.costs_daily",
            "block",
            _BILL_DIFFERENCE,
            ZERO,
            "0 USD on every day",
            "Every charge of the bill stands in costs_daily once: decimals are exact, so any difference is a "
            "lost or doubled row.",
            _DAYS_THAT_DIFFER,
            needs="bill",
            unit="USD",
            reads=CHARGES,
        ),
        Check(
            "bill_equals_its_rollup",
            "raw.bill_days",
            "block",
            count_of(_DAYS_UNLIKE_LANDED, ("usage_date", "difference")),
            ZERO,
            "0 days differ",
            "While a bill lands, its rows and dollars are counted by day; the models read the same rows "
            "later. A day with other rows or dollars was read from something else.",
            _DAYS_UNLIKE_LANDED,
            needs="bill",
            reads=CHARGES,
        ),
        Check(
            "costs_daily_is_not_empty",
            "marts.costs_daily",
            "block",
            "select '' as scope, count(*) as measured, null as example from marts.costs_daily",
            SOME,
            "at least 1 row",
            "A bill was delivered, so there are costs.",
            "select '' as scope, source, table_name, delivery_id, row_count from raw.deliveries "
            "where fault is null and row_count > 0 order by all",
            needs="bill",
        ),
        Check(
            "cost_changes_close",
            "marts.cost_changes",
            "block",
            "select '' as scope, coalesce(max(difference), 0) as measured, "
            "max_by(usage_date || ' ' || comparison, difference) as example "
            f"from ({_CHANGES_UNLIKE_COSTS})",
            ZERO,
            "0 USD on every day and comparison",
            "The effects are what somebody reads in the morning: parts that do not add up to the change of "
            "the day explain another day.",
            _CHANGES_UNLIKE_COSTS,
            needs="bill",
            unit="USD",
        ),
        Check(
            "showback_adds_up",
            "marts.showback_monthly",
            "block",
            _SHOWBACK_DIFFERENCE,
            ZERO,
            "0 in every month and currency",
            "What teams are shown and what nobody owns is the whole bill: a share that is rounded away, or a "
            "shared cost that two teams bear, would be money that no invoice has.",
            _MONTHS_THAT_DIFFER,
            needs="bill",
        ),
        Check(
            "costs_have_one_currency",
            "marts.costs_daily",
            "warn",
            _CURRENCIES,
            Bounds(at_most=Decimal(1)),
            "one currency",
            "Nothing converts money here: a sum over two currencies is no amount.",
            _BY_CURRENCY,
            needs="bill",
        ),
    )


def _coverage() -> Sequence[Check]:
    return (
        Check(
            "bytes_have_prices",
            "intermediate.int_storage_rates_chosen",
            "warn",
            _UNPRICED_SHARE,
            Bounds(at_most=UNPRICED_AT_MOST),
            f"at most {UNPRICED_AT_MOST:.0%} of the bytes without a rate",
            "Bytes of a class that neither the bill nor the price list has a rate for cost nothing here, and "
            "cost something there. All classes of S3 have one: what shows up is a new class.",
            _UNPRICED,
            needs="inventory",
            unit="%",
        ),
        Check(
            "transfers_are_classified",
            "marts.egress_daily",
            "warn",
            _UNCLASSIFIED_SHARE,
            Bounds(at_most=UNCLASSIFIED_AT_MOST),
            f"at most {UNCLASSIFIED_AT_MOST:%} of the month's transfer cost",
            "A meter that no rule knows has no path and no advice; new meters show up here first.",
            _UNCLASSIFIED,
            needs="bill",
            unit="%",
        ),
        Check(
            "costs_have_owners",
            "marts.showback_monthly",
            "warn",
            _UNALLOCATED_SHARE,
            Bounds(at_most=UNALLOCATED_AT_MOST),
            f"at most {UNALLOCATED_AT_MOST:%} of two months without a team",
            "About four fifths allocated is where companies start; below that a report by team misleads.",
            _UNALLOCATED,
            needs="teams",
            unit="%",
        ),
    )
