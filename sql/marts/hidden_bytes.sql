-- One row per bucket and kind of bytes that no listing of current objects shows.
with

uploads as (

    select * from staging.stg_s3_uploads__uploads

),

directories as (

    select * from staging.stg_s3_inventory__directories

),

objects as (

    select * from staging.stg_s3_inventory__objects

),

inventory_files as (

    select * from intermediate.int_inventory_files_deduplicated

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

listings as (

    select
        bucket,
        max(listed_at) as listed_at

    from uploads

    group by all

),

open_uploads as (

    select
        uploads.bucket,
        'multipart' as kind,
        -- S3 bills parts at the rate of STANDARD, whatever class the object will have.
        'STANDARD' as storage_class,
        count(*) as object_count,
        sum(uploads.size_bytes)::bigint as size_bytes

    from uploads

    inner join listings
        on
            uploads.bucket = listings.bucket
            and uploads.listed_at = listings.listed_at

    group by all

),

snapshots as (

    select
        bucket,
        max(snapshot_at) as snapshot_at

    from inventory_files

    group by all

),

noncurrent as (

    select
        directories.bucket,
        'noncurrent' as kind,
        directories.storage_class,
        sum(directories.object_count)::bigint as object_count,
        sum(directories.size_bytes)::bigint as size_bytes

    from directories

    inner join inventory_files
        on
            directories.landed_file = inventory_files.landed_file
            and directories.bucket = inventory_files.bucket
            and directories.snapshot_at = inventory_files.snapshot_at

    inner join snapshots
        on
            directories.bucket = snapshots.bucket
            and directories.snapshot_at = snapshots.snapshot_at

    where not directories.is_current

    group by all

),

delete_markers as (

    select
        bucket,
        'delete_marker' as kind,
        '' as storage_class,
        count(*) as object_count,
        0::bigint as size_bytes

    from objects

    where is_delete_marker

    group by all

),

unioned as (

    select * from open_uploads

    union all

    select * from noncurrent

    union all

    select * from delete_markers

),

priced as (

    select
        unioned.bucket,
        unioned.kind,
        sum(unioned.object_count)::bigint as object_count,
        sum(unioned.size_bytes)::bigint as size_bytes,
        sum(
            (
                unioned.size_bytes::double / 1073741824 * coalesce(rates.usd_gb_month, 0)::double
            )::decimal(18, 6)
        )::decimal(18, 6) as cost_usd_month

    from unioned

    left outer join rates
        on
            unioned.bucket = rates.bucket
            and unioned.storage_class = rates.storage_class

    group by all

),

explained as (

    select
        bucket,
        kind,
        object_count,
        size_bytes,
        cost_usd_month,
        case kind
            when 'multipart'
                then
                    'Add AbortIncompleteMultipartUpload {DaysAfterInitiation: 7} to the lifecycle '
                    || 'rules of the bucket; list what is open with: '
                    || 'aws s3api list-multipart-uploads --bucket ' || bucket
            when 'noncurrent'
                then
                    'Add NoncurrentVersionExpiration {NoncurrentDays: 30} to the lifecycle rules '
                    || 'of the bucket; see the rules it has with: '
                    || 'aws s3api get-bucket-lifecycle-configuration --bucket ' || bucket
            else
                'Add Expiration {ExpiredObjectDeleteMarker: true} to the lifecycle rules of the '
                || 'bucket; see the rules it has with: '
                || 'aws s3api get-bucket-lifecycle-configuration --bucket ' || bucket
        end as how_to_fix

    from priced

)

select * from explained
