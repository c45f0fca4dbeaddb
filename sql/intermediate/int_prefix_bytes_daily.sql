-- One row per billed day, prefix of a bucket and storage class: what lay there, for how long.
with

inventories as (

    select * from intermediate.int_inventories_chosen_daily

),

prefixes as (

    select * from intermediate.int_inventory_prefixes_summed

),

summed as (

    select
        inventories.provider,
        inventories.bucket,
        prefixes.prefix,
        prefixes.storage_class,
        sum(prefixes.object_count)::bigint as object_count,
        sum(prefixes.size_bytes)::bigint as size_bytes,
        sum(
            case
                when prefixes.created_date < inventories.usage_date
                    -- Beyond 100 TB a day's byte-seconds are too many for a bigint.
                    then prefixes.size_bytes::decimal(38, 0) * 86400
                else prefixes.first_day_byte_seconds
            end
        )::decimal(38, 0) as byte_seconds,
        inventories.usage_date

    from inventories

    inner join prefixes
        on
            inventories.provider = prefixes.provider
            and inventories.bucket = prefixes.bucket
            and inventories.snapshot_at = prefixes.snapshot_at
            and inventories.usage_date >= prefixes.created_date

    group by all

)

select * from summed
