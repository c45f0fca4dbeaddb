-- One row per run, checkpoint or rest of the run, and class: what lay there on its bucket's day.
with

days as (

    select * from intermediate.int_run_days_chosen

),

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

found as (

    select * from intermediate.int_checkpoints_found

),

sizes as (

    select * from intermediate.int_checkpoint_sizes_by_class

),

directories as (

    select * from intermediate.int_directories_counted

),

run_directories as (

    select * from intermediate.int_run_directories_assigned

),

saved as (

    select
        found.provider,
        found.bucket,
        found.run,
        found.checkpoint_id,
        found.grain,
        sizes.storage_class,
        sizes.object_count,
        sizes.size_bytes,
        -- A save is written within hours: its last file says when it lay there.
        case
            when checkpoints.last_modified_at < days.usage_date::timestamp
                then 86400
            else
                greatest(
                    epoch(days.usage_date::timestamp) + 86400 - epoch(checkpoints.last_modified_at),
                    0
                )
        end as seconds

    from checkpoints

    inner join sizes
        on checkpoints.checkpoint_number = sizes.checkpoint_number

    inner join found
        on checkpoints.checkpoint_number = found.checkpoint_number

    inner join days
        on
            found.provider = days.provider
            and found.bucket = days.bucket

    where days.snapshot_at is not null

),

measured_checkpoints as (

    select
        provider,
        bucket,
        run,
        checkpoint_id,
        grain,
        storage_class,
        object_count,
        size_bytes,
        (size_bytes::double * seconds)::decimal(38, 0) as byte_seconds,
        (object_count::double * seconds)::decimal(38, 0) as object_seconds

    from saved

    where seconds > 0

),

beside_checkpoints as (

    select
        directories.provider,
        directories.bucket,
        run_directories.run,
        directories.storage_class,
        directories.object_count,
        directories.size_bytes,
        case
            when directories.created_date < days.usage_date or directories.size_bytes = 0
                then 86400
            else directories.first_day_byte_seconds::double / directories.size_bytes
        end as seconds

    from directories

    inner join days
        on
            directories.provider = days.provider
            and directories.bucket = days.bucket
            and directories.snapshot_at = days.snapshot_at
            and directories.created_date <= days.usage_date

    inner join run_directories
        on
            directories.provider = run_directories.provider
            and directories.bucket = run_directories.bucket
            and directories.directory = run_directories.directory

),

-- Files that are checkpoints lie among them: what is counted there is taken off here.
rests_and_files as (

    select
        provider,
        bucket,
        run,
        storage_class,
        object_count,
        size_bytes,
        (size_bytes::double * seconds)::decimal(38, 0) as byte_seconds,
        (object_count::double * seconds)::decimal(38, 0) as object_seconds

    from beside_checkpoints

    union all

    select
        provider,
        bucket,
        run,
        storage_class,
        -object_count as object_count,
        -size_bytes as size_bytes,
        -byte_seconds as byte_seconds,
        -object_seconds as object_seconds

    from measured_checkpoints

    where grain <> 'directory'

),

rests as (

    select
        provider,
        bucket,
        run,
        '' as checkpoint_id,
        coalesce(storage_class, '') as storage_class,
        greatest(sum(object_count), 0)::bigint as object_count,
        greatest(sum(size_bytes), 0)::bigint as size_bytes,
        greatest(sum(byte_seconds), 0)::decimal(38, 0) as byte_seconds,
        greatest(sum(object_seconds), 0)::decimal(38, 0) as object_seconds

    from rests_and_files

    group by all

),

measured as (

    select
        provider,
        bucket,
        run,
        checkpoint_id,
        storage_class,
        object_count,
        size_bytes,
        byte_seconds,
        object_seconds

    from measured_checkpoints

    union all

    select
        provider,
        bucket,
        run,
        checkpoint_id,
        storage_class,
        object_count,
        size_bytes,
        byte_seconds,
        object_seconds

    from rests

    where object_count > 0

)

select * from measured
