-- One row per checkpoint whose lowest and highest ETag of weights another one has too.
with

sized as (

    select * from intermediate.int_checkpoints_sized_alike

),

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

marked as (

    select
        sized.checkpoint_number,
        sized.object_count,
        sized.size_bytes,
        -- Both sides in one expression, or objects are summed before it shows that none are needed.
        min(case when sized.object_count > 0 then members.etag end) as lowest_etag,
        max(case when sized.object_count > 0 then members.etag end) as highest_etag

    from sized

    inner join members
        on sized.place_number = members.place_number

    where contains(members.role, 'weights')

    group by all

),

alike as (

    select checkpoint_number

    from marked

    where lowest_etag is not null

    qualify
        count(*) over (partition by object_count, size_bytes, lowest_etag, highest_etag) > 1

)

select * from alike
