"""What each delivery of a bill says of each day: kept of all of them, so that a restated day is seen."""

from pipelines.domain.deliveries import Delivery
from pipelines.domain.quoting import quote

_BILLED = {
    "aws_cur2": (
        "coalesce(line_item_usage_start_date, bill_billing_period_start_date)",
        "line_item_currency_code",
        "coalesce(line_item_net_unblended_cost, line_item_unblended_cost)",
    ),
    "focus": ("coalesce(ChargePeriodStart, BillingPeriodStart)", "BillingCurrency", "BilledCost"),
    "gcp_billing": ("usage_start_at", "currency", "cost + coalesce(credits_amount, 0)"),
}
"""Per raw table the time, the currency and the amount that is billed."""
_COUNTED = {"aws_cur2": "coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')"}
"""Per raw table the lines that are not parts of others: a pod's cost is part of its instance's."""


def rollup(delivery: Delivery) -> dict[str, str]:
    """Return the roll-up of a bill: its SQL over the view `landed`, by raw table. Other tables have none.

    One row has no day: it says that the delivery was there, however empty.
    """
    if delivery.table not in _BILLED:
        return {}
    time, currency, amount = _BILLED[delivery.table]
    identity = f"""
        {quote(delivery.source)}::varchar as source,
        {quote(delivery.table)}::varchar as table_name,
        {quote(delivery.delivery_id)}::varchar as delivery_id,
        {quote(delivery.scope)}::varchar as scope,
        {quote(delivery.delivered_at.isoformat())}::timestamp as delivered_at
    """
    days = f"""
        select
            {identity},
            ({time})::date as usage_date,
            {currency} as currency,
            sum(({amount})::decimal(38,12))::decimal(38,12) as billed_cost,
            count(*)::bigint as row_count
        from landed
        where {_COUNTED.get(delivery.table, "true")}
        group by all
    """
    marker = f"select {identity}, null::date, null::varchar, 0::decimal(38,12), 0::bigint"
    return {"bill_days": f"select * from ({days}) union all {marker}"}
