"""The report's questions to the published marts. `$1` is the day; a month is the 30 days up to it."""

TOP = 100
"""Rows of the lists that grow with a company: prefixes and runs, dearest first."""

SNAPSHOT = "select snapshot_id, as_of, published_at, code_version from reference.snapshot"

CHECKS = """
select
    check_id,
    case
        when passed and starts_with(observed, 'skipped') then 'skipped'
        when passed then 'passed'
        when level = 'warn' then 'warned'
        else 'failed'
    end as outcome,
    count(*),
    coalesce(any_value(observed), '')
from marts.quality_results
group by all
order by outcome, check_id
"""

QUARANTINED = """
select source, delivery_id, scope, delivered_at, reason, how_to_fix
from marts.ingested_deliveries
where status = 'quarantined'
order by source, delivered_at, delivery_id
"""

RESTATED = """
select
    source, strftime(usage_date, '%Y-%m') as billed_month, currency, sum(change), min(previous_delivered_at)
from marts.bill_restatements
where was_closed and delivered_at >= $1
group by source, billed_month, currency
having sum(change) <> 0
order by source, billed_month, currency
"""

CURRENCIES = """
select currency
from marts.costs_daily
where usage_date > $1 - 30 and usage_date <= $1 and currency <> ''
group by currency
order by sum(effective_cost) desc, currency
"""

COSTS_BY = """
select
    {column},
    sum(effective_cost) as cost,
    sum(effective_cost)::double / nullif(sum(sum(effective_cost)) over (), 0)::double
from marts.costs_daily
where usage_date > $1 - 30 and usage_date <= $1
group by {column}
order by cost desc, {column}
"""

COSTS_BY_DAY = """
select usage_date, sum(effective_cost)
from marts.costs_daily
where usage_date > $1 - 60 and usage_date <= $1
group by usage_date
order by usage_date
"""

MONTH = """
select
    date_trunc('month', $1)::date,
    coalesce(sum(effective_cost) filter (where charge_category = 'Usage'), 0) as used,
    coalesce(sum(effective_cost) filter (where charge_category <> 'Usage'), 0) as other,
    count(distinct usage_date),
    day(last_day($1))
from marts.costs_daily
where usage_date >= date_trunc('month', $1) and usage_date <= $1
"""

CHANGES = """
with
named as (
    select
        coalesce(nullif(service_name, ''), service_code, '') as service,
        coalesce(meter, '') as meter,
        coalesce(team, '') as team,
        usage_date,
        effective_cost
    from marts.costs_daily
    where usage_date > $1 - 28 and usage_date <= $1
),
daily as (select service, meter, team, usage_date, sum(effective_cost) as cost from named group by all),
compared as (
    select
        service,
        meter,
        team,
        coalesce(sum(cost) filter (where usage_date = $1 - 7), 0)::decimal(38, 12) as cost_before,
        coalesce(sum(cost) filter (where usage_date = $1), 0)::decimal(38, 12) as cost
    from daily
    group by all
),
largest as (
    select *, cost - cost_before as change
    from compared
    where cost <> cost_before
    order by abs(cost - cost_before) desc, service, meter, team
    limit 10
),
parts as (
    select
        service_name as service,
        meter,
        team,
        -- For one contributor alone it is the same whether all or its own use grew.
        case when effect in ('volume', 'mix') then 'use' else effect end as effect,
        sum(amount) as amount,
        case when count(distinct usage_unit) = 1 then max(usage_unit) end as unit,
        -- Each key has a line for each of its effects.
        sum(distinct_before) as quantity_before,
        sum(distinct_after) as quantity
    from (
        select
            *,
            case when row_number() over same_key = 1 then compared_quantity else 0 end as distinct_before,
            case when row_number() over same_key = 1 then usage_quantity else 0 end as distinct_after
        from marts.cost_changes
        where usage_date = $1 and comparison = 'same_weekday'
        window same_key as (
            partition by
                service_name, meter, team, provider, bucket, usage_unit, currency,
                case when effect in ('volume', 'mix') then 'use' else effect end
            order by effect
        )
    )
    group by all
),
reasons as (
    select *
    from parts
    qualify row_number() over (partition by service, meter, team order by abs(amount) desc, effect) = 1
),
days as (select ($1 - ago::integer)::date as usage_date from range(28) as past(ago)),
costs as (
    select largest.service, largest.meter, largest.team, list(daily.cost order by days.usage_date) as costs
    from largest
    cross join days
    left outer join daily
        on
            largest.service = daily.service
            and largest.meter = daily.meter
            and largest.team = daily.team
            and days.usage_date = daily.usage_date
    group by all
)
select
    largest.service,
    largest.meter,
    largest.team,
    largest.cost_before,
    largest.cost,
    largest.change,
    coalesce(reasons.effect, '') as effect,
    reasons.unit,
    reasons.quantity_before,
    reasons.quantity,
    costs.costs
from largest
inner join costs
    on largest.service = costs.service and largest.meter = costs.meter and largest.team = costs.team
left outer join reasons
    on largest.service = reasons.service and largest.meter = reasons.meter and largest.team = reasons.team
order by abs(largest.change) desc, largest.service, largest.meter, largest.team
"""

