-- One row per multipart upload that was open when its bucket was listed.
with

source as (

    select * from raw.s3_uploads

),

renamed as (

    select
        bucket,
        object_key,
        upload_id,
        -- Ours: S3 leaves the class out when it is the default.
        coalesce(nullif(storage_class, ''), 'STANDARD') as storage_class,
        coalesce(part_count, 0) as part_count,
        coalesce(size_bytes, 0) as size_bytes,
        initiated_at,
        listed_at

    from source

)

select * from renamed
