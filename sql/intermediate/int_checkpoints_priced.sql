-- One row per checkpoint: the storage classes it lies in, and what that costs a month.
with

sizes as (

    select * from intermediate.int_checkpoint_sizes_by_class

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

priced as (

    select
        sizes.checkpoint_id,
        array_to_string(list_sort(list(sizes.storage_class)), ',') as storage_classes,
        -- A gigabyte of a bill has 2^30 bytes. A class without a rate has no price, which is not 0.
        sum(
            (sizes.size_bytes::double / 1073741824 * rates.usd_gb_month::double)::decimal(18, 6)
        )::decimal(18, 6) as cost_usd_month

    from sizes

    left outer join rates
        on
            sizes.provider = rates.provider
            and sizes.bucket = rates.bucket
            and sizes.storage_class = rates.storage_class

    group by all

)

select * from priced
