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
        checkpoints.checkpoint_number,
        directories.directory_number,
        directories.provider,
        directories.bucket,
        directories.directory,
        checkpoints.layout_id,
        directories.folder_shape,
        directories.folder_rule,
        directories.is_top,
        false as is_final,
        directories.is_temporary

    from directories

    inner join checkpoints
        on directories.folder_number = checkpoints.folder_number

    union all

    select
        checkpoints.checkpoint_number,
        signed.directory_number,
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.directory,
        checkpoints.layout_id,
        '' as folder_shape,
        null::varchar as folder_rule,
        true as is_top,
        true as is_final,
        false as is_temporary

    from checkpoints

    left outer join signed
        on
            checkpoints.provider = signed.provider
            and checkpoints.bucket = signed.bucket
            and checkpoints.directory = signed.directory

    where checkpoints.grain = 'run'

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
        places.checkpoint_number,
        deciding_signatures.file_rule

    from places

    inner join signed
        on places.directory_number = signed.directory_number

    inner join deciding_signatures
        on
            signed.signature = deciding_signatures.signature
            and places.layout_id = deciding_signatures.layout_id

),

deciding as (

    select
        checkpoint_number,
        string_agg('|' || file_rule || '|', '' order by file_rule) as rules_there

    from deciding_files

    group by all

),

ruled as (

    select
        places.*,
        coalesce(deciding.rules_there, '') as rules_there

    from places

    left outer join deciding
        on places.checkpoint_number = deciding.checkpoint_number

),

contexts as (

    select distinct
        layout_id,
        folder_shape,
        folder_rule,
        is_top,
        is_final,
        is_temporary,
        rules_there

    from ruled

),

-- What a name means depends on where it is. Such contexts are few, and get a number.
numbered_contexts as (

    select
        *,
        row_number() over (
            order by
                layout_id, folder_shape, folder_rule, is_top, is_final, is_temporary, rules_there
        ) as context_number

    from contexts

),

in_context as (

    select
        ruled.checkpoint_number,
        ruled.directory_number,
        ruled.provider,
        ruled.bucket,
        ruled.directory,
        null::varchar as leaf,
        ruled.layout_id,
        ruled.folder_shape,
        ruled.folder_rule,
        ruled.rules_there,
        numbered_contexts.context_number,
        ruled.is_top,
        ruled.is_final,
        ruled.is_temporary

    from ruled

    inner join numbered_contexts
        on
            ruled.layout_id = numbered_contexts.layout_id
            and ruled.folder_shape = numbered_contexts.folder_shape
            and ruled.folder_rule is not distinct from numbered_contexts.folder_rule
            and ruled.is_top = numbered_contexts.is_top
            and ruled.is_final = numbered_contexts.is_final
            and ruled.is_temporary = numbered_contexts.is_temporary
            and ruled.rules_there = numbered_contexts.rules_there

),

-- Files side by side that are a checkpoint by their name.
single_files as (

    select
        checkpoint_number,
        null::bigint as directory_number,
        provider,
        bucket,
        directory,
        leaf,
        layout_id,
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
        row_number() over (order by checkpoint_number, directory_number) as place_number,
        *

    from unioned

)

select * from numbered
