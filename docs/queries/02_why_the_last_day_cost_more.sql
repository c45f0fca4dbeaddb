-- Why did the last day cost more, or less, than the same weekday before?
select
    usage_date,
    compared_date,
    key,
    effect,
    currency,
    amount
from marts.cost_changes
where
    comparison = 'same_weekday'
    and usage_date = (select max(usage_date) from marts.cost_changes)
order by abs(amount) desc, key, effect
limit 20
