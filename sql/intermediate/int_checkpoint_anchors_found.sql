-- One row per directory, layout and rule: files there that prove a checkpoint or the run of one.
with

objects as (

    select * from intermediate.int_objects_listed

),

file_names as (

    select * from intermediate.int_file_names_matched

),

rules as (

    select * from reference.layout_files

    where is_anchor or is_proof_of_run or is_unfinished_mark

),

proving_names as (

    select
        file_names.leaf,
        file_names.layout_id,
        file_names.file_rule,
        case when rules.is_unfinished_mark then file_names.stem end as marked_name

    from file_names

    inner join rules
        on
            file_names.layout_id = rules.layout_id
            and file_names.file_rule = rules.file_rule

),

anchors as (

    select distinct
        objects.provider,
        objects.bucket,
        objects.directory,
        proving_names.layout_id,
        proving_names.file_rule,
        proving_names.marked_name

    from objects

    inner join proving_names
        on objects.leaf = proving_names.leaf

    where objects.directory != ''

)

select * from anchors
