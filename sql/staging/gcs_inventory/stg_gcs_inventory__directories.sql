-- One row per directory, class, currency and day of creation in a list of a Cloud Storage bucket.
with

source as (

    select * from raw.gcs_inventory_directories

),

renamed as (

    select
        landed_file,
        landed_row,
        bucket,
        directory,
        storage_class,
        object_count,
        size_bytes,
        first_day_byte_seconds,
        is_current,
        created_date,
        newest_at,
        oldest_at,
        snapshot_at

    from source

)

select * from renamed
