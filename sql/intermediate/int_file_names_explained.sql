-- One row per file name and context: what the name means there. Never worked out per object.
with

directories as (

    select * from intermediate.int_checkpoint_directories_placed

),

file_names as (

    select * from intermediate.int_file_names_matched

),

rules as (

    select * from reference.layout_files

),

contexts as (

    select distinct
        context_number,
        layout_id,
        folder_shape,
        folder_rule,
        rules_there,
        is_top,
        is_final

    from directories

),

meanings as (

    select
        file_names.leaf,
        contexts.context_number,
        min_by(file_names.file_rule, rules.rule_order) as file_rule

    from file_names

    inner join rules
        on
            file_names.layout_id = rules.layout_id
            and file_names.file_rule = rules.file_rule

    inner join contexts
        on file_names.layout_id = contexts.layout_id

    where
        contexts.folder_rule is null
        and (rules.folder_shape is null or rules.folder_shape = contexts.folder_shape)
        and (rules.place = 'any' or (rules.place = 'top') = contexts.is_top)
        and (rules.is_final_part or not contexts.is_final)

    group by all

),

named_files as (

    select
        meanings.leaf,
        meanings.context_number,
        meanings.file_rule,
        case
            when
                contains(contexts.rules_there, '|' || rules.beside_rule || '|')
                and not contains(contexts.rules_there, '|' || rules.unless_rule || '|')
                then rules.beside_role
            else rules.file_role
        end as file_role,
        file_names.shard_number,
        file_names.shard_total,
        file_names.rank_number,
        file_names.column_number,
        rules.is_marker

    from meanings

    inner join contexts
        on meanings.context_number = contexts.context_number

    inner join rules
        on
            contexts.layout_id = rules.layout_id
            and meanings.file_rule = rules.file_rule

    inner join file_names
        on
            meanings.leaf = file_names.leaf
            and contexts.layout_id = file_names.layout_id
            and meanings.file_rule = file_names.file_rule

)

select * from named_files
