"""Is the bill up to date, and is every day there? Checks of bills against the calendar."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.domain.configuration import Gates
from pipelines.gates.check import Bounds, Check

LATE_AT_MOST = Decimal(3)
SLOW_AT_MOST = Decimal(45)
WILD = Decimal(10)


def _last_days(used: str, scope: str) -> str:
    """Return CTEs: the last day of each scope, and whether it bills every day."""
    return f"""
used as ({used}),
newest as (select *, max(usage_date) over (partition by {scope}) as last_date from used),
-- Who billed each of the last 7 days bills every day; the others may just not have been used.
last_days as (
    select {scope}, last_date, count(*) filter (where usage_date > last_date - 7) = 7 as is_daily
    from newest
    group by all
)
"""


_PROVIDER_DAYS = f"""
with {
    _last_days(
        "select provider, usage_date from marts.costs_daily "
        "where charge_category = 'Usage' and usage_date <= getvariable('as_of') group by all",
        "provider",
    )
},
scopes as (
    select '' as scope, max(usage_date) as last_date from used
    -- That there are no costs at all is for another check to say.
    having exists (select 1 from marts.costs_daily)
    union all
    select provider, last_date from last_days where is_daily
)
"""
_BILL_AGE = f"""
{_PROVIDER_DAYS}
select
    scope,
    date_diff('day', last_date, getvariable('as_of')) as measured,
    'last day is ' || last_date as example
from scopes
order by scope
"""
_LAST_BILLED = f"{_PROVIDER_DAYS} select scope, last_date as last_billed_day from scopes"

_SOURCE_DAYS = f"""
with {
    _last_days(
        "select source, usage_date from raw.bill_days inner join raw.deliveries "
        "using (source, table_name, delivery_id) "
        "where fault is null and usage_date <= getvariable('as_of') group by all",
        "source",
    )
}
"""


def _source_age(is_daily: str) -> str:
    return f"""
{_SOURCE_DAYS}
select
    source as scope,
    date_diff('day', last_date, getvariable('as_of')) as measured,
    'last day is ' || last_date as example
from last_days
where {is_daily}
order by scope
"""


_SOURCES_LAST_BILLED = f"""
{_SOURCE_DAYS}
select last_days.source as scope, last_days.last_date as last_billed_day, delivery_id, delivered_at
from last_days
inner join raw.deliveries on last_days.source = deliveries.source and deliveries.fault is null
order by delivered_at desc
"""

_STORED_DAYS = """
with
days as (
    select distinct provider, usage_date
    from marts.storage_daily
    where usage_date > getvariable('as_of') - 35 and usage_date <= getvariable('as_of')
),
ends as (
    select provider, min(usage_date) as first_date, max(usage_date) as last_date from days group by all
),
wanted as (
    select provider, unnest(generate_series(first_date, last_date, interval 1 day))::date as usage_date
    from ends
),
checked as (
    select wanted.provider, wanted.usage_date, days.usage_date is null as is_missing
    from wanted
    left outer join days on wanted.provider = days.provider and wanted.usage_date = days.usage_date
)
"""
_DAYS_MISSING = f"""
{_STORED_DAYS}
select
    provider as scope,
    count(*) filter (where is_missing) as measured,
    'the first is ' || min(usage_date) filter (where is_missing) as example
from checked
group by all
order by scope
"""
_MISSING_DAYS = f"""
{_STORED_DAYS} select provider as scope, usage_date as missing_day from checked where is_missing order by all
"""


def _like_weekdays(measure: str, least: int) -> str:
    """Compare the last whole day with the median of the same weekday in the four weeks before."""
    return f"""
with
days as (
    select provider, usage_date, ({measure}) as amount
    from marts.costs_daily
    where charge_category = 'Usage' and usage_date >= getvariable('as_of') - 29
    group by all
),
earlier as (
    select provider, median(amount::double) as amount, count(*) as day_count
    from days
    where date_diff('day', usage_date, getvariable('as_of')) in (8, 15, 22, 29)
    group by all
),
compared as (
    select
        days.provider as scope,
        days.usage_date,
        days.amount,
        earlier.amount as usual_amount,
        -- Cents may do what they like.
        greatest(days.amount::double, {least}) / greatest(earlier.amount, {least}) as times
    from days
    inner join earlier on days.provider = earlier.provider
    where days.usage_date = getvariable('as_of') - 1 and earlier.day_count >= 2
)
select scope, times as measured, format('{{:.2f}}, usually {{:.2f}}', amount::double, usual_amount) as example
from compared
order by scope
"""


def _moved_services(measure: str) -> str:
    return f"""
