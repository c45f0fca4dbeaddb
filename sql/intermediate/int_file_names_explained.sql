-- One row per file name and context: what the name means there. Never worked out per object.
with

contexts as (

    select * from intermediate.int_checkpoint_contexts_listed

),

file_names as (

    select * from intermediate.int_file_names_matched

),

rules as (

    select * from reference.layout_files

),

-- A name written before the rule for a whole folder is an exception to it.
folder_rules as (

    select
        contexts.*,
        rules.rule_order as folder_order

    from contexts

    left outer join rules
        on
            contexts.layout_id = rules.layout_id
            and contexts.folder_rule = rules.file_rule

),

meanings as (

    select
        file_names.leaf,
        folder_rules.context_number,
        min_by(file_names.file_rule, rules.rule_order) as file_rule

    from file_names

    inner join rules
        on
            file_names.layout_id = rules.layout_id
            and file_names.file_rule = rules.file_rule

    inner join folder_rules
        on file_names.layout_id = folder_rules.layout_id

    where
        (folder_rules.folder_order is null or rules.rule_order < folder_rules.folder_order)
        and (rules.folder_shape is null or rules.folder_shape = folder_rules.folder_shape)
        and (rules.place = 'any' or (rules.place = 'top') = folder_rules.is_top)
        and (rules.is_final_part or not folder_rules.is_final)

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
                and not coalesce(
                    contains(contexts.rules_there, '|' || rules.unless_rule || '|'), false
                )
                then rules.beside_role
            else rules.file_role
        end as file_role,
        file_names.shard_number,
        file_names.shard_total,
        file_names.rank_number,
        file_names.column_number,
        rules.rule_order as rule_number,
        rules.is_marker,
        rules.shards_after is not null or rules.ranks_with is not null as is_counted

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
