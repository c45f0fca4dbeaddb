-- One row per current object that belongs to a checkpoint, with the role it plays there.
with

objects as (

    select * from intermediate.int_objects_listed

),

-- Asked for again: a step with two readers would be kept in memory, object by object.
single_objects as (

    select * from intermediate.int_objects_listed

),

places as (

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

run_dates as (

    select * from intermediate.int_run_dates_noted

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

directories as (

    select
        places.place_number,
        places.provider,
        places.bucket,
        places.directory,
        places.layout_id,
        places.context_number,
        whole_folders.file_rule,
        whole_folders.file_role,
        whole_folders.is_marker,
        layouts.rest_role,
        places.is_final

    from places

    left outer join whole_folders
        on
            places.layout_id = whole_folders.layout_id
            and places.folder_rule = whole_folders.file_rule

    left outer join layouts
        on places.layout_id = layouts.layout_id

    where places.leaf is null

),

single_places as (

    select
        place_number,
        provider,
        bucket,
        directory,
        leaf,
        layout_id

    from places

    where leaf is not null

),

single_layouts as (

    select distinct layout_id from single_places

),

-- Of several rules for one name the first counts, as in a folder.
single_names as (

    select
        file_names.*,
        rules.file_role,
        rules.is_marker

    from file_names

    inner join single_layouts
        on file_names.layout_id = single_layouts.layout_id

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
        directories.place_number,
        objects.leaf,
        objects.version_id,
        coalesce(named_files.file_rule, directories.file_rule) as file_rule,
        coalesce(
            named_files.file_role,
            directories.file_role,
            other_files.file_role,
            -- A console leaves an empty object for the folder itself.
            case when objects.leaf != '' then directories.rest_role end
        ) as file_role,
        objects.etag,
        objects.storage_class,
        objects.size_bytes,
        named_files.shard_number,
        named_files.shard_total,
        named_files.rank_number,
        named_files.column_number,
        coalesce(named_files.is_marker, directories.is_marker, false) as is_marker,
        objects.last_modified_at

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

    -- Only names that no rule knows are asked for their ending.
    left outer join other_files
        on
            directories.layout_id = other_files.layout_id
            and case
                when named_files.file_rule is null then '.' || split_part(objects.leaf, '.', -1)
            end
            = other_files.extension

    where named_files.file_rule is not null or not directories.is_final

),

whole_files as (

    select
        single_places.place_number,
        single_objects.leaf,
        single_objects.version_id,
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
        single_objects.last_modified_at

    from single_objects

    inner join single_names
        on single_objects.leaf = single_names.leaf

    inner join single_places
        on
            single_objects.provider = single_places.provider
            and single_objects.bucket = single_places.bucket
            and single_objects.directory = single_places.directory
            and single_names.stem = single_places.leaf
            and single_names.layout_id = single_places.layout_id

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
        case
            when starts_with(leaf, 'keep_until_')
                then
                    coalesce(
                        try_cast(substr(leaf, 12) as date)
                        >= (select run_dates.as_of from run_dates),
                        true
                    )
            else leaf = 'PINNED'
        end as is_pin

    from unioned

),

grouped as (

    select
        place_number,
        leaf,
        version_id,
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
        -- A console leaves an empty object for the folder itself. A pin that ran out says nothing.
        file_role is null
        and leaf != ''
        and not is_pin
        and not starts_with(leaf, 'keep_until_') as is_unknown,
        last_modified_at

    from members

)

select * from grouped
