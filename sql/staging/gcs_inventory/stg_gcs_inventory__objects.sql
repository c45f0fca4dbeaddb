-- One row per generation of an object in a list of a Cloud Storage bucket.
with

source as (

    select * from raw.gcs_inventory

),

renamed as (

    select
        landed_file,
        landed_row,
        bucket,
        object_key,
        directory,
        leaf,
        generation,
        metageneration,
        etag,
        md5_hash,
        crc32c,
        storage_class,
        size_bytes,
        is_temporary_hold,
        is_event_hold,
        deleted_at is null and soft_deleted_at is null as is_current,
        soft_deleted_at is not null as is_soft_deleted,
        created_at,
        updated_at,
        class_changed_at,
        deleted_at,
        soft_deleted_at,
        hard_deleted_at,
        retention_expires_at,
        snapshot_at

    from source

)

select * from renamed
