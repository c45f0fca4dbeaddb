-- One row per place of a complete checkpoint that has as many objects and bytes as another.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

same_sizes as (

    select
        checkpoint_number,
        object_count,
        size_bytes,
        first_modified_at

    from checkpoints

    where
        state = 'complete'
        and has_weights

    qualify count(*) over (partition by object_count, size_bytes) > 1

),

placed as (

    select
        places.place_number,
        same_sizes.checkpoint_number,
        same_sizes.object_count,
        same_sizes.size_bytes,
        same_sizes.first_modified_at

    from same_sizes

    inner join places
        on same_sizes.checkpoint_number = places.checkpoint_number

)

select * from placed
