-- One row per place, rule that counts its files, count of shards, column and block of numbers.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

    where is_counted

),

numbered as (

    select
        place_number,
        rule_number,
        coalesce(shard_total, 0) as shard_total,
        column_number,
        coalesce(shard_number, rank_number) as file_number,
        rank_number

    from members

),

-- Two files of one rank set the same bit.
counted as (

    select
        place_number,
        rule_number,
        shard_total,
        column_number,
        file_number // 62 as number_block,
        bit_or(1::bigint << (file_number % 62)::integer) as number_bits,
        max(rank_number) as highest_rank

    from numbered

    group by all

)

select * from counted
