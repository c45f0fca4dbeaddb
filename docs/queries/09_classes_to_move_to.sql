-- Which prefixes would be cheaper in another class, and when is the move paid back?
select
    bucket,
    prefix,
    storage_class,
    proposed_class,
    saving_usd_month,
    one_off_usd,
    break_even_months,
    reason
from marts.tier_findings
where is_best and verdict = 'move'
order by saving_usd_month desc, bucket, prefix, storage_class
