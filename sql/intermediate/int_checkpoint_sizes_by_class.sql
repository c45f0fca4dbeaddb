-- One row per checkpoint and storage class: how much of it lies there.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

summed as (

    select
        checkpoint_id,
        provider,
        bucket,
        coalesce(storage_class, '') as storage_class,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes

    from members

    group by all

)

select * from summed
