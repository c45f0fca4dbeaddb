-- One row per day and scope (all, a team, a bucket, a meter) that cost unlike its weekday.
with

costs as (

    select * from intermediate.int_costs_keyed_daily

),

arrived as (

    select * from intermediate.int_days_arrived

),

past_days as (

    select * from intermediate.int_weekdays_compared

),

incomplete_days as (

    select distinct usage_date

    from arrived

),

scoped as (

    select
        'total' as scope,
        '' as scope_name,
        currency,
        usage_date,
        sum(used_cost)::decimal(38, 12) as cost -- noqa: RF04

    from costs

    group by all

    union all

    select
        'team' as scope,
        team as scope_name,
        currency,
        usage_date,
        sum(used_cost)::decimal(38, 12) as cost -- noqa: RF04

    from costs

    group by all

    union all

    select
        'bucket' as scope,
        bucket as scope_name,
        currency,
        usage_date,
        sum(used_cost)::decimal(38, 12) as cost -- noqa: RF04

    from costs

    where bucket <> ''

    group by all

    union all

    select
        'meter' as scope,
        concat_ws(' | ', provider, service_name, meter) as scope_name,
        currency,
        usage_date,
        sum(used_cost)::decimal(38, 12) as cost -- noqa: RF04

    from costs

    group by all

),

scopes as (

    select distinct
        scope,
        scope_name,
        currency

    from scoped

),

-- Where a bill has the day and not the scope, the scope cost nothing.
history as (

    select
        scopes.scope,
        scopes.scope_name,
        scopes.currency,
        past_days.usage_date,
        coalesce(scoped.cost, 0)::double as past_cost

    from scopes

    inner join past_days
        on scopes.currency = past_days.currency

    left outer join scoped
        on
            scopes.scope = scoped.scope
            and scopes.scope_name = scoped.scope_name
            and scopes.currency = scoped.currency
            and past_days.past_date = scoped.usage_date

),

expected as (

    select
        scope,
        scope_name,
        currency,
        usage_date,
        count(*) as days_compared,
        median(past_cost) as usual_cost

    from history

    group by all

    having count(*) >= 4

),

spread as (

    select
        expected.scope,
        expected.scope_name,
        expected.currency,
        expected.usage_date,
        expected.days_compared,
        expected.usual_cost,
        median(abs(history.past_cost - expected.usual_cost)) as median_deviation,
        avg(abs(history.past_cost - expected.usual_cost)) as mean_deviation

    from expected

    inner join history
        on
            expected.scope = history.scope
            and expected.scope_name = history.scope_name
            and expected.currency = history.currency
            and expected.usage_date = history.usage_date

    group by all

),

measured as (

    select
        spread.scope,
        spread.scope_name,
        spread.currency,
        spread.usage_date,
        spread.days_compared,
        coalesce(scoped.cost, 0)::decimal(38, 12) as cost, -- noqa: RF04
        spread.usual_cost::decimal(38, 12) as expected_cost,
        case
            when spread.median_deviation > 0 then 'median_deviation'
            when spread.mean_deviation > 0 then 'mean_deviation'
            else 'amount'
        end as judged_by,
        -- Both bring a deviation to the size of a standard deviation of usual noise.
        case
            when spread.median_deviation > 0
                then
                    0.6745
                    * (coalesce(scoped.cost, 0)::double - spread.usual_cost)
                    / spread.median_deviation
            when spread.mean_deviation > 0
                then
                    (coalesce(scoped.cost, 0)::double - spread.usual_cost)
                    / (1.253314 * spread.mean_deviation)
        end as z_score

    from spread

    left outer join scoped
        on
            spread.scope = scoped.scope
            and spread.scope_name = scoped.scope_name
            and spread.currency = scoped.currency
            and spread.usage_date = scoped.usage_date

),

-- What is rare and small is nobody's morning: ten dollars a day and a twentieth of the usual.
flagged as (

    select
        measured.scope,
        measured.scope_name,
        measured.currency,
        measured.judged_by,
        measured.days_compared,
        measured.cost,
        measured.expected_cost,
        (measured.cost - measured.expected_cost)::decimal(38, 12) as impact,
        measured.z_score,
        measured.usage_date

    from measured

    left outer join incomplete_days
        on measured.usage_date = incomplete_days.usage_date

    where
        abs(measured.cost - measured.expected_cost) >= 10
        and abs(measured.cost - measured.expected_cost) >= 0.05 * abs(measured.expected_cost)
        and (measured.z_score is null or abs(measured.z_score) > 3.5)
        -- A day that is still filling up is less without being unusual.
        and (incomplete_days.usage_date is null or measured.cost > measured.expected_cost)

)

select * from flagged
