-- One row per directory with objects that is, or lies below, the folder of a checkpoint.
with

objects as (

    select * from intermediate.int_objects_listed

),

folders as (

    select * from intermediate.int_checkpoint_folders_chosen

),

rules as (

    select * from reference.layout_files

),

temporary_folders as (

    select * from reference.layout_temporary_folders

),

directories as (

    select distinct
        provider,
        bucket,
        directory

    from objects

),

depths as (

    select distinct
        provider,
        bucket,
        levels_down

    from folders

),

-- Checkpoints lie at few depths, so every directory is cut a few times, not once per level.
cut as (

    select
        directories.provider,
        directories.bucket,
        directories.directory,
        string_split(directories.directory, '/') as segments,
        depths.levels_down

    from directories

    inner join depths
        on
            directories.provider = depths.provider
            and directories.bucket = depths.bucket

),

below as (

    select
        cut.provider,
        cut.bucket,
        cut.directory,
        folders.directory as checkpoint_directory,
        folders.layout_id,
        cut.directory = folders.directory as is_top,
        cut.segments[array_length(cut.segments) - 1] as folder,
        substr(cut.directory, length(folders.directory) + 1) as path_below

    from cut

    inner join folders
        on
            cut.provider = folders.provider
            and cut.bucket = folders.bucket
            and array_to_string(list_slice(cut.segments, 1, cut.levels_down), '/') || '/'
            = folders.directory

),

shaped as (

    select
        *,
        case
            when not is_top
                then regexp_replace(replace(folder, '#', '!'), '[0-9]+', '#', 'g')
        end as folder_shape

    from below

),

known_folders as (

    select
        layout_id,
        folder_shape,
        max(case when is_whole_folder then file_rule end) as folder_rule

    from rules

    where folder_shape is not null

    group by all

),

temporary as (

    select distinct
        shaped.provider,
        shaped.bucket,
        shaped.directory

    from shaped

    inner join temporary_folders
        on shaped.layout_id = temporary_folders.layout_id

    where contains(shaped.path_below, temporary_folders.mark)

),

assigned as (

    select
        shaped.provider,
        shaped.bucket,
        shaped.directory,
        shaped.checkpoint_directory,
        shaped.layout_id,
        coalesce(known_folders.folder_shape, '') as folder_shape,
        known_folders.folder_rule,
        shaped.is_top,
        temporary.directory is not null as is_temporary

    from shaped

    left outer join known_folders
        on
            shaped.layout_id = known_folders.layout_id
            and shaped.folder_shape = known_folders.folder_shape

    left outer join temporary
        on
            shaped.provider = temporary.provider
            and shaped.bucket = temporary.bucket
            and shaped.directory = temporary.directory

)

select * from assigned
