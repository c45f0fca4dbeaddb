-- Which prefixes cost most, and how much of each bucket's bill does no prefix explain?
select
    bucket,
    prefix,
    currency,
    is_residual,
    sum(effective_cost) as effective_cost
from marts.prefix_costs
group by all
order by effective_cost desc, bucket, prefix, currency
limit 30
