-- One row per checkpoint: its place among the saves in the same folder.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

-- Saves of one run into one folder. What all of them have orders them; where only some have steps,
-- epochs do not order the others.
series as (

    select
        provider,
        bucket,
        save_directory,
        framework,
        coalesce(
            bool_and(epoch is not null)
            filter (where checkpoint_kind = 'intermediate' and grain != 'run'),
            false
        )
        and not coalesce(
            bool_and(step is not null)
            filter (where checkpoint_kind = 'intermediate' and grain != 'run'),
            false
        ) as is_ordered_by_epochs,
        bool_or(step is not null) as has_steps,
        count(*) filter (where state = 'complete' and grain != 'run') as complete_count

    from checkpoints

    group by all

),

placed as (

    select
        checkpoints.*,
        series.complete_count,
        case
            when checkpoints.sort_number is not null then checkpoints.sort_number
            when series.is_ordered_by_epochs or not series.has_steps then checkpoints.epoch
            else checkpoints.step
        end as place,
        checkpoints.state = 'complete'
        and checkpoints.grain != 'run'
        and checkpoints.checkpoint_kind = 'intermediate' as is_candidate,
        checkpoints.state = 'complete'
        and checkpoints.grain != 'run'
        and checkpoints.is_last_by_name as is_last_copy

    from checkpoints

    inner join series
        on
            checkpoints.provider = series.provider
            and checkpoints.bucket = series.bucket
            and checkpoints.save_directory = series.save_directory
            and checkpoints.framework = series.framework

),

ranked as (

    select
        *,
        dense_rank() over (
            partition by provider, bucket, save_directory, framework, is_candidate
            order by place desc nulls last
        ) as place_rank,
        rank() over (
            partition by provider, bucket, save_directory, framework, is_candidate
            order by last_modified_at desc
        ) as time_rank,
        rank() over (
            partition by provider, bucket, save_directory, framework, is_last_copy
            order by last_modified_at desc
        ) as last_copy_rank,
        max(place) over (
            partition by provider, bucket, save_directory, framework, state = 'marked_deleted'
        ) as highest_place

    from placed

),

newest as (

    select
        provider,
        bucket,
        save_directory,
        framework,
        max(last_modified_at) filter (where is_candidate and place_rank = 1) as newest_place_at,
        max(last_modified_at) filter (where is_candidate) as newest_at,
        max(last_modified_at) filter (where is_last_copy) as last_copy_at,
        coalesce(bool_or(is_last_copy and checkpoint_kind = 'final'), false) as has_final

    from ranked

    group by all

),

-- One layout's saves have as many files each; a copy in another form has not.
newest_of_layout as (

    select
        provider,
        bucket,
        save_directory,
        layout_id,
        min(shards_expected) as newest_shards,
        min(file_count) as newest_file_count,
        min(weights_count) as newest_weights_count,
        min(weights_bytes) as newest_weights_bytes

    from ranked

    where is_candidate and place_rank = 1

    group by all

),

ordered as (

    select
        ranked.checkpoint_id,
        ranked.complete_count,
        coalesce(
            (
                ranked.is_candidate
                and ranked.place is not null
                and ranked.place_rank = 1
                and (newest.last_copy_at is null or newest.last_copy_at < newest.newest_place_at)
            )
            or (
                ranked.is_last_copy
                and ranked.last_copy_rank = 1
                and (
                    newest.newest_place_at is null
                    or newest.newest_place_at <= newest.last_copy_at
                )
            ),
            false
        ) as is_latest,
        coalesce(
            ranked.is_candidate
            and newest.newest_at > newest.newest_place_at
            and (ranked.place_rank = 1 or ranked.time_rank = 1),
            false
        ) as is_order_open,
        ranked.is_candidate and ranked.place is null as is_place_unknown,
        -- A final one may be an export, or a base model that lies there. Equal times say nothing.
        coalesce(
            ranked.is_candidate
            and ranked.place_rank = 1
            and (newest.has_final or newest.last_copy_at = newest.newest_place_at),
            false
        ) as is_newest_beside_last,
        -- Only gaps between ranks show. Fewer than before may mean that the highest is missing.
        coalesce(
            ranked.is_candidate
            and ranked.place_rank = 2
            and (
                ranked.shards_expected > newest_of_layout.newest_shards
                or ranked.file_count > newest_of_layout.newest_file_count
                or ranked.weights_count > newest_of_layout.newest_weights_count
                or ranked.weights_bytes > newest_of_layout.newest_weights_bytes * 2
            ),
            false
        ) as is_larger_than_latest,
        coalesce(
            ranked.grain != 'run'
            and ranked.state in ('incomplete', 'stub')
            and ranked.place = ranked.highest_place,
            false
        ) as is_newest_unfinished

    from ranked

    inner join newest
        on
            ranked.provider = newest.provider
            and ranked.bucket = newest.bucket
            and ranked.save_directory = newest.save_directory
            and ranked.framework = newest.framework

    left outer join newest_of_layout
        on
            ranked.provider = newest_of_layout.provider
            and ranked.bucket = newest_of_layout.bucket
            and ranked.save_directory = newest_of_layout.save_directory
            and ranked.layout_id = newest_of_layout.layout_id

)

select * from ordered
