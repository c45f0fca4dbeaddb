-- What is stored in which class, and what does a gigabyte really cost a month?
select
    bucket,
    storage_class,
    currency,
    sum(gb_month) as gb_month,
    sum(effective_cost) as effective_cost,
    sum(effective_cost)::double / nullif(sum(gb_month)::double, 0) as cost_of_a_gb_month
from marts.storage_daily
group by all
order by effective_cost desc, bucket, storage_class, currency
