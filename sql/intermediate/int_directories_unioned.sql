-- One row per directory, class, currency of version and day of creation, per part of a list.
with

s3_directories as (

    select * from staging.stg_s3_inventory__directories

),

gcs_directories as (

    select * from staging.stg_gcs_inventory__directories

),

unioned as (

    select
        'aws' as provider, -- noqa: RF04
        landed_file,
        landed_row,
        bucket,
        directory,
        storage_class,
        object_count,
        size_bytes,
        first_day_byte_seconds,
        small_object_count,
        small_object_bytes,
        is_current,
        created_date,
        newest_at,
        oldest_at,
        snapshot_at

    from s3_directories

    union all

    select
        'gcp' as provider, -- noqa: RF04
        landed_file,
        landed_row,
        bucket,
        directory,
        storage_class,
        object_count,
        size_bytes,
        first_day_byte_seconds,
        small_object_count,
        small_object_bytes,
        is_current,
        created_date,
        newest_at,
        oldest_at,
        snapshot_at

    from gcs_directories

)

select * from unioned
