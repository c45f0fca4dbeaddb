-- One row per provider on a bill: which part of its list prices of object storage is really paid.
with

charges as (

    select * from intermediate.int_charges_attributed

),

comparable as (

    select
        provider,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost

    from charges

    where
        bucket <> ''
        and meter_group in ('storage', 'requests', 'retrieval')
        and charge_category = 'Usage'
        and currency = 'USD'
        and usage_date <= getvariable('as_of')
        and usage_date > getvariable('as_of')::date - 30
        -- A free tier has a list price and no cost: that is no discount.
        and list_cost > 0
        and effective_cost > 0

    group by all

),

measured as (

    select
        provider,
        least(effective_cost::double / list_cost::double, 1)::decimal(18, 12) as paid_share

    from comparable

)

select * from measured
