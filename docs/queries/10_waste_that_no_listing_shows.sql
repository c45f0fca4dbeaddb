-- What do bytes cost that nobody sees: stale checkpoints, and what no listing shows?
select
    'checkpoints' as kind,
    bucket,
    run as place,
    stale_bytes as size_bytes,
    waste_usd_month as cost_usd_month,
    reason as what_to_do
from marts.checkpoint_waste
union all
select
    kind,
    bucket,
    '' as place,
    size_bytes,
    cost_usd_month,
    how_to_fix as what_to_do
from marts.hidden_bytes
order by cost_usd_month desc nulls last, kind, bucket, place
