-- One row per checkpoint that holds the very bytes of an earlier one elsewhere.
with

sized as (

    select * from intermediate.int_checkpoints_sized_alike

),

alike as (

    select * from intermediate.int_checkpoints_marked_alike

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

places as (

    select sized.*

    from sized

    inner join alike
        on sized.checkpoint_number = alike.checkpoint_number

),

written as (

    select
        places.checkpoint_number,
        places.first_modified_at,
        string_agg(
            coalesce(members.etag, '') || ' ' || members.size_bytes,
            '|'
            order by members.etag, members.size_bytes
        ) as contents,
        -- Without every ETag nothing says that the bytes are the same.
        bool_and(members.etag is not null) as is_known

    from places

    inner join members
        on places.place_number = members.place_number

    group by all

),

copied as (

    select
        checkpoints.checkpoint_number,
        checkpoints.checkpoint_id,
        first_value(checkpoints.checkpoint_id) over (
            partition by written.contents
            order by written.first_modified_at, checkpoints.checkpoint_id
        ) as copy_of

    from written

    inner join checkpoints
        on written.checkpoint_number = checkpoints.checkpoint_number

    where written.is_known

),

copies as (

    select
        checkpoint_number,
        copy_of

    from copied

    where checkpoint_id != copy_of

)

select * from copies
