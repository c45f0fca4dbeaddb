-- One row per place in a checkpoint and rule that counts its files: how many there should be.
with

files as (

    select * from intermediate.int_checkpoint_files_counted

),

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

rules as (

    select * from reference.layout_files

    where shards_after is not null or ranks_with is not null

),

numbered as (

    select
        files.place_number,
        files.file_rule,
        files.shard_total,
        files.column_number,
        files.number_block,
        files.number_bits,
        files.highest_rank,
        rules.ranks_with,
        rules.rank_after is not null as has_ranks,
        rules.column_after is not null as has_columns

    from files

    inner join places
        on files.place_number = places.place_number

    inner join rules
        on
            places.layout_id = rules.layout_id
            and files.file_rule = rules.file_rule

),

-- Files of one rank in two classes are one rank.
blocks as (

    select
        place_number,
        file_rule,
        shard_total,
        column_number,
        number_block,
        ranks_with,
        has_ranks,
        has_columns,
        bit_or(number_bits) as number_bits,
        max(highest_rank) as highest_rank

    from numbered

    group by all

),

counted as (

    select
        place_number,
        file_rule,
        shard_total,
        ranks_with,
        has_ranks,
        has_columns,
        sum(
            coalesce(bit_count(number_bits), case when column_number is not null then 1 else 0 end)
        )::bigint as number_count,
        max(highest_rank) as highest_rank,
        max(column_number) as highest_column

    from blocks

    group by all

),

-- Files of one set come from the same ranks: what one kind reaches is expected of the others.
grids as (

    select
        place_number,
        ranks_with,
        max(highest_rank) + 1 as rank_total,
        max(highest_column) + 1 as column_total

    from counted

    where ranks_with is not null

    group by all

),

in_grids as (

    select
        counted.place_number,
        counted.file_rule,
        0 as shard_total,
        sum(counted.number_count)::bigint as shards_there,
        max(
            (case when counted.has_ranks then coalesce(grids.rank_total, 1) else 1 end)
            * (case when counted.has_columns then coalesce(grids.column_total, 1) else 1 end)
        ) as shards_expected,
        max(case when counted.has_ranks then coalesce(grids.rank_total, 1) else 1 end)
            as rank_total

    from counted

    inner join grids
        on
            counted.place_number = grids.place_number
            and counted.ranks_with = grids.ranks_with

    group by all

),

totals as (

    select
        place_number,
        file_rule,
        shard_total,
        sum(number_count)::bigint as shards_there,
        shard_total as shards_expected,
        null::bigint as rank_total

    from counted

    where ranks_with is null

    group by all

),

-- Two counts in one folder: an older save was written over. The one nearest to whole is meant.
meant as (

    select *

    from totals

    qualify
        row_number() over (
            partition by place_number, file_rule
            order by
                shards_there >= shards_expected desc,
                shards_there desc,
                shard_total asc
        ) = 1

),

expected as (

    select * from in_grids

    union all

    select * from meant

)

select * from expected
