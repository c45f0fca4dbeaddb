-- One row per context: places of one context give names the same meaning.
with

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

contexts as (

    select distinct
        context_number,
        layout_id,
        folder_shape,
        folder_rule,
        rules_there,
        is_top,
        is_final,
        is_temporary

    from places

    where context_number is not null

)

select * from contexts
