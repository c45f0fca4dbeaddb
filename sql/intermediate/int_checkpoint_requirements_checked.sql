-- One row per checkpoint and requirement of its layout that it does not meet.
with

checkpoints as (

    select * from intermediate.int_checkpoints_measured

),

rules as (

    select * from reference.layout_files

),

requirements as (

    select * from reference.layout_requirements

),

conditions as (

    select * from reference.layout_conditions

),

asking as (

    select
        layout_id,
        file_rule

    from requirements

    union

    select
        layout_id,
        file_rule

    from conditions

),

-- A bit for each rule that a requirement asks for, or that calls for one.
asked_rules as (

    select
        asking.layout_id,
        bit_or(1::bigint << rules.rule_order::integer) as asked_bits

    from asking

    inner join rules
        on
            asking.layout_id = rules.layout_id
            and asking.file_rule = rules.file_rule

    group by all

),

held as (

    select
        checkpoints.checkpoint_number,
        checkpoints.provider,
        checkpoints.series_number,
        checkpoints.layout_id,
        checkpoints.grain != 'run' as is_save,
        checkpoints.rule_bits & asked_rules.asked_bits as contents

    from checkpoints

    inner join asked_rules
        on checkpoints.layout_id = asked_rules.layout_id

),

-- Many checkpoints hold the same kinds of files: what they lack is found once.
kinds as (

    select distinct
        layout_id,
        provider,
        is_save,
        contents

    from held

),

kind_rules as (

    select
        kinds.layout_id,
        kinds.provider,
        kinds.is_save,
        kinds.contents,
        rules.file_rule

    from kinds

    inner join rules
        on
            kinds.layout_id = rules.layout_id
            and (kinds.contents >> rules.rule_order::integer) & 1 = 1

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

met as (

    select distinct
        kind_rules.layout_id,
        kind_rules.provider,
        kind_rules.is_save,
        kind_rules.contents,
        requirements.requirement

    from kind_rules

    inner join requirements
        on
            kind_rules.layout_id = requirements.layout_id
            and kind_rules.file_rule = requirements.file_rule

),

called_for as (

    select distinct
        kind_rules.layout_id,
        kind_rules.provider,
        kind_rules.is_save,
        kind_rules.contents,
        conditions.requirement

    from kind_rules

    inner join conditions
        on
            kind_rules.layout_id = conditions.layout_id
            and kind_rules.file_rule = conditions.file_rule

),

compared as (

    select
        kinds.layout_id,
        kinds.provider,
        kinds.is_save,
        kinds.contents,
        asked.requirement,
        asked.what,
        asked.is_where_siblings_have_it,
        met.requirement is not null as is_met,
        called_for.requirement is not null or not asked.is_conditional as is_called_for

    from kinds

    inner join asked
        on kinds.layout_id = asked.layout_id

    left outer join met
        on
            kinds.layout_id = met.layout_id
            and kinds.provider = met.provider
            and kinds.is_save = met.is_save
            and kinds.contents = met.contents
            and asked.requirement = met.requirement

    left outer join called_for
        on
            kinds.layout_id = called_for.layout_id
            and kinds.provider = called_for.provider
            and kinds.is_save = called_for.is_save
            and kinds.contents = called_for.contents
            and asked.requirement = called_for.requirement

    where
        (asked.provider is null or asked.provider = kinds.provider)
        and (asked.is_for_final or kinds.is_save)

),

-- Only what siblings decide has to know who they are.
met_by_siblings as (

    select distinct
        held.series_number,
        held.layout_id,
        compared.requirement

    from held

    inner join compared
        on
            held.layout_id = compared.layout_id
            and held.provider = compared.provider
            and held.is_save = compared.is_save
            and held.contents = compared.contents

    where
        compared.is_met
        and compared.is_where_siblings_have_it

),

unmet as (

    select distinct
        held.checkpoint_number,
        compared.what

    from held

    inner join compared
        on
            held.layout_id = compared.layout_id
            and held.provider = compared.provider
            and held.is_save = compared.is_save
            and held.contents = compared.contents

    left outer join met_by_siblings
        on
            held.series_number = met_by_siblings.series_number
            and held.layout_id = met_by_siblings.layout_id
            and compared.requirement = met_by_siblings.requirement

    where
        not compared.is_met
        and compared.is_called_for
        and (
            met_by_siblings.requirement is not null
            or not compared.is_where_siblings_have_it
        )

)

select * from unmet
