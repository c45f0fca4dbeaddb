-- One row per directory with files of a checkpoint: which one, and what names mean there.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

directories as (

    select * from intermediate.int_directories_assigned_to_checkpoints

),

anchors as (

    select * from intermediate.int_checkpoint_anchors_found

),

rules as (

    select * from reference.layout_files

),

-- Every directory of a checkpoint, and the folder above a finished model.
places as (

    select
        directories.provider,
        directories.bucket,
        directories.directory,
        directories.folder_shape,
        directories.folder_rule,
        directories.is_top,
        directories.is_temporary,
        false as is_final,
        checkpoints.layout_id,
        checkpoints.checkpoint_id

    from directories

    inner join checkpoints
        on
            directories.provider = checkpoints.provider
            and directories.bucket = checkpoints.bucket
            and directories.checkpoint_directory = checkpoints.directory

    where checkpoints.grain = 'directory'

    union all

    select
        provider,
        bucket,
        directory,
        '' as folder_shape,
        null as folder_rule,
        true as is_top,
        false as is_temporary,
        true as is_final,
        layout_id,
        checkpoint_id

    from checkpoints

    where grain = 'run'

),

-- Some files hold the weights or not, depending on which other files the checkpoint has.
deciding_rules as (

    select
        layout_id,
        beside_rule as file_rule

    from rules

    where beside_rule is not null

    union

    select
        layout_id,
        unless_rule as file_rule

    from rules

    where unless_rule is not null

),

deciding_files as (

    select distinct
        places.checkpoint_id,
        anchors.file_rule

    from places

    inner join anchors
        on
            places.provider = anchors.provider
            and places.bucket = anchors.bucket
            and places.directory = anchors.directory
            and places.layout_id = anchors.layout_id

    inner join deciding_rules
        on
            anchors.layout_id = deciding_rules.layout_id
            and anchors.file_rule = deciding_rules.file_rule

),

deciding as (

    select
        checkpoint_id,
        string_agg('|' || file_rule || '|', '' order by file_rule) as rules_there

    from deciding_files

    group by all

),

-- What a name means depends on where it is. Such contexts are few, and get a number.
in_context as (

    select
        places.provider,
        places.bucket,
        places.directory,
        places.layout_id,
        places.checkpoint_id,
        places.folder_shape,
        places.folder_rule,
        coalesce(deciding.rules_there, '') as rules_there,
        dense_rank() over (
            order by
                places.layout_id,
                places.folder_shape,
                places.folder_rule,
                places.is_top,
                places.is_final,
                coalesce(deciding.rules_there, '')
        ) as context_number,
        places.is_top,
        places.is_final,
        places.is_temporary

    from places

    left outer join deciding
        on places.checkpoint_id = deciding.checkpoint_id

)

select * from in_context
