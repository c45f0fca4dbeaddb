-- One row per place of a checkpoint, a directory or a name in one: what names mean there.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

directories as (

    select * from intermediate.int_directories_assigned_to_checkpoints

),

signed as (

    select * from intermediate.int_directories_signed

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

deciding_signatures as (

    select
        anchors.signature,
        anchors.layout_id,
        anchors.file_rule

    from anchors

    inner join deciding_rules
        on
            anchors.layout_id = deciding_rules.layout_id
            and anchors.file_rule = deciding_rules.file_rule

),

deciding_files as (

    select distinct
        places.checkpoint_id,
        deciding_signatures.file_rule

    from places

    inner join signed
        on
            places.provider = signed.provider
            and places.bucket = signed.bucket
            and places.directory = signed.directory

    inner join deciding_signatures
        on
            signed.signature = deciding_signatures.signature
            and places.layout_id = deciding_signatures.layout_id

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
        null::varchar as leaf,
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

),

-- Files side by side that are a checkpoint by their name.
single_files as (

    select
        provider,
        bucket,
        directory,
        leaf,
        layout_id,
        checkpoint_id,
        '' as folder_shape,
        null::varchar as folder_rule,
        '' as rules_there,
        null::bigint as context_number,
        true as is_top,
        false as is_final,
        false as is_temporary

    from checkpoints

    where grain = 'object'

),

unioned as (

    select * from in_context

    union all

    select * from single_files

),

-- A number is what each of millions of objects carries of all this.
numbered as (

    select
        row_number() over (order by context_number, layout_id) as place_number,
        *

    from unioned

)

select * from numbered
