-- One row per place, rule, role, count of shards, column, block of numbers and class: its files.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

numbered as (

    select
        place_number,
        coalesce(file_rule, '') as file_rule,
        role,
        coalesce(shard_total, 0) as shard_total,
        column_number,
        coalesce(shard_number, rank_number) as file_number,
        rank_number,
        coalesce(storage_class, '') as storage_class,
        size_bytes,
        is_marker,
        is_unknown,
        last_modified_at

    from members

),

-- The only time that every object is looked at: two files of one rank set the same bit.
counted as (

    select
        place_number,
        file_rule,
        role,
        shard_total,
        column_number,
        file_number // 62 as number_block,
        storage_class,
        bit_or(1::bigint << (file_number % 62)::integer) as number_bits,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        count(*) filter (where is_marker) as marker_count,
        count(*) filter (where is_unknown) as unknown_count,
        count(*) filter (where size_bytes = 0 and contains(role, 'weights')) as empty_count,
        max(rank_number) as highest_rank,
        min(last_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at

    from numbered

    group by all

)

select * from counted
