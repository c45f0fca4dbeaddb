-- One row per state file, what it tells of which folder, and metric: what was read of it last.
with

files as (

    select * from staging.stg_checkpoint_states__files

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

-- Two sources may list one bucket.
newest as (

    select
        *,
        rank() over (
            partition by provider, bucket, object_key, framework, tells
            order by listed_at desc, read_at desc, landed_file desc
        ) as reading

    from files

),

placed as (

    select
        newest.provider,
        newest.bucket,
        newest.object_key,
        newest.directory,
        newest.leaf,
        newest.framework,
        newest.tells,
        newest.field_holds,
        newest.status,
        newest.message,
        newest.is_read,
        newest.latest_value,
        newest.best_value,
        newest.metric_name,
        newest.metric_value,
        newest.subject_directory,
        newest.last_modified_at,
        checkpoints.checkpoint_id,
        checkpoints.step,
        coalesce(checkpoints.save_directory, newest.subject_directory) as save_directory

    from newest

    left outer join checkpoints
        on
            newest.told_from = 'checkpoint'
            and checkpoints.grain = 'directory'
            and newest.provider = checkpoints.provider
            and newest.bucket = checkpoints.bucket
            and newest.subject_directory = checkpoints.directory
            and newest.framework = checkpoints.framework

    where newest.reading = 1

),

-- Every checkpoint keeps what was known when it was saved: the newest tells what is known last.
-- Highest step and newest time both count: a run that was set back writes lower steps later.
ranked as (

    select
        *,
        rank() over (
            partition by provider, bucket, save_directory, framework, tells, checkpoint_id is null
            order by step desc nulls last
        ) as step_rank,
        rank() over (
            partition by provider, bucket, save_directory, framework, tells, checkpoint_id is null
            order by last_modified_at desc nulls last, step desc nulls last
        ) as time_rank

    from placed

),

chosen as (

    select
        provider,
        bucket,
        object_key,
        directory,
        leaf,
        framework,
        subject_directory,
        save_directory,
        checkpoint_id as told_by_checkpoint_id,
        tells,
        field_holds,
        status,
        message,
        latest_value,
        best_value,
        metric_name,
        metric_value,
        is_read,
        checkpoint_id is null or step_rank = 1 or time_rank = 1 as is_newest

    from ranked

)

select * from chosen
