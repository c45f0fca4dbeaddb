-- What does each team cost this month, and what belongs to nobody?
select
    usage_month,
    team,
    currency,
    direct_effective_cost,
    shared_effective_cost,
    unallocated_effective_cost,
    effective_cost
from marts.showback_monthly
where usage_month = (select max(usage_month) from marts.showback_monthly)
order by effective_cost desc, team, currency
