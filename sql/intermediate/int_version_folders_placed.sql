-- One row per folder with hidden versions that lies in a checkpoint: the innermost one around it.
with

versions as (

    select * from intermediate.int_versions_dated

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

folders as (

    select distinct
        provider,
        bucket,
        folder

    from versions

    where folder != ''

),

-- `a/b/` lies in `a/b/` and in `a/`, whether or not it still holds a current object.
around as (

    select
        provider,
        bucket,
        folder,
        levels,
        array_to_string(list_slice(segments, 1, levels), '/') || '/' as directory

    from (
        select
            *,
            unnest(range(1, len(segments))) as levels
        from (
            select
                *,
                string_split(folder, '/') as segments
            from folders
        ) as split
    ) as numbered

),

placed as (

    select
        around.provider,
        around.bucket,
        around.folder,
        checkpoints.checkpoint_id

    from around

    inner join checkpoints
        on
            around.provider = checkpoints.provider
            and around.bucket = checkpoints.bucket
            and around.directory = checkpoints.directory

    where
        checkpoints.grain = 'directory'
        -- A finished model is what lies at the root of its run, not what lies below.
        or (checkpoints.grain = 'run' and around.directory = around.folder)

    qualify
        row_number() over (
            partition by around.provider, around.bucket, around.folder
            order by around.levels desc, checkpoints.checkpoint_id asc
        ) = 1

)

select * from placed
