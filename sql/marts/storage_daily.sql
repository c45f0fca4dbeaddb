-- One row per day, bucket, storage class and meter: what object storage held and cost.
with

charges as (

    select * from intermediate.int_charges_attributed

),

summed as (

    select
        provider,
        bucket,
        storage_class,
        meter,
        currency,
        sum(gb_month) as gb_month,
        sum(effective_cost) as effective_cost,
        usage_date

    from charges

    where meter_group = 'storage'

    group by all

),

rated as (

    select
        provider,
        bucket,
        storage_class,
        meter,
        currency,
        gb_month,
        effective_cost,
        (effective_cost::double / nullif(gb_month, 0)::double)::decimal(38, 12)
            as effective_rate_usd_gb_month,
        usage_date

    from summed

)

select * from rated
