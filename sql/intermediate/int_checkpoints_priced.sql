-- One row per checkpoint: the storage classes it lies in, and what that costs a month.
with

sizes as (

    select * from intermediate.int_checkpoint_sizes_by_class

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

costs as (

    select
        sizes.checkpoint_number,
        sizes.storage_class,
        -- A gigabyte of a bill has 2^30 bytes. A class without a rate has no price, which is not 0.
        (sizes.size_bytes::double / 1073741824 * rates.usd_gb_month::double)::decimal(18, 6)
            as cost_usd_month

    from sizes

    inner join checkpoints
        on sizes.checkpoint_number = checkpoints.checkpoint_number

    left outer join rates
        on
            checkpoints.provider = rates.provider
            and checkpoints.bucket = rates.bucket
            and sizes.storage_class = rates.storage_class

),

priced as (

    select
        checkpoint_number,
        array_to_string(list_sort(list(storage_class)), ',') as storage_classes,
        sum(cost_usd_month)::decimal(18, 6) as cost_usd_month

    from costs

    group by all

)

select * from priced
