-- One row per day, comparison and key: what it cost on both days, as whole days of like months.
with

costs as (

    select * from intermediate.int_costs_keyed_daily

),

arrived as (

    select * from intermediate.int_days_arrived

),

bill_days as (

    select distinct usage_date

    from costs

),

comparisons as (

    select
        'day_before' as comparison,
        (usage_date - 1)::date as compared_date,
        usage_date

    from bill_days

    union all

    select
        'same_weekday' as comparison,
        (usage_date - 7)::date as compared_date,
        usage_date

    from bill_days

    union all

    select
        'month_before' as comparison,
        (usage_date - interval 1 month)::date as compared_date,
        usage_date

    from bill_days

),

pairs as (

    select
        comparisons.comparison,
        comparisons.compared_date,
        comparisons.usage_date

    from comparisons

    -- A day without any bill cannot be compared with.
    inner join bill_days
        on comparisons.compared_date = bill_days.usage_date

    where comparisons.usage_date > getvariable('as_of') - 35

),

days_after as (

    select
        pairs.comparison,
        pairs.compared_date,
        pairs.usage_date,
        costs.key_id,
        costs.usage_quantity,
        costs.used_cost,
        costs.fee_cost,
        costs.corrected_cost

    from pairs

    inner join costs
        on pairs.usage_date = costs.usage_date

),

days_before as (

    select
        pairs.comparison,
        pairs.compared_date,
        pairs.usage_date,
        costs.key_id,
        costs.usage_quantity,
        costs.used_cost,
        costs.fee_cost,
        costs.corrected_cost

    from pairs

    inner join costs
        on pairs.compared_date = costs.usage_date

),

compared as (

    select
        coalesce(days_after.comparison, days_before.comparison) as comparison,
        coalesce(days_after.compared_date, days_before.compared_date) as compared_date,
        coalesce(days_after.usage_date, days_before.usage_date) as usage_date,
        coalesce(days_after.key_id, days_before.key_id) as key_id,
        coalesce(days_before.usage_quantity, 0)::decimal(38, 12) as quantity_before,
        coalesce(days_after.usage_quantity, 0)::decimal(38, 12) as quantity_after,
        coalesce(days_before.used_cost, 0)::decimal(38, 12) as used_before,
        coalesce(days_after.used_cost, 0)::decimal(38, 12) as used_after,
        (
            coalesce(days_after.fee_cost, 0) - coalesce(days_before.fee_cost, 0)
        )::decimal(38, 12) as fee,
        (
            coalesce(days_after.corrected_cost, 0) - coalesce(days_before.corrected_cost, 0)
        )::decimal(38, 12) as restatement

    from days_after

    full outer join days_before
        on
            days_after.comparison = days_before.comparison
            and days_after.usage_date = days_before.usage_date
            and days_after.key_id = days_before.key_id

),

keys as (

    select
        key_id,
        any_value(provider) as provider, -- noqa: RF04
        any_value(service_name) as service_name,
        any_value(meter) as meter,
        any_value(team) as team,
        any_value(bucket) as bucket,
        any_value(usage_unit) as usage_unit,
        any_value(currency) as currency,
        bool_or(is_tiered) as is_tiered,
        bool_or(is_counted_by_month) as is_counted_by_month,
        bool_or(is_priced_by_month) as is_priced_by_month

    from costs

    group by all

),

named as (

    select
        compared.comparison,
        compared.key_id,
        keys.provider,
        keys.service_name,
        keys.meter,
        keys.team,
        keys.bucket,
        keys.usage_unit,
        keys.currency,
        compared.quantity_before,
        compared.quantity_after,
        compared.used_before,
        compared.used_after,
        compared.fee,
        compared.restatement,
        coalesce(before.arrived_share, 1)::double as share_before,
        coalesce(after.arrived_share, 1)::double as share_after,
        keys.is_counted_by_month,
        keys.is_priced_by_month,
        keys.is_tiered
        and date_trunc('month', compared.usage_date)
        <> date_trunc('month', compared.compared_date) as is_tiered,
        day(last_day(compared.compared_date))::double
        / day(last_day(compared.usage_date)) as month_ratio,
        compared.compared_date,
        compared.usage_date

    from compared

    inner join keys
        on compared.key_id = keys.key_id

    left outer join arrived as before -- noqa: RF04
        on
            keys.provider = before.provider
            and keys.service_name = before.service_name
            and compared.compared_date = before.usage_date

    left outer join arrived as after -- noqa: RF04
        on
            keys.provider = after.provider
            and keys.service_name = after.service_name
            and compared.usage_date = after.usage_date

)

select * from named
