-- One row per directory with objects that is, or lies below, the folder of a checkpoint.
with

directories as (

    select * from intermediate.int_directories_signed

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
        directories.directory_number,
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
        cut.directory_number,
        folders.folder_number,
        cut.provider,
        cut.bucket,
        cut.directory,
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
        max(folder_starts) as folder_starts,
        max(case when is_whole_folder then file_rule end) as folder_rule

    from rules

    where folder_shape is not null

    group by all

),

shapes as (

    select distinct
        layout_id,
        folder_shape

    from shaped

),

-- A folder whose whole name is known is not looked up by its beginning.
recognised as (

    select
        shapes.layout_id,
        shapes.folder_shape as shape_there,
        known_folders.folder_shape,
        known_folders.folder_rule

    from shapes

    inner join known_folders
        on
            shapes.layout_id = known_folders.layout_id
            and (
                shapes.folder_shape = known_folders.folder_shape
                or starts_with(shapes.folder_shape, known_folders.folder_starts)
            )

    qualify
        row_number() over (
            partition by shapes.layout_id, shapes.folder_shape
            order by
                shapes.folder_shape = known_folders.folder_shape desc,
                length(known_folders.folder_shape) desc,
                known_folders.folder_shape asc
        ) = 1

),

temporary as (

    select distinct shaped.directory_number

    from shaped

    inner join temporary_folders
        on shaped.layout_id = temporary_folders.layout_id

    where contains(shaped.path_below, temporary_folders.mark)

),

assigned as (

    select
        shaped.directory_number,
        shaped.folder_number,
        shaped.provider,
        shaped.bucket,
        shaped.directory,
        shaped.layout_id,
        coalesce(recognised.folder_shape, '') as folder_shape,
        recognised.folder_rule,
        shaped.is_top,
        temporary.directory_number is not null as is_temporary

    from shaped

    left outer join recognised
        on
            shaped.layout_id = recognised.layout_id
            and shaped.folder_shape = recognised.shape_there

    left outer join temporary
        on shaped.directory_number = temporary.directory_number

)

select * from assigned
