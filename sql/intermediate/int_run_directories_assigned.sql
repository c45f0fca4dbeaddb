-- One row per directory in a run that is no folder of a checkpoint: the innermost run it is in.
with

directories as (

    select * from intermediate.int_directories_unioned

),

listings as (

    select * from intermediate.int_listings_chosen

),

placed as (

    select * from intermediate.int_checkpoint_directories_placed

    where leaf is null

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

runs as (

    select distinct
        provider,
        bucket,
        run,
        case
            when run = ''
                then 0
            else array_length(string_split(run, '/'))
        end as levels

    from checkpoints

),

run_levels as (

    select distinct
        provider,
        bucket,
        levels

    from runs

),

in_checkpoints as (

    select
        provider,
        bucket,
        directory

    from placed

    where not is_final

),

listed as (

    select distinct
        directories.provider,
        directories.bucket,
        directories.directory

    from directories

    inner join listings
        on
            directories.provider = listings.provider
            and directories.bucket = listings.bucket
            and directories.snapshot_at = listings.snapshot_at

),

others as (

    select
        listed.provider,
        listed.bucket,
        listed.directory,
        string_split(listed.directory, '/') as segments

    from listed

    left outer join in_checkpoints
        on
            listed.provider = in_checkpoints.provider
            and listed.bucket = in_checkpoints.bucket
            and listed.directory = in_checkpoints.directory

    where in_checkpoints.directory is null

),

-- Runs lie at few levels, so every directory is cut a few times, not once per run.
cut as (

    select
        others.provider,
        others.bucket,
        others.directory,
        run_levels.levels,
        array_to_string(list_slice(others.segments, 1, run_levels.levels), '/') as run

    from others

    inner join run_levels
        on
            others.provider = run_levels.provider
            and others.bucket = run_levels.bucket
            and array_length(others.segments) > run_levels.levels

),

assigned as (

    select
        cut.provider,
        cut.bucket,
        cut.directory,
        max_by(cut.run, cut.levels) as run

    from cut

    inner join runs
        on
            cut.provider = runs.provider
            and cut.bucket = runs.bucket
            and cut.levels = runs.levels
            and cut.run = runs.run

    group by all

)

select * from assigned
