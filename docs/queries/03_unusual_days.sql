-- Which days were unusual, and who or what made them so?
select
    usage_date,
    scope,
    scope_name,
    currency,
    cost,
    expected_cost,
    impact,
    contributor_1_team,
    contributor_1_bucket,
    contributor_1_meter,
    contributor_1_impact
from marts.cost_anomalies
order by usage_date desc, abs(impact) desc, scope, scope_name, currency
