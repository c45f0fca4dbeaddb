-- One row per checkpoint, directory and rule of which files are missing, with the first that is.
with

expected as (

    select * from intermediate.int_checkpoint_shards_expected

),

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

broken as (

    select * from expected

    where shards_there < shards_expected

),

present as (

    select distinct
        broken.checkpoint_id,
        broken.directory,
        broken.file_rule,
        coalesce(
            members.shard_number,
            coalesce(members.column_number, 0) * broken.rank_total
            + coalesce(members.rank_number, 0)
        ) as file_number

    from broken

    inner join members
        on
            broken.checkpoint_id = members.checkpoint_id
            and broken.directory = members.directory
            and broken.file_rule = members.file_rule
            and broken.shard_total = coalesce(members.shard_total, 0)

),

ordered as (

    select
        *,
        row_number() over (partition by checkpoint_id, directory, file_rule order by file_number)
        - 1 as place,
        min(file_number) over (partition by checkpoint_id, directory, file_rule) as lowest

    from present

),

-- Names that say "of" count from 1, some from 0; ranks always count from 0.
gaps as (

    select
        ordered.checkpoint_id,
        ordered.directory,
        ordered.file_rule,
        min(
            case
                when
                    ordered.file_number
                    != ordered.place + least(ordered.lowest, broken.shard_total, 1)
                    then ordered.place + least(ordered.lowest, broken.shard_total, 1)
            end
        ) as gap_position,
        max(ordered.file_number) + 1 as next_position

    from ordered

    inner join broken
        on
            ordered.checkpoint_id = broken.checkpoint_id
            and ordered.directory = broken.directory
            and ordered.file_rule = broken.file_rule

    group by all

),

missing as (

    select
        broken.checkpoint_id,
        broken.directory,
        broken.file_rule,
        broken.shards_there,
        broken.shards_expected,
        coalesce(gaps.gap_position, gaps.next_position) as first_missing,
        broken.rank_total

    from broken

    inner join gaps
        on
            broken.checkpoint_id = gaps.checkpoint_id
            and broken.directory = gaps.directory
            and broken.file_rule = gaps.file_rule

)

select * from missing
