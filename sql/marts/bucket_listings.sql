-- One row per listed bucket: its newest listing, and whether that names versions.
with

listings as (

    select * from intermediate.int_listings_chosen

),

s3_objects as (

    select * from staging.stg_s3_inventory__objects

    where lists_versions

),

versions as (

    select * from intermediate.int_versions_dated

),

s3_with_versions as (

    select distinct
        bucket,
        snapshot_at

    from s3_objects

),

-- A report of Cloud Storage does not say whether it names them: it does, where it names one.
gcs_with_versions as (

    select distinct bucket

    from versions

    where provider = 'gcp'

),

told as (

    select
        listings.provider,
        listings.bucket,
        s3_with_versions.bucket is not null or gcs_with_versions.bucket is not null
            as lists_versions,
        listings.snapshot_at as listed_at

    from listings

    left outer join s3_with_versions
        on
            listings.provider = 'aws'
            and listings.bucket = s3_with_versions.bucket
            and listings.snapshot_at = s3_with_versions.snapshot_at

    left outer join gcs_with_versions
        on
            listings.provider = 'gcp'
            and listings.bucket = gcs_with_versions.bucket

)

select * from told
