-- One row per day, bucket and storage class: what a GB-month of its objects really cost.
with

charges as (

    select * from intermediate.int_charges_attributed

),

summed as (

    select
        provider,
        bucket,
        storage_class,
        sum(gb_month) as gb_month,
        sum(effective_cost) as effective_cost,
        usage_date

    from charges

    where
        bucket <> ''
        and holds_objects
        -- A rate is in dollars; nothing here knows what another currency is worth.
        and currency in ('USD', '')

    group by all

),

rated as (

    select
        provider,
        bucket,
        storage_class,
        gb_month,
        effective_cost,
        (effective_cost::double / gb_month::double)::decimal(38, 12) as usd_gb_month,
        usage_date

    from summed

    where gb_month > 0

)

select * from rated
