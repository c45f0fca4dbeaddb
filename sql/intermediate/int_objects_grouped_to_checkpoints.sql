-- One row per current object that belongs to a checkpoint, with the role it plays there.
with

objects as (

    select * from intermediate.int_objects_listed

),

-- Asked for again: a step with two readers would be kept in memory, object by object.
single_objects as (

    select * from intermediate.int_objects_listed

),

-- Asked for again and again, for the same reason.
places as (

    select * from intermediate.int_checkpoint_directories_placed

    where leaf is null

),

places_with_names as (

    select * from intermediate.int_checkpoint_directories_placed

),

single_places as (

    select * from intermediate.int_checkpoint_directories_placed

    where leaf is not null

),

contexts as (

    select * from intermediate.int_checkpoint_contexts_listed

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

sharing as (

    select * from intermediate.int_directories_sharing_hashes

),

run_dates as (

    select * from intermediate.int_run_dates_noted

),

whole_folders as (

    select
        layout_id,
        file_rule,
        file_role,
        rule_order,
        is_marker,
        shards_after is not null or ranks_with is not null as is_counted

    from rules

    where is_whole_folder

),

-- All that a join of so many rows carries: texts would not fit into memory.
directories as (

    select
        checkpoint_number,
        place_number,
        context_number,
        hash(provider, bucket, directory) as directory_hash

    from places

),

shared_directories as (

    select
        places_with_names.place_number,
        places_with_names.directory

    from places_with_names

    inner join sharing
        on places_with_names.directory_number = sharing.directory_number

),

explained_contexts as (

    select
        contexts.context_number,
        contexts.layout_id,
        whole_folders.file_rule,
        whole_folders.file_role,
        layouts.rest_role,
        whole_folders.rule_order,
        contexts.is_final,
        contexts.is_temporary,
        whole_folders.is_marker,
        whole_folders.is_counted

    from contexts

    left outer join whole_folders
        on
            contexts.layout_id = whole_folders.layout_id
            and contexts.folder_rule = whole_folders.file_rule

    left outer join layouts
        on contexts.layout_id = layouts.layout_id

),

single_layouts as (

    select distinct layout_id from intermediate.int_checkpoint_directories_placed

    where leaf is not null

),

-- Of several rules for one name the first counts, as in a folder.
single_names as (

    select
        file_names.*,
        rules.file_role,
        rules.rule_order,
        rules.is_marker,
        rules.shards_after is not null or rules.ranks_with is not null as is_counted

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
        directories.checkpoint_number,
        directories.place_number,
        objects.leaf,
        objects.version_id,
        coalesce(named_files.file_rule, contexts.file_rule) as file_rule,
        coalesce(
            named_files.file_role,
            contexts.file_role,
            other_files.file_role,
            -- A console leaves an empty object for the folder itself.
            case when objects.leaf != '' then contexts.rest_role end
        ) as file_role,
        objects.etag,
        objects.storage_class,
        objects.size_bytes,
        coalesce(named_files.rule_number, contexts.rule_order) as rule_number,
        named_files.shard_number,
        named_files.shard_total,
        named_files.rank_number,
        named_files.column_number,
        coalesce(named_files.is_marker, contexts.is_marker, false) as is_marker,
        coalesce(named_files.is_counted, contexts.is_counted, false) as is_counted,
        contexts.is_temporary,
        objects.last_modified_at

    from objects

    inner join directories
        on
            hash(objects.provider, objects.bucket, objects.directory)
            = directories.directory_hash

    left outer join shared_directories
        on directories.place_number = shared_directories.place_number

    inner join explained_contexts as contexts
        on directories.context_number = contexts.context_number

    left outer join named_files
        on
            objects.leaf = named_files.leaf
            and directories.context_number = named_files.context_number

    -- Only names that no rule knows are asked for their ending.
    left outer join other_files
        on
            contexts.layout_id = other_files.layout_id
            and case
                when named_files.file_rule is null then '.' || split_part(objects.leaf, '.', -1)
            end
            = other_files.extension

    where
        (named_files.file_rule is not null or not contexts.is_final)
        and (
            shared_directories.place_number is null
            or objects.directory = shared_directories.directory
        )

),

whole_files as (

    select
        single_places.checkpoint_number,
        single_places.place_number,
        single_objects.leaf,
        single_objects.version_id,
        single_names.file_rule,
        single_names.file_role,
        single_objects.etag,
        single_objects.storage_class,
        single_objects.size_bytes,
        single_names.rule_order as rule_number,
        single_names.shard_number,
        single_names.shard_total,
        single_names.rank_number,
        single_names.column_number,
        single_names.is_marker,
        single_names.is_counted,
        false as is_temporary,
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
        checkpoint_number,
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
        rule_number,
        shard_number,
        shard_total,
        rank_number,
        column_number,
        is_marker,
        is_counted,
        is_temporary,
        -- A console leaves an empty object for the folder itself. A pin that ran out says nothing.
        file_role is null
        and leaf != ''
        and not is_pin
        and not starts_with(leaf, 'keep_until_') as is_unknown,
        last_modified_at

    from members

)

select * from grouped