EFFECTS = """
select effect, sum(amount)
from marts.cost_changes
where usage_date = $1 and comparison = 'same_weekday'
group by effect
order by abs(sum(amount)) desc, effect
"""

ANOMALIES = """
select
    scope, scope_name, currency, cost, expected_cost, impact, z_score,
    contributor_1_team, contributor_1_bucket, contributor_1_meter, contributor_1_impact,
    contributor_2_team, contributor_2_bucket, contributor_2_meter, contributor_2_impact,
    contributor_3_team, contributor_3_bucket, contributor_3_meter, contributor_3_impact
from marts.cost_anomalies
where usage_date = $1
order by abs(impact) desc, scope, scope_name, currency
"""

STORAGE = """
with
month as (select * from marts.storage_daily where usage_date > $1 - 30 and usage_date <= $1),
newest as (select bucket, max(usage_date) as last_date from month group by all)
select
    month.bucket,
    month.storage_class,
    -- A day's GB-months times the days of its month are the GB kept on that day, on average.
    coalesce(
        sum(month.gb_month::double * day(last_day(month.usage_date)) * 1073741824)
            filter (where month.usage_date = newest.last_date),
        0
    )::bigint,
    sum(month.effective_cost) as cost,
    (sum(month.effective_cost)::double / nullif(sum(month.gb_month), 0)::double)::decimal(18, 6)
from month
inner join newest on month.bucket = newest.bucket
group by month.bucket, month.storage_class
order by cost desc, month.bucket, month.storage_class
"""

PREFIXES = f"""
with
month as (
    select * from marts.prefix_costs
    where usage_date > $1 - 30 and usage_date <= $1 and not is_residual
),
newest as (select bucket, max(usage_date) as last_date from month group by all)
select
    month.bucket,
    month.prefix,
    max(month.team),
    coalesce(sum(month.size_bytes) filter (where month.usage_date = newest.last_date), 0)::bigint,
    coalesce(sum(month.object_count) filter (where month.usage_date = newest.last_date), 0)::bigint,
    sum(month.effective_cost) as cost
from month
inner join newest on month.bucket = newest.bucket
group by month.bucket, month.prefix
order by cost desc, month.bucket, month.prefix
limit {TOP}
"""

CLOSING = """
with
prefixes as (
    select
        coalesce(sum(effective_cost) filter (where not is_residual), 0) as prefixes,
        coalesce(sum(effective_cost) filter (where is_residual and meter_group = 'storage'), 0) as storage,
        coalesce(sum(effective_cost) filter (where is_residual and meter_group <> 'storage'), 0) as other
    from marts.prefix_costs
    where usage_date > $1 - 30 and usage_date <= $1
),
buckets as (select distinct bucket from marts.prefix_costs),
bill as (
    select coalesce(sum(effective_cost), 0) as bill
    from marts.costs_daily
    inner join buckets
        on
            regexp_replace(
                costs_daily.resource_id,
                '^arn:aws[a-z-]*:s3:::|^//storage[.]googleapis[.]com/projects/[^/]*/buckets/',
                ''
            )
            = buckets.bucket
    where
        costs_daily.service_code in ('AmazonS3', '95FF-2EF5-5EA1')
        and costs_daily.usage_date > $1 - 30 and costs_daily.usage_date <= $1
)
select prefixes, storage, other, bill from prefixes cross join bill
"""

EGRESS = """
select path, sum(transferred_gb), sum(effective_cost) as cost
from marts.egress_daily
where usage_date > $1 - 30 and usage_date <= $1
group by path
order by cost desc, path
"""

HIDDEN = """
select bucket, kind, object_count, size_bytes, coalesce(cost_usd_month, 0) as cost, how_to_fix
from marts.hidden_bytes
order by cost desc, bucket, kind
"""

RUNS = f"""
select
    bucket, run, framework, max(team), sum(checkpoint_count)::bigint, sum(complete_count)::bigint,
    sum(size_bytes)::bigint as bytes, sum(stale_bytes)::bigint,
    coalesce(sum(waste_usd_month), 0)::decimal(18, 6) as waste,
    string_agg(reason, '; ' order by waste_usd_month desc, size_bytes desc, reason)
from marts.checkpoint_waste
group by bucket, run, framework
order by waste desc, bytes desc, bucket, run, framework
limit {TOP}
"""

WASTE_TOTAL = """
select
    count(distinct (bucket, run, framework)),
    coalesce(sum(checkpoint_count), 0)::bigint,
    coalesce(sum(size_bytes), 0)::bigint,
    coalesce(sum(stale_bytes), 0)::bigint,
    coalesce(sum(waste_usd_month), 0)::decimal(18, 6)
from marts.checkpoint_waste
"""

HAS_MART = "select 1 from information_schema.tables where table_schema = 'marts' and table_name = $1"

SAVED = """
select plan_id, bucket, days_followed, predicted_usd, realised_usd, reading
from marts.savings
order by predicted_usd - realised_usd desc nulls last, plan_id, bucket
"""
