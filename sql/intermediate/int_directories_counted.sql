-- One row per directory, class, currency of version and day of creation, of each list once.
with

directories as (

    select * from intermediate.int_directories_unioned

),

inventory_files as (

    select * from intermediate.int_inventory_files_deduplicated

),

counted as (

    select
        directories.provider,
        directories.landed_file,
        directories.landed_row,
        directories.bucket,
        directories.directory,
        directories.storage_class,
        directories.object_count,
        directories.size_bytes,
        directories.first_day_byte_seconds,
        directories.small_object_count,
        directories.small_object_bytes,
        directories.is_current,
        directories.created_date,
        directories.newest_at,
        directories.oldest_at,
        directories.snapshot_at

    from directories

    inner join inventory_files
        on
            directories.provider = inventory_files.provider
            and directories.landed_file = inventory_files.landed_file
            and directories.bucket = inventory_files.bucket
            and directories.snapshot_at = inventory_files.snapshot_at

)

select * from counted
