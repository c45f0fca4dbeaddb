-- One row per checkpoint and storage class: how much of it lies there, and in what kinds of files.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

told_apart as (

    select
        checkpoint_number,
        coalesce(storage_class, '') as storage_class,
        rule_number,
        size_bytes,
        contains(role, 'weights') as has_weights,
        role = 'optimizer' as is_optimizer,
        role = 'pin' as is_pin,
        role not in ('pin', 'aux') as is_of_layout,
        is_marker,
        is_unknown,
        is_temporary,
        last_modified_at

    from members

),

-- A filter of an aggregate looks at every row once more; a case does not.
summed as (

    select
        checkpoint_number,
        storage_class,
        bit_or(1::bigint << rule_number::integer) as rule_bits,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        coalesce(sum(case when has_weights then size_bytes end), 0)::bigint as weights_bytes,
        coalesce(sum(case when is_optimizer then size_bytes end), 0)::bigint as optimizer_bytes,
        count(case when has_weights then 1 end) as weights_count,
        count(case when is_pin then 1 end) as pin_count,
        count(case when is_of_layout then 1 end) as file_count,
        count(case when is_marker then 1 end) as marker_count,
        count(case when is_unknown then 1 end) as unknown_count,
        count(case when is_temporary then 1 end) as temporary_count,
        count(case when has_weights and size_bytes = 0 then 1 end) as empty_count,
        min(last_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at

    from told_apart

    group by all

)

select * from summed
