-- One row per bucket and kind of bytes that no listing of current objects shows.
with

uploads as (

    select * from staging.stg_s3_uploads__uploads

),

objects as (

    select * from intermediate.int_objects_unioned

),

object_listings as (

    select * from intermediate.int_listings_chosen

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

upload_listings as (

    select
        bucket,
        max(listed_at) as listed_at

    from uploads

    group by all

),

open_uploads as (

    select
        'aws' as provider, -- noqa: RF04
        uploads.bucket,
        'multipart' as kind,
        -- S3 bills parts at the rate of STANDARD, whatever class the object will have.
        'STANDARD' as storage_class,
        count(*) as object_count,
        sum(uploads.size_bytes)::bigint as size_bytes

    from uploads

    inner join upload_listings
        on
            uploads.bucket = upload_listings.bucket
            and uploads.listed_at = upload_listings.listed_at

    group by all

),

hidden_objects as (

    select
        objects.provider,
        objects.bucket,
        objects.version_kind as kind,
        objects.storage_class,
        count(*) as object_count,
        coalesce(sum(objects.size_bytes), 0)::bigint as size_bytes

    from objects

    inner join object_listings
        on
            objects.provider = object_listings.provider
            and objects.bucket = object_listings.bucket
            and objects.snapshot_at = object_listings.snapshot_at

    where objects.version_kind <> 'current'

    group by all

),

unioned as (

    select * from open_uploads

    union all

    select * from hidden_objects

),

priced as (

    select
        unioned.provider,
        unioned.bucket,
        unioned.kind,
        sum(unioned.object_count)::bigint as object_count,
        sum(unioned.size_bytes)::bigint as size_bytes,
        sum(
            case
                when unioned.size_bytes = 0 then 0
                -- A class without a rate has no price, which is not zero.
                else
                    (
                        unioned.size_bytes::double / 1073741824 * rates.usd_gb_month::double
                    )::decimal(18, 6)
            end
        )::decimal(18, 6) as cost_usd_month,
        string_agg(
            distinct case when unioned.size_bytes > 0 then rates.rate_basis end,
            ',' order by case when unioned.size_bytes > 0 then rates.rate_basis end
        ) as rate_basis

    from unioned

    left outer join rates
        on
            unioned.provider = rates.provider
            and unioned.bucket = rates.bucket
            and unioned.storage_class = rates.storage_class

    group by all

),

explained as (

    select
        provider,
        bucket,
        kind,
        object_count,
        size_bytes,
        cost_usd_month,
        coalesce(rate_basis, 'none') as rate_basis,
        case
            when kind = 'multipart'
                then
                    'Add AbortIncompleteMultipartUpload {DaysAfterInitiation: 7} to the lifecycle '
                    || 'rules of the bucket; list what is open with: '
                    || 'aws s3api list-multipart-uploads --bucket ' || bucket
            when kind = 'delete_marker'
                then
                    'Add Expiration {ExpiredObjectDeleteMarker: true} to the lifecycle rules of '
                    || 'the bucket; see the rules it has with: '
                    || 'aws s3api get-bucket-lifecycle-configuration --bucket ' || bucket
            when kind = 'soft_deleted'
                then
                    'Keep what is deleted for a shorter time, or for none with 0; what is deleted '
                    || 'already stays as long as it was to: '
                    || 'gcloud storage buckets update gs://' || bucket
                    || ' --soft-delete-duration=1d'
            when provider = 'gcp'
                then
                    'Add a Delete rule with daysSinceNoncurrentTime: 30 to a file of all lifecycle '
                    || 'rules of the bucket; where it keeps no versions, these are soft-deleted '
                    || 'objects and --soft-delete-duration=1d is the way: '
                    || 'gcloud storage buckets update gs://' || bucket
                    || ' --lifecycle-file=rules.json'
            else
                'Add NoncurrentVersionExpiration {NoncurrentDays: 30} to the lifecycle rules '
                || 'of the bucket; see the rules it has with: '
                || 'aws s3api get-bucket-lifecycle-configuration --bucket ' || bucket
        end as how_to_fix

    from priced

)

select * from explained
