-- One row per object version in any list of any bucket, current or not.
with

s3_objects as (

    select * from staging.stg_s3_inventory__objects

),

gcs_objects as (

    select * from staging.stg_gcs_inventory__objects

),

s3_versions as (

    select
        'aws' as provider, -- noqa: RF04
        landed_file,
        landed_row,
        bucket,
        object_key,
        directory,
        leaf,
        version_id,
        etag,
        storage_class,
        case
            when is_delete_marker then 'delete_marker'
            when not is_current then 'noncurrent'
            else 'current'
        end as version_kind,
        size_bytes,
        is_current,
        last_modified_at,
        snapshot_at

    from s3_objects

),

gcs_versions as (

    select
        'gcp' as provider, -- noqa: RF04
        landed_file,
        landed_row,
        bucket,
        object_key,
        directory,
        leaf,
        generation::varchar as version_id,
        etag,
        storage_class,
        case
            when is_soft_deleted then 'soft_deleted'
            when not is_current then 'noncurrent'
            else 'current'
        end as version_kind,
        size_bytes,
        is_current,
        -- Any change of metadata moves the other time.
        created_at as last_modified_at,
        snapshot_at

    from gcs_objects

),

unioned as (

    select * from s3_versions

    union all

    select * from gcs_versions

)

select * from unioned