with
days as (
    select
        provider as scope, service_name,
        ({measure} filter (where usage_date = getvariable('as_of') - 1)) as that_day,
        ({measure} filter (where usage_date = getvariable('as_of') - 8)) as a_week_before
    from marts.costs_daily
    where charge_category = 'Usage'
    group by all
)
select * from days
where that_day is not null or a_week_before is not null
order by abs(coalesce(that_day, 0) - coalesce(a_week_before, 0)) desc
"""


def days(limits: Gates) -> Sequence[Check]:
    """Return the checks of the days that are billed."""
    return (*_freshness(), _completeness(limits), *_pace(limits))


def _freshness() -> Sequence[Check]:
    return (
        Check(
            "bill_is_fresh",
            "marts.costs_daily",
            "block",
            _BILL_AGE,
            Bounds(at_most=LATE_AT_MOST),
            f"the day itself; more than {LATE_AT_MOST} days without block",
            "Exports finish a day up to 24 hours after it ends: a day or two may be low or missing, and the "
            "next night completes them. More than three days without is an export that stopped.",
            _LAST_BILLED,
            needs="bill",
            unit="days",
            warns_beyond=Bounds(at_most=Decimal(0)),
        ),
        Check(
            "bill_sources_are_fresh",
            "raw.bill_days",
            "block",
            _source_age("is_daily"),
            Bounds(at_most=LATE_AT_MOST),
            f"at most {LATE_AT_MOST} days old",
            "Of two bills of one provider one can stop unseen. A source that billed each of its last seven "
            "days bills every day, and exports are due after 24 hours.",
            _SOURCES_LAST_BILLED,
            needs="bill",
            unit="days",
        ),
        Check(
            "slow_bills_keep_coming",
            "raw.bill_days",
            "warn",
            _source_age("not is_daily"),
            Bounds(at_most=SLOW_AT_MOST),
            f"at most {SLOW_AT_MOST} days old",
            "A source that does not bill every day may just not have been used; but a month is invoiced "
            "within two weeks of its end, so that after 45 days even a monthly bill is missing.",
            _SOURCES_LAST_BILLED,
            needs="bill",
            unit="days",
        ),
    )


def _completeness(limits: Gates) -> Check:
    return Check(
        "bill_has_every_day",
        "marts.storage_daily",
        "block",
        _DAYS_MISSING,
        Bounds(at_most=Decimal(limits.max_missing_days)),
        f"at most {limits.max_missing_days} days missing between the first and the last of 35",
        "What is stored is billed every day: a day without any storage cost, between days that have some, "
        "is a file that did not arrive. Where a day is lost for good, raise gates.max_missing_days.",
        _MISSING_DAYS,
        needs="bill",
        unit="days",
    )


def _pace(limits: Gates) -> Sequence[Check]:
    factor = limits.max_daily_change
    narrow, wide = _around(factor), _around(WILD)
    expected = f"at most {factor:f} times the weekday's median, or a part of it; {WILD} times blocks"
    return (
        Check(
            "costs_are_like_the_weekday",
            "marts.costs_daily",
            "block",
            _like_weekdays("sum(effective_cost)", 1),
            wide,
            expected,
            "Weekends differ from weekdays, the same weekdays hardly: in the demo company by at most 17%, "
            "with a jump in it. A day that doubles wants a look (gates.max_daily_change); one at ten times "
            "or a tenth is a file read twice, cut, or in another unit.",
            _moved_services("sum(effective_cost)"),
            needs="bill",
            unit="times",
            warns_beyond=narrow,
        ),
        Check(
            "rows_are_like_the_weekday",
            "marts.costs_daily",
            "block",
            _like_weekdays("count(*)", 10),
            wide,
            expected,
            "A day has as many kinds of charges as the same day of other weeks: 28 on each in the demo "
            "company. Half of them gone, or twice as many at the same cost, is a cut file or a broken key.",
            _moved_services("count(*)"),
            needs="bill",
            unit="times",
            warns_beyond=narrow,
        ),
    )


def _around(factor: Decimal) -> Bounds:
    return Bounds(1 / factor, factor)
