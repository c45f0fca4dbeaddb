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
        places.checkpoint_number,
        places.layout_id,
        files.place_number,
        files.rule_number,
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
            and files.rule_number = rules.rule_order

),

counted as (

    select
        checkpoint_number,
        layout_id,
        place_number,
        rule_number,
        shard_total,
        ranks_with,
        has_ranks,
        has_columns,
        sum(
            coalesce(bit_count(number_bits), case when column_number is not null then 1 else 0 end)
        )::bigint as number_count,
        max(highest_rank) as highest_rank,
        max(column_number) as highest_column

    from numbered

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
        counted.checkpoint_number,
        counted.layout_id,
        counted.place_number,
        counted.rule_number,
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
        checkpoint_number,
        layout_id,
        place_number,
        rule_number,
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
            partition by place_number, rule_number
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
