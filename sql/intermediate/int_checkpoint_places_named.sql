-- One row per directory and layout that an anchor proves and whose own name is one of a checkpoint.
with

anchors as (

    select * from intermediate.int_checkpoint_anchors_found

),

levels as (

    select * from reference.layout_anchors

),

rules as (

    select * from reference.layout_files

),

name_rules as (

    select * from reference.layout_names

    where grain = 'directory'

),

cut as (

    select
        *,
        string_split(directory, '/') as folders,
        length(directory) - length(replace(directory, '/', '')) as levels_down

    from anchors

),

-- An anchor says how far up its checkpoint begins, and in which folder it must lie itself.
placed as (

    select
        cut.provider,
        cut.bucket,
        cut.layout_id,
        cut.folders,
        cut.levels_down - levels.levels_up as levels_down

    from cut

    inner join levels
        on
            cut.layout_id = levels.layout_id
            and cut.file_rule = levels.file_rule

    inner join rules
        on
            cut.layout_id = rules.layout_id
            and cut.file_rule = rules.file_rule

    where
        cut.levels_down > levels.levels_up
        and (
            rules.folder_shape is null
            or rules.folder_shape
            = regexp_replace(replace(cut.folders[cut.levels_down], '#', '!'), '[0-9]+', '#', 'g')
            or starts_with(cut.folders[cut.levels_down], rules.folder_starts)
        )

),

places as (

    select distinct
        provider,
        bucket,
        array_to_string(list_slice(folders, 1, levels_down), '/') || '/' as directory,
        folders[levels_down] as checkpoint_name,
        regexp_replace(replace(folders[levels_down - 1], '#', '!'), '[0-9]+', '#', 'g')
            as around_shape,
        layout_id,
        levels_down

    from placed

),

names as (

    select distinct
        layout_id,
        checkpoint_name,
        around_shape,
        regexp_replace(replace(checkpoint_name, '#', '!'), '[0-9]+', '#', 'g') as shape

    from places

),

matched as (

    select
        names.layout_id,
        names.checkpoint_name,
        names.around_shape,
        min(name_rules.name_rule) as name_rule

    from names

    inner join name_rules
        on names.layout_id = name_rules.layout_id

    where
        (name_rules.in_folder_shape is null or name_rules.in_folder_shape = names.around_shape)
        and (
            names.shape = name_rules.shape
            or (
                not name_rules.is_exact
                and starts_with(names.shape, name_rules.starts_text)
                and contains(names.shape, name_rules.contains_text)
                and ends_with(names.shape, name_rules.ends_text)
                and length(names.shape)
                >= length(name_rules.starts_text)
                + length(name_rules.contains_text)
                + length(name_rules.ends_text)
            )
        )

    group by all

),

named as (

    select
        places.provider,
        places.bucket,
        places.directory,
        places.checkpoint_name,
        places.layout_id,
        matched.name_rule,
        places.levels_down

    from places

    inner join matched
        on
            places.layout_id = matched.layout_id
            and places.checkpoint_name = matched.checkpoint_name
            and places.around_shape is not distinct from matched.around_shape

)

select * from named
