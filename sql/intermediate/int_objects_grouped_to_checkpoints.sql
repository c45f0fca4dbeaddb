-- One row per current object that belongs to a checkpoint, with the role it plays there.
with

objects as (

    select * from intermediate.int_objects_listed

),

-- Asked for again: a step with two readers would be kept in memory, object by object.
single_objects as (

    select * from intermediate.int_objects_listed

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

directories as (

    select * from intermediate.int_checkpoint_directories_placed

),

named_files as (

    select * from intermediate.int_file_names_explained

),

file_names as (

    select * from intermediate.int_file_names_matched

),

rules as (

    select * from reference.layout_files

),

layouts as (

    select * from reference.layouts

    where rest_role is not null

),

other_files as (

    select * from reference.layout_other_files

),

whole_folders as (

    select
        layout_id,
        file_rule,
        file_role,
        is_marker

    from rules

    where is_whole_folder

),

-- Of several rules for one name the first counts, as in a folder.
single_names as (

    select
        file_names.*,
        rules.file_role,
        rules.is_marker

    from file_names

    inner join rules
        on
            file_names.layout_id = rules.layout_id
            and file_names.file_rule = rules.file_rule

    qualify
        row_number() over (
            partition by file_names.leaf, file_names.layout_id
            order by rules.rule_order
        ) = 1

),

in_folders as (

    select
        objects.provider,
        objects.bucket,
        objects.object_key,
        objects.directory,
        objects.leaf,
        objects.version_id,
        directories.checkpoint_id,
        directories.layout_id,
        coalesce(named_files.file_rule, whole_folders.file_rule) as file_rule,
        coalesce(
            named_files.file_role,
            whole_folders.file_role,
            other_files.file_role,
            -- A console leaves an empty object for the folder itself.
            case when objects.leaf != '' then layouts.rest_role end
        ) as file_role,
        objects.etag,
        objects.storage_class,
        objects.size_bytes,
        named_files.shard_number,
        named_files.shard_total,
        named_files.rank_number,
        named_files.column_number,
        coalesce(named_files.is_marker, whole_folders.is_marker, false) as is_marker,
        directories.is_temporary,
        objects.last_modified_at,
        objects.snapshot_at

    from objects

    inner join directories
        on
            objects.provider = directories.provider
            and objects.bucket = directories.bucket
            and objects.directory = directories.directory

    left outer join named_files
        on
            objects.leaf = named_files.leaf
            and directories.context_number = named_files.context_number

    left outer join whole_folders
        on
            directories.layout_id = whole_folders.layout_id
            and directories.folder_rule = whole_folders.file_rule

    left outer join other_files
        on
            directories.layout_id = other_files.layout_id
            and '.' || split_part(objects.leaf, '.', -1) = other_files.extension

    left outer join layouts
        on directories.layout_id = layouts.layout_id

    where named_files.file_rule is not null or not directories.is_final

),

whole_files as (

    select
        single_objects.provider,
        single_objects.bucket,
        single_objects.object_key,
        single_objects.directory,
        single_objects.leaf,
        single_objects.version_id,
        checkpoints.checkpoint_id,
        checkpoints.layout_id,
        single_names.file_rule,
        single_names.file_role,
        single_objects.etag,
        single_objects.storage_class,
        single_objects.size_bytes,
        single_names.shard_number,
        single_names.shard_total,
        single_names.rank_number,
        single_names.column_number,
        single_names.is_marker,
        false as is_temporary,
        single_objects.last_modified_at,
        single_objects.snapshot_at

    from single_objects

    inner join single_names
        on single_objects.leaf = single_names.leaf

    inner join checkpoints
        on
            single_objects.provider = checkpoints.provider
            and single_objects.bucket = checkpoints.bucket
            and single_objects.directory = checkpoints.directory
            and single_names.stem = checkpoints.leaf
            and single_names.layout_id = checkpoints.layout_id

),

unioned as (

    select * from in_folders

    union all

    select * from whole_files

),

-- Empty files with which people ask for a checkpoint to be kept, for good or until a day.
members as (

    select
        *,
        leaf = 'PINNED'
        or (
            starts_with(leaf, 'keep_until_')
            and coalesce(try_cast(substr(leaf, 12) as date) >= getvariable('as_of'), true)
        ) as is_pin

    from unioned

),

grouped as (

    select
        provider,
        bucket,
        object_key,
        directory,
        version_id,
        checkpoint_id,
        layout_id,
        file_rule,
        case
            when is_pin then 'pin'
            else coalesce(file_role, 'aux')
        end as role, -- noqa: RF04
        etag,
        storage_class,
        size_bytes,
        shard_number,
        shard_total,
        rank_number,
        column_number,
        is_marker,
        is_temporary,
        -- A console leaves an empty object for the folder itself. A pin that ran out says nothing.
        file_role is null
        and leaf != ''
        and not is_pin
        and not starts_with(leaf, 'keep_until_') as is_unknown,
        last_modified_at,
        snapshot_at

    from members

)

select * from grouped
