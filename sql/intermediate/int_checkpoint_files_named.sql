-- One row per object that is a whole checkpoint by its own name.
with

objects as (

    select * from intermediate.int_objects_listed

),

file_names as (

    select * from intermediate.int_file_names_matched

),

folders as (

    select * from intermediate.int_checkpoint_folders_chosen

),

directories as (

    select * from intermediate.int_directories_assigned_to_checkpoints

),

name_rules as (

    select * from reference.layout_names

    where grain = 'object'

),

names as (

    select distinct
        file_names.layout_id,
        file_names.leaf,
        regexp_replace(replace(file_names.leaf, '#', '!'), '[0-9]+', '#', 'g') as shape

    from file_names

    where file_names.layout_id in (select name_rules.layout_id from name_rules)

),

matched as (

    select
        names.layout_id,
        names.leaf,
        min(name_rules.name_rule) as name_rule

    from names

    inner join name_rules
        on names.layout_id = name_rules.layout_id

    where
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

    group by all

),

chosen as (

    select
        leaf,
        min(layout_id) as layout_id,
        min_by(name_rule, layout_id) as name_rule

    from matched

    group by all

),

named as (

    select
        objects.provider,
        objects.bucket,
        objects.directory,
        objects.leaf,
        chosen.layout_id,
        chosen.name_rule

    from objects

    inner join chosen
        on objects.leaf = chosen.leaf

    -- What lies in a checkpoint's folder is part of that one.
    anti join directories
        on
            objects.provider = directories.provider
            and objects.bucket = directories.bucket
            and objects.directory = directories.directory

    -- A folder of the same name is the checkpoint then; the file beside it is kept.
    anti join folders
        on
            objects.provider = folders.provider
            and objects.bucket = folders.bucket
            and objects.object_key || '/' = folders.directory

)

select * from named
