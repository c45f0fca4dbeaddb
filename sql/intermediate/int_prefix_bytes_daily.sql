-- One row per billed day, prefix of a bucket and storage class: what lay there, for how long.
with

inventories as (

    select * from intermediate.int_inventories_chosen_daily

),

prefixes as (

    select * from intermediate.int_inventory_prefixes_summed

),

dated as (

    select
        inventories.provider,
        inventories.bucket,
        prefixes.prefix,
        prefixes.storage_class,
        prefixes.object_count,
        prefixes.size_bytes,
        prefixes.small_object_count,
        prefixes.small_object_bytes,
        prefixes.first_day_byte_seconds,
        prefixes.created_date = inventories.usage_date as is_first_day,
        -- On their first day objects count from when their bytes, on average, were written.
        case
            when prefixes.created_date < inventories.usage_date or prefixes.size_bytes = 0
                then 86400
            else prefixes.first_day_byte_seconds::double / prefixes.size_bytes
        end as seconds,
        inventories.usage_date

    from inventories

    inner join prefixes
        on
            inventories.provider = prefixes.provider
            and inventories.bucket = prefixes.bucket
            and inventories.snapshot_at = prefixes.snapshot_at
            and inventories.usage_date >= prefixes.created_date

),

summed as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(
            case
                -- Beyond 100 TB a day's byte-seconds are too many for a bigint.
                when is_first_day
                    then first_day_byte_seconds
                else size_bytes::decimal(38, 0) * 86400
            end
        )::decimal(38, 0) as byte_seconds,
        -- What small objects lack to the 128 KiB that some classes bill at least.
        sum(
            ((small_object_count::double * 131072 - small_object_bytes) * seconds)::decimal(38, 0)
        )::decimal(38, 0) as padding_byte_seconds,
        sum((object_count::double * seconds)::decimal(38, 0))::decimal(38, 0) as object_seconds,
        sum(case when is_first_day then object_count else 0 end)::bigint as new_object_count,
        sum(object_count - small_object_count)::bigint as monitored_count,
        usage_date

    from dated

    group by all

)

select * from summed
