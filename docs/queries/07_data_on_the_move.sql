-- Where does data go, and what does that cost?
select
    path,
    from_region,
    to_region,
    currency,
    sum(transferred_gb) as transferred_gb,
    sum(effective_cost) as effective_cost
from marts.egress_daily
group by all
order by effective_cost desc, path, from_region, to_region, currency
