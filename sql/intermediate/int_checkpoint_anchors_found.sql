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

    where signature != ''

),

blocks as (

    select
        signature,
        unnest(string_split(signature, ' ')) as block

    from signatures

),

kinds as (

    select
        signature,
        split_part(block, ':', 1)::bigint as kind_block,
        split_part(block, ':', 2)::bigint as kind_bits

    from blocks

),

anchors as (

    select distinct
        kinds.signature,
        file_names.layout_id,
        file_names.file_rule,
        file_names.marked_name

    from kinds

    inner join file_names
        on
            file_names.name_kind // 62 = kinds.kind_block
            and (kinds.kind_bits >> (file_names.name_kind % 62)::integer) & 1 = 1

)

select * from anchors
