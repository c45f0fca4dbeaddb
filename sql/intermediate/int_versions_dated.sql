-- One row per noncurrent version or delete marker in the newest listing of its bucket.
with

s3_objects as (

    select * from staging.stg_s3_inventory__objects

    -- A listing of current objects hides nothing, and its rows are not even read.
    where lists_versions

),

-- Asked for again: a step with two readers would be kept in memory, object by object.
s3_hidden_objects as (

    select * from staging.stg_s3_inventory__objects

    where lists_versions and not is_current

),

gcs_objects as (

    select * from staging.stg_gcs_inventory__objects

    where not is_current and not is_soft_deleted and generation is not null

),

listings as (

    select * from intermediate.int_listings_chosen

),

s3_listed as (

    select
        s3_objects.bucket,
        s3_objects.object_key,
        s3_objects.directory,
        coalesce(s3_objects.version_id, 'null') as version_id,
        s3_objects.etag,
        s3_objects.storage_class,
        s3_objects.size_bytes,
        coalesce(s3_objects.is_latest, false) as is_latest,
        s3_objects.is_delete_marker,
        coalesce(upper(s3_objects.object_lock_legal_hold) = 'ON', false)
        or coalesce(s3_objects.object_lock_retain_until_at > s3_objects.snapshot_at, false)
            as is_held,
        s3_objects.last_modified_at

    from s3_objects

    inner join listings
        on
            s3_objects.bucket = listings.bucket
            and s3_objects.snapshot_at = listings.snapshot_at

    where listings.provider = 'aws'

),

hidden_keys as (

    select distinct
        s3_hidden_objects.bucket,
        s3_hidden_objects.object_key

    from s3_hidden_objects

    inner join listings
        on
            s3_hidden_objects.bucket = listings.bucket
            and s3_hidden_objects.snapshot_at = listings.snapshot_at

    where listings.provider = 'aws'

),

-- What replaced a version stands beside it, so the current one of such a key is needed as well.
s3_versions as (

    -- A listing that was delivered twice names no version twice.
    select distinct s3_listed.*

    from s3_listed

    inner join hidden_keys
        on
            s3_listed.bucket = hidden_keys.bucket
            and s3_listed.object_key = hidden_keys.object_key

),

s3_ordered as (

    select
        *,
        lag(last_modified_at) over (
            partition by bucket, object_key
            order by is_latest desc, last_modified_at desc nulls last, version_id asc
        ) as replaced_at,
        sum(case when is_latest or is_delete_marker or last_modified_at is null then 0 else 1 end)
            over (
                partition by bucket, object_key
                order by is_latest desc, last_modified_at desc nulls last, version_id asc
                rows between unbounded preceding and current row
            ) as data_versions_so_far,
        sum(case when is_delete_marker then 0 else 1 end) over (partition by bucket, object_key)
            as data_versions,
        count(*) over (partition by bucket, object_key, version_id) as same_named_count

    from s3_versions

),

-- Which of two versions of one second is the newer, nobody says: both count as if they were.
s3_dated as (

    select
        *,
        max(replaced_at) over (partition by bucket, object_key, last_modified_at, is_latest)
            as replaced_last_at,
        min(data_versions_so_far)
            over (partition by bucket, object_key, last_modified_at, is_latest)
            as data_versions_up_to

    from s3_ordered

),

gcs_listed as (

    select distinct
        gcs_objects.bucket,
        gcs_objects.object_key,
        gcs_objects.directory,
        gcs_objects.generation,
        gcs_objects.etag,
        gcs_objects.storage_class,
        gcs_objects.size_bytes,
        coalesce(gcs_objects.is_temporary_hold, false)
        or coalesce(gcs_objects.is_event_hold, false)
        or coalesce(gcs_objects.retention_expires_at > gcs_objects.snapshot_at, false) as is_held,
        gcs_objects.created_at,
        gcs_objects.deleted_at

    from gcs_objects

    inner join listings
        on
            gcs_objects.bucket = listings.bucket
            and gcs_objects.snapshot_at = listings.snapshot_at

    where listings.provider = 'gcp'

),

gcs_versions as (

    select
        *,
        row_number() over (partition by bucket, object_key order by generation desc)
            as place_in_key

    from gcs_listed

),

unioned as (

    select
        'aws' as provider, -- noqa: RF04
        bucket,
        directory as folder,
        object_key,
        version_id,
        etag,
        storage_class,
        coalesce(size_bytes, 0) as size_bytes,
        case
            when is_latest or is_delete_marker then 0
            else greatest(data_versions_up_to - 1, 0)
        end::bigint as newer_noncurrent,
        is_delete_marker,
        is_delete_marker and data_versions = 0 as is_only_version,
        is_held,
        last_modified_at,
        -- An upload in parts is dated to its beginning, so what it replaced may be younger than it.
        case
            when not is_latest and last_modified_at is not null and replaced_last_at is not null
                then greatest(replaced_last_at, last_modified_at)
        end as noncurrent_since

    from s3_dated

    where
        (is_delete_marker or not is_latest)
        -- Without an id of its own nobody can say which version is meant.
        and same_named_count = 1

    union all

    select
        'gcp' as provider, -- noqa: RF04
        bucket,
        directory as folder,
        object_key,
        generation::varchar as version_id,
        etag,
        storage_class,
        coalesce(size_bytes, 0) as size_bytes,
        (place_in_key - 1)::bigint as newer_noncurrent,
        false as is_delete_marker,
        false as is_only_version,
        is_held,
        created_at as last_modified_at,
        deleted_at as noncurrent_since

    from gcs_versions

)

select * from unioned
