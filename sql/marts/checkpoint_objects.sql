-- One row per current object of a checkpoint.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

listed as (

    select
        members.provider,
        members.bucket,
        members.object_key,
        members.version_id,
        members.checkpoint_id,
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

    inner join checkpoints
        on members.checkpoint_id = checkpoints.checkpoint_id

)

select * from listed
