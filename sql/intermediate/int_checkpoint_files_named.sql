-- One row per name of files that are a whole checkpoint together, most often a single file.
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
        file_names.stem,
        regexp_replace(replace(file_names.stem, '#', '!'), '[0-9]+', '#', 'g') as shape

    from file_names

    where file_names.layout_id in (select name_rules.layout_id from name_rules)

),

matched as (

    select
        names.layout_id,
        names.leaf,
        names.stem,
        name_rules.in_folder_shape,
        name_rules.specific,
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

found as (

    select
        objects.provider,
        objects.bucket,
        objects.directory,
        matched.leaf,
        matched.stem,
        matched.layout_id,
        matched.name_rule,
        matched.specific

    from objects

    inner join matched
        on
            objects.leaf = matched.leaf
            and (
                matched.in_folder_shape is null
                or ends_with(
                    '/' || regexp_replace(replace(objects.directory, '#', '!'), '[0-9]+', '#', 'g'),
                    '/' || matched.in_folder_shape || '/'
                )
            )

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
            and objects.directory || matched.stem || '/' = folders.directory

),

-- Files of one stem may fit several layouts: the one that says most about them counts.
named as (

    select
        provider,
        bucket,
        directory,
        stem as leaf,
        layout_id,
        name_rule

    from found

    qualify
        row_number() over (
            partition by provider, bucket, directory, stem
            order by specific desc, layout_id asc
        ) = 1

)

select * from named
