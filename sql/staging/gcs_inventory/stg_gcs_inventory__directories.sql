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
        -- What landed before these were counted does not say.
        coalesce(small_object_count, 0) as small_object_count,
        coalesce(small_object_bytes, 0) as small_object_bytes,
        is_current,
        created_date,
        newest_at,
        oldest_at,
        snapshot_at

    from source

)

select * from renamed
