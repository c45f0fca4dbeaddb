-- One row per signature, layout, rule and mark: what files of such a directory prove.
with

directories as (

    select * from intermediate.int_directories_signed

),

file_names as (

    select * from intermediate.int_file_names_proving

),

signatures as (

    select distinct signature from directories

),

kinds as (

    select
        signature,
        unnest(string_split(signature, ' '))::bigint as name_kind

    from signatures

),

anchors as (

    select distinct
        kinds.signature,
        file_names.layout_id,
        file_names.file_rule,
        file_names.marked_name

    from kinds

    inner join file_names
        on kinds.name_kind = file_names.name_kind

)

select * from anchors
