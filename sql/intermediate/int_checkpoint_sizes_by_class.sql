-- One row per checkpoint and storage class: how much of it lies there.
with

files as (

    select * from intermediate.int_checkpoint_files_counted

),

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

in_places as (

    select
        place_number,
        storage_class,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes

    from files

    group by all

),

summed as (

    select
        places.checkpoint_id,
        places.provider,
        places.bucket,
        in_places.storage_class,
        sum(in_places.object_count)::bigint as object_count,
        sum(in_places.size_bytes)::bigint as size_bytes

    from in_places

    inner join places
        on in_places.place_number = places.place_number

    group by all

)

select * from summed
