-- One row per month, bucket, currency and owner of prefixes in it: its stretch of the bucket.
with

prefix_costs as (

    select * from intermediate.int_prefix_costs_spread

),

owners as (

    select * from intermediate.int_prefixes_owned

),

weighed as (

    select
        date_trunc('month', prefix_costs.usage_date)::date as usage_month,
        prefix_costs.provider,
        prefix_costs.bucket,
        prefix_costs.currency,
        coalesce(owners.team, '') as team,
        sum(prefix_costs.effective_cost) as weight

    from prefix_costs

    left outer join owners
        on
            prefix_costs.bucket = owners.bucket
            and prefix_costs.prefix = owners.prefix

    group by all

),

stretched as (

    select
        usage_month,
        provider,
        bucket,
        currency,
        team,
        weight,
        max(team) over (partition by usage_month, provider, bucket, currency) as last_team,
        -- The part without an owner comes last.
        sum(weight) over (
            partition by usage_month, provider, bucket, currency
            order by team desc
            rows between unbounded preceding and current row
        ) as weight_until,
        sum(weight) over (
            partition by usage_month, provider, bucket, currency
        ) as total_weight

    from weighed

    where weight > 0

),

shared as (

    select
        usage_month,
        provider,
        bucket,
        currency,
        team,
        (weight_until - weight)::double / total_weight::double as begins_at,
        weight_until::double / total_weight::double as ends_at

    from stretched

    -- A bucket whose prefixes nobody owns is not divided.
    where last_team <> ''

)

select * from shared
