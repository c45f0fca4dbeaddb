-- One row per object version or delete marker in an S3 inventory.
with

source as (

    select * from raw.s3_inventory

),

renamed as (

    select
        landed_file,
        landed_row,
        bucket,
        object_key,
        directory,
        leaf,
        version_id,
        etag,
        storage_class,
        encryption_status,
        replication_status,
        object_lock_mode,
        object_lock_legal_hold,
        intelligent_tiering_access_tier,
        size_bytes,
        lists_versions,
        is_latest,
        coalesce(is_delete_marker, false) as is_delete_marker,
        is_multipart_uploaded,
        -- One condition, not several: each is taken to keep a fifth of the rows.
        case
            when is_delete_marker then false
            when not lists_versions then true
            else coalesce(is_latest, false)
        end as is_current,
        last_modified_at,
        object_lock_retain_until_at,
        snapshot_at

    from source

)

select * from renamed
