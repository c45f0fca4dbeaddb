-- One row per checkpoint and requirement of its layout that it does not meet.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

files as (

    select * from intermediate.int_checkpoint_files_counted

),

requirements as (

    select * from reference.layout_requirements

),

conditions as (

    select * from reference.layout_conditions

),

asked as (

    select distinct
        layout_id,
        requirement,
        what,
        provider,
        is_where_siblings_have_it,
        is_conditional,
        is_for_final

    from requirements

),

needed as (

    select
        checkpoints.checkpoint_id,
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.save_directory,
        asked.layout_id,
        asked.requirement,
        asked.what,
        asked.is_where_siblings_have_it,
        asked.is_conditional

    from checkpoints

    inner join asked
        on checkpoints.layout_id = asked.layout_id

    where
        (asked.provider is null or asked.provider = checkpoints.provider)
        and (asked.is_for_final or checkpoints.grain != 'run')

),

met as (

    select distinct
        files.checkpoint_id,
        requirements.requirement

    from files

    inner join requirements
        on
            files.layout_id = requirements.layout_id
            and files.file_rule = requirements.file_rule

),

called_for as (

    select distinct
        files.checkpoint_id,
        conditions.requirement

    from files

    inner join conditions
        on
            files.layout_id = conditions.layout_id
            and files.file_rule = conditions.file_rule

),

compared as (

    select
        needed.*,
        met.requirement is not null as is_met,
        called_for.requirement is not null as is_called_for,
        bool_or(met.requirement is not null) over (
            partition by
                needed.provider,
                needed.bucket,
                needed.save_directory,
                needed.layout_id,
                needed.requirement
        ) as has_met_sibling

    from needed

    left outer join met
        on
            needed.checkpoint_id = met.checkpoint_id
            and needed.requirement = met.requirement

    left outer join called_for
        on
            needed.checkpoint_id = called_for.checkpoint_id
            and needed.requirement = called_for.requirement

),

unmet as (

    select distinct
        checkpoint_id,
        what

    from compared

    where
        not is_met
        and (is_called_for or not is_conditional)
        and (has_met_sibling or not is_where_siblings_have_it)

)

select * from unmet
