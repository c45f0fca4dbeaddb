-- One row per prefix of a listed bucket, storage class and day of creation, per inventory in use.
with

directories as (

    select * from intermediate.int_directories_counted

),

inventories as (

    select * from intermediate.int_inventories_chosen_daily

),

first_days as (

    select
        provider,
        bucket,
        snapshot_at,
        min(usage_date) as first_date

    from inventories

    group by all

),

prefixed as (

    select
        directories.provider,
        directories.bucket,
        regexp_extract(directories.directory, '^([^/]*/){1,3}', 0) as prefix, -- noqa: RF04
        directories.storage_class,
        directories.object_count,
        directories.size_bytes,
        directories.first_day_byte_seconds,
        directories.small_object_count,
        directories.small_object_bytes,
        -- What is older than the first day was there all of that day, however old it is.
        greatest(
            directories.created_date, first_days.first_date - 1
        ) as created_date,
        directories.snapshot_at

    from directories

    inner join first_days
        on
            directories.provider = first_days.provider
            and directories.bucket = first_days.bucket
            and directories.snapshot_at = first_days.snapshot_at

),

summed as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(first_day_byte_seconds)::decimal(38, 0) as first_day_byte_seconds,
        coalesce(sum(small_object_count), 0)::bigint as small_object_count,
        coalesce(sum(small_object_bytes), 0)::bigint as small_object_bytes,
        created_date,
        snapshot_at

    from prefixed

    group by all

)

select * from summed
