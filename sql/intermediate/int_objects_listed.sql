-- One row per current object of every bucket, as its newest listing has it.
with

objects as (

    select * from intermediate.int_objects_unioned

),

listings as (

    select * from intermediate.int_listings_chosen

),

listed as (

    select
        objects.provider,
        objects.bucket,
        objects.object_key,
        objects.directory,
        objects.leaf,
        objects.version_id,
        objects.etag,
        objects.storage_class,
        objects.size_bytes,
        objects.last_modified_at,
        objects.snapshot_at

    from objects

    -- Two sources may list one bucket: counted once, from the newer.
    inner join listings
        on
            objects.provider = listings.provider
            and objects.bucket = listings.bucket
            and objects.snapshot_at = listings.snapshot_at

    where objects.is_current

)

select * from listed
