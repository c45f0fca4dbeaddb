-- One row per current object of a checkpoint.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

listed as (

    select
        places.provider,
        places.bucket,
        places.directory || members.leaf as object_key,
        members.version_id,
        checkpoints.checkpoint_id,
        checkpoints.framework,
        checkpoints.run,
        members.role,
        members.storage_class,
        members.etag,
        checkpoints.step,
        members.size_bytes,
        members.is_marker,
        true as is_latest_version,
        members.last_modified_at

    from members

    inner join places
        on members.place_number = places.place_number

    left outer join checkpoints
        on places.checkpoint_number = checkpoints.checkpoint_number

)

select * from listed
