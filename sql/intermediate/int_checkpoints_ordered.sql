-- One row per checkpoint: its place among the saves in the same folder.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

-- Saves of one run into one folder: where some have steps, epochs do not order the others.
series as (

    select
        provider,
        bucket,
        save_directory,
        framework,
        bool_or(step is not null) as has_steps,
        count(*) filter (where state = 'complete' and grain != 'run') as complete_count

    from checkpoints

    group by all

),

placed as (

    select
        checkpoints.*,
        series.complete_count,
        case when series.has_steps then checkpoints.step else checkpoints.epoch end as place,
        checkpoints.state = 'complete'
        and checkpoints.grain != 'run'
        and checkpoints.checkpoint_kind = 'intermediate' as is_candidate,
        checkpoints.state = 'complete' and checkpoints.checkpoint_kind = 'last_copy' as is_last_copy

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
        rank() over (
            partition by provider, bucket, save_directory, framework, is_candidate
            order by place desc nulls last, last_modified_at desc
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
        min(shards_expected) filter (where is_candidate and place_rank = 1) as newest_shards

    from ranked

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
        -- Only gaps between ranks show. Fewer than before may mean that the highest is missing.
        coalesce(
            ranked.is_candidate
            and ranked.place_rank = 2
            and ranked.shards_expected > newest.newest_shards,
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

)

select * from ordered
