-- One row per checkpoint, directory and rule that counts its files: how many there should be.
with

files as (

    select * from intermediate.int_checkpoint_files_counted

),

rules as (

    select * from reference.layout_files

),

numbered as (

    select
        files.*,
        rules.ranks_with,
        rules.rank_after is not null as has_ranks,
        rules.column_after is not null as has_columns

    from files

    inner join rules
        on
            files.layout_id = rules.layout_id
            and files.file_rule = rules.file_rule

    where
        rules.shards_after is not null
        or rules.ranks_with is not null

),

-- Files of one set come from the same ranks: what one kind reaches is expected of the others.
grids as (

    select
        checkpoint_id,
        directory,
        ranks_with,
        max(highest_rank) + 1 as rank_total,
        max(highest_column) + 1 as column_total

    from numbered

    where ranks_with is not null

    group by all

),

in_grids as (

    select
        numbered.checkpoint_id,
        numbered.layout_id,
        numbered.directory,
        numbered.file_rule,
        0 as shard_total,
        sum(numbered.number_count)::bigint as shards_there,
        max(
            (case when numbered.has_ranks then coalesce(grids.rank_total, 1) else 1 end)
            * (case when numbered.has_columns then coalesce(grids.column_total, 1) else 1 end)
        ) as shards_expected,
        max(case when numbered.has_ranks then coalesce(grids.rank_total, 1) else 1 end)
            as rank_total

    from numbered

    inner join grids
        on
            numbered.checkpoint_id = grids.checkpoint_id
            and numbered.directory = grids.directory
            and numbered.ranks_with = grids.ranks_with

    group by all

),

totals as (

    select
        checkpoint_id,
        layout_id,
        directory,
        file_rule,
        shard_total,
        sum(number_count)::bigint as shards_there,
        shard_total as shards_expected,
        null::bigint as rank_total

    from numbered

    where ranks_with is null

    group by all

),

-- Two counts in one folder: an older save was written over. The one nearest to whole is meant.
meant as (

    select *

    from totals

    qualify
        row_number() over (
            partition by checkpoint_id, directory, file_rule
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
