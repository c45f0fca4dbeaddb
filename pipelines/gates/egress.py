"""Do egress findings stay within the bill, and can the bill tell its transfers apart? Checks of egress."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.gates.check import ZERO, Bounds, Check, count_of
from pipelines.gates.money import MONTH

UNNAMED_AT_MOST = Decimal("0.01")

_BEYOND_THE_BILL = """
with
days as (
    select distinct provider, first_date, last_date from marts.egress_findings
),
bills as (
    select days.provider, coalesce(sum(costs.effective_cost), 0) as billed
    from days
    left outer join marts.costs_daily as costs
        on
            days.provider = costs.provider
            and costs.usage_date between days.first_date and days.last_date
            and costs.layer = 'network'
            and costs.currency = 'USD'
            and costs.charge_category not in ('Tax', 'Purchase')
    group by all
),
found as (
    select provider, sum(gross_usd) as found from marts.egress_findings group by all
)
select '' as scope, provider, '(all)' as finding_id, found as claimed_usd, billed as at_most_usd
from found
inner join bills using (provider)
where found > billed
union all
select '' as scope, provider, finding_id, avoidable_usd_month as claimed_usd, gross_usd_month as at_most_usd
from marts.egress_findings
where avoidable_usd_month > gross_usd_month or avoidable_usd_month < 0 or gross_usd <= 0
order by claimed_usd - at_most_usd desc, provider, finding_id
"""
_IS_UNNAMED = """
provider in ('aws', 'gcp')
and charge_category = 'Usage'
and (meter = '' or (provider = 'aws' and regexp_matches(meter, '^[A-Z0-9]{13,}$')))
"""
_UNNAMED_SHARE = f"""
select
    '' as scope,
    coalesce(
        sum(abs(effective_cost)) filter (where {_IS_UNNAMED}) / nullif(sum(abs(effective_cost)), 0), 0
    ) as measured,
    max_by(service_name, abs(effective_cost)) filter (where {_IS_UNNAMED}) as example
from marts.costs_daily
where {MONTH}
"""
_UNNAMED = f"""
select '' as scope, provider, service_code, service_name, meter, sum(effective_cost) as effective_cost
from marts.costs_daily
where {MONTH} and {_IS_UNNAMED}
group by all
order by abs(sum(effective_cost)) desc
"""
_OTHER_CURRENCIES = f"""
select '' as scope, provider, currency, count(*) as row_count, sum(effective_cost) as effective_cost
from marts.egress_daily
where {MONTH} and currency <> 'USD' and effective_cost <> 0
group by all
order by all
"""


def egress() -> Sequence[Check]:
    """Return the checks of egress and of what is found in it."""
    return (
        Check(
            "egress_findings_within_the_bill",
            "marts.egress_findings",
            "block",
            count_of(_BEYOND_THE_BILL, ("provider", "finding_id")),
            ZERO,
            "0 findings beyond the bill",
            "A byte belongs to one finding: all of them together are part of the bill's network charges, and "
            "none saves more than it costs.",
            _BEYOND_THE_BILL,
            needs="bill",
        ),
        Check(
            "meters_are_named",
            "marts.costs_daily",
            "warn",
            _UNNAMED_SHARE,
            Bounds(at_most=UNNAMED_AT_MOST),
            f"at most {UNNAMED_AT_MOST:%} of the month's cost without a usage type",
            "A FOCUS bill of AWS without x_UsageType, x_Operation or SkuMeter has bare SKUs: traffic between "
            "zones, to the internet and of replication looks alike, so egress and its findings miss it. Add "
            "these columns to the export.",
            _UNNAMED,
            needs="bill",
            unit="%",
        ),
        Check(
            "egress_is_in_dollars",
            "marts.egress_daily",
            "warn",
            count_of(_OTHER_CURRENCIES, ("provider", "currency")),
            ZERO,
            "0 other currencies in the month's transfers",
            "Findings are in USD and nothing converts money here: transfers billed in another currency are "
            "in egress_daily and in no finding.",
            _OTHER_CURRENCIES,
            needs="bill",
        ),
    )
