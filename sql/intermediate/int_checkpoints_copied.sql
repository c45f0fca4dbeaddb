-- One row per checkpoint that holds the very bytes of an earlier one elsewhere.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

files as (

    select * from intermediate.int_checkpoint_files_counted

),

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

marked as (

    select
        checkpoint_id,
        min(first_weights_etag) as lowest_etag,
        max(last_weights_etag) as highest_etag

    from files

    group by all

),

-- Few checkpoints are as large as another and share the ETags of weights: only those are compared.
alike as (

    select
        checkpoints.checkpoint_id,
        checkpoints.object_count,
        checkpoints.size_bytes,
        checkpoints.first_modified_at

    from checkpoints

    inner join marked
        on checkpoints.checkpoint_id = marked.checkpoint_id

    where
        checkpoints.state = 'complete'
        and marked.lowest_etag is not null

    qualify
        count(*) over (
            partition by
                checkpoints.object_count,
                checkpoints.size_bytes,
                marked.lowest_etag,
                marked.highest_etag
        ) > 1

),

written as (

    select
        alike.checkpoint_id,
        alike.first_modified_at,
        string_agg(
            coalesce(members.etag, '') || ' ' || members.size_bytes,
            '|'
            order by members.etag, members.size_bytes
        ) as contents,
        -- Without every ETag nothing says that the bytes are the same.
        bool_and(members.etag is not null) as is_known

    from alike

    inner join members
        on alike.checkpoint_id = members.checkpoint_id

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
