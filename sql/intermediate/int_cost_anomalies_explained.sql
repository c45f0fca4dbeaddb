-- One row per anomaly and one of its three largest contributors: a team, bucket and meter.
with

costs as (

    select * from intermediate.int_costs_keyed_daily

),

past_days as (

    select * from intermediate.int_weekdays_compared

),

anomalies as (

    select * from intermediate.int_cost_anomalies_found

),

anomalous_days as (

    select distinct
        currency,
        usage_date

    from anomalies

),

parts as (

    select
        currency,
        team,
        bucket,
        concat_ws(' | ', provider, service_name, meter) as meter,
        usage_date,
        sum(used_cost)::decimal(38, 12) as cost -- noqa: RF04

    from costs

    group by all

),

-- The day itself is the first to look at, then its weekdays before.
days as (

    select
        anomalous_days.currency,
        anomalous_days.usage_date,
        anomalous_days.usage_date as seen_date

    from anomalous_days

    union all

    select
        past_days.currency,
        past_days.usage_date,
        past_days.past_date as seen_date

    from past_days

    inner join anomalous_days
        on
            past_days.currency = anomalous_days.currency
            and past_days.usage_date = anomalous_days.usage_date

),

parts_seen as (

    select distinct
        days.currency,
        days.usage_date,
        parts.team,
        parts.bucket,
        parts.meter

    from days

    inner join parts
        on
            days.currency = parts.currency
            and days.seen_date = parts.usage_date

),

filled as (

    select
        parts_seen.currency,
        parts_seen.usage_date,
        parts_seen.team,
        parts_seen.bucket,
        parts_seen.meter,
        days.seen_date = days.usage_date as is_the_day,
        coalesce(parts.cost, 0)::double as cost -- noqa: RF04

    from parts_seen

    inner join days
        on
            parts_seen.currency = days.currency
            and parts_seen.usage_date = days.usage_date

    left outer join parts
        on
            parts_seen.currency = parts.currency
            and parts_seen.team = parts.team
            and parts_seen.bucket = parts.bucket
            and parts_seen.meter = parts.meter
            and days.seen_date = parts.usage_date

),

moved as (

    select
        currency,
        usage_date,
        team,
        bucket,
        meter,
        (
            sum(cost) filter (where is_the_day) - median(cost) filter (where not is_the_day)
        )::decimal(38, 12) as impact

    from filled

    group by all

),

ranked as (

    select
        anomalies.scope,
        anomalies.scope_name,
        anomalies.currency,
        moved.team,
        moved.bucket,
        moved.meter,
        row_number() over (
            partition by
                anomalies.scope,
                anomalies.scope_name,
                anomalies.currency,
                anomalies.usage_date
            order by
                abs(moved.impact) desc,
                moved.team asc,
                moved.bucket asc,
                moved.meter asc
        ) as contributor,
        moved.impact,
        anomalies.usage_date

    from anomalies

    inner join moved
        on
            anomalies.currency = moved.currency
            and anomalies.usage_date = moved.usage_date
            and (
                anomalies.scope = 'total'
                or (anomalies.scope = 'team' and anomalies.scope_name = moved.team)
                or (anomalies.scope = 'bucket' and anomalies.scope_name = moved.bucket)
                or (anomalies.scope = 'meter' and anomalies.scope_name = moved.meter)
            )

    where
        moved.impact <> 0
        -- What moved the other way explains nothing.
        and (moved.impact > 0) = (anomalies.impact > 0)

),

largest as (

    select *

    from ranked

    where contributor <= 3

)

select * from largest
