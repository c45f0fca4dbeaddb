-- What did each layer of the stack cost, month by month?
select
    date_trunc('month', usage_date)::date as usage_month,
    layer,
    currency,
    sum(billed_cost) as billed_cost,
    sum(effective_cost) as effective_cost
from marts.costs_daily
group by all
order by usage_month, layer, currency
