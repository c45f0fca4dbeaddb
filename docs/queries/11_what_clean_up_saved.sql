-- What did clean-up really save, plan by plan, and what did it cost itself?
select
    plan_id,
    bucket,
    applied_date,
    days_followed,
    predicted_usd,
    counterfactual_usd,
    actual_usd,
    clean_up_usd,
    realised_usd,
    rate_basis,
    is_confirmed,
    reading
from marts.savings
order by applied_date desc, plan_id asc, bucket asc
