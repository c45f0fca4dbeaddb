-- One row per current object of a dataset that nobody changed for 30 days.
with

objects as (

    select * from intermediate.int_objects_listed

),

places as (

    select * from intermediate.int_dataset_directories_placed

),

listed as (

    select
        objects.provider,
        objects.bucket,
        objects.object_key,
        objects.version_id,
        places.dataset_uri,
        objects.storage_class,
        objects.etag,
        objects.size_bytes,
        objects.last_modified_at

    from objects

    inner join places
        on
            objects.provider = places.provider
            and objects.bucket = places.bucket
            and objects.directory = places.directory

)

select * from listed
