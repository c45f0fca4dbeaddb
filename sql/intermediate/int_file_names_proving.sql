-- One row per file name, layout and rule of which a file proves a checkpoint or the run of one.
with

file_names as (

    select * from intermediate.int_file_names_matched

),

rules as (

    select * from reference.layout_files

    where is_anchor or is_proof_of_run or is_unfinished_mark

),

proving as (

    select
        file_names.leaf,
        file_names.layout_id,
        file_names.file_rule,
        case when rules.is_unfinished_mark then file_names.stem else '' end as marked_name

    from file_names

    inner join rules
        on
            file_names.layout_id = rules.layout_id
            and file_names.file_rule = rules.file_rule

),

-- Names that prove the same are one kind; a mark speaks of one name, and is a kind of its own.
proofs as (

    select
        leaf,
        string_agg(layout_id || ' ' || file_rule, ',' order by layout_id, file_rule) as proved,
        case when max(marked_name) != '' then leaf end as mark

    from proving

    group by leaf

),

kinds as (

    select
        leaf,
        dense_rank() over (order by proved, mark) as name_kind

    from proofs

),

numbered as (

    select
        proving.leaf,
        proving.layout_id,
        proving.file_rule,
        proving.marked_name,
        kinds.name_kind

    from proving

    inner join kinds
        on proving.leaf = kinds.leaf

)

select * from numbered
