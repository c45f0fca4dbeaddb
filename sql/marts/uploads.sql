-- One row per multipart upload that nobody completed, as its bucket was listed last.
with

uploads as (

    select * from staging.stg_s3_uploads__uploads

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

found as (

    select
        'aws' as provider, -- noqa: RF04
        uploads.bucket,
        uploads.object_key,
        uploads.upload_id,
        uploads.part_count,
        uploads.size_bytes,
        -- S3 bills parts at the rate of STANDARD, whatever class the object will have.
        case
            when uploads.size_bytes = 0 then 0
            else (uploads.size_bytes::double / 1073741824 * rates.usd_gb_month::double)
        end::decimal(18, 6) as cost_usd_month,
        uploads.initiated_at,
        uploads.listed_at

    from uploads

    inner join listings
        on
            uploads.bucket = listings.bucket
            and uploads.listed_at = listings.listed_at

    left outer join rates
        on
            uploads.bucket = rates.bucket
            and rates.provider = 'aws'
            and rates.storage_class = 'STANDARD'

)

select * from found
