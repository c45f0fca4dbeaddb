-- One row per noncurrent version or delete marker, where a listing names versions.
with

versions as (

    select * from intermediate.int_versions_dated

),

placed as (

    select * from intermediate.int_version_folders_placed

),

single_checkpoints as (

    select
        checkpoint_id,
        provider,
        bucket,
        directory || leaf as object_key

    from intermediate.int_checkpoints_found

    where grain = 'object'

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

priced as (

    select
        versions.provider,
        versions.bucket,
        versions.folder,
        versions.object_key,
        versions.version_id,
        versions.etag,
        versions.storage_class,
        coalesce(single_checkpoints.checkpoint_id, placed.checkpoint_id) as checkpoint_id,
        versions.size_bytes,
        case
            when versions.size_bytes = 0 then 0
            else versions.size_bytes::double / 1073741824 * rates.usd_gb_month::double
        end::decimal(38, 12) as cost_usd_month,
        versions.newer_noncurrent,
        versions.is_delete_marker,
        versions.is_only_version,
        versions.is_held,
        versions.last_modified_at,
        versions.noncurrent_since

    from versions

    left outer join placed
        on
            versions.provider = placed.provider
            and versions.bucket = placed.bucket
            and versions.folder = placed.folder

    left outer join single_checkpoints
        on
            versions.provider = single_checkpoints.provider
            and versions.bucket = single_checkpoints.bucket
            and versions.object_key = single_checkpoints.object_key

    left outer join rates
        on
            versions.provider = rates.provider
            and versions.bucket = rates.bucket
            and versions.storage_class = rates.storage_class

)

select * from priced
