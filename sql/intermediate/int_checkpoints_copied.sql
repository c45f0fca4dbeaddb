-- One row per checkpoint that holds the very bytes of an earlier one elsewhere.
with

sized as (

    select * from intermediate.int_checkpoints_sized_alike

),

alike as (

    select * from intermediate.int_checkpoints_marked_alike

),

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

places as (

    select sized.*

    from sized

    inner join alike
        on sized.checkpoint_id = alike.checkpoint_id

),

written as (

    select
        places.checkpoint_id,
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
        checkpoint_id,
        first_value(checkpoint_id) over (
            partition by contents
            order by first_modified_at, checkpoint_id
        ) as copy_of

    from written

    where is_known

),

copies as (

    select
        checkpoint_id,
        copy_of

    from copied

    where checkpoint_id != copy_of

)

select * from copies
