-- One row per place in a checkpoint and rule of which files are missing, with the first that is.
with

expected as (

    select * from intermediate.int_checkpoint_shards_expected

),

files as (

    select * from intermediate.int_checkpoint_files_counted

),

broken as (

    select * from expected

    where shards_there < shards_expected

),

bit_numbers as (

    select unnest(generate_series(0, 61)) as bit_number

),

present as (

    select distinct
        broken.place_number,
        broken.rule_number,
        case
            when broken.rank_total is null then files.number_block * 62 + bit_numbers.bit_number
            else
                coalesce(files.column_number, 0) * broken.rank_total
                + coalesce(files.number_block * 62 + bit_numbers.bit_number, 0)
        end as file_number

    from broken

    inner join files
        on
            broken.place_number = files.place_number
            and broken.rule_number = files.rule_number
            and broken.shard_total = files.shard_total

    inner join bit_numbers
        on (coalesce(files.number_bits, 1) >> bit_numbers.bit_number::integer) & 1 = 1

),

ordered as (

    select
        *,
        row_number() over (partition by place_number, rule_number order by file_number)
        - 1 as place,
        min(file_number) over (partition by place_number, rule_number) as lowest

    from present

),

-- Names that say "of" count from 1, some from 0; ranks always count from 0.
gaps as (

    select
        ordered.place_number,
        ordered.rule_number,
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
            ordered.place_number = broken.place_number
            and ordered.rule_number = broken.rule_number

    group by all

),

missing as (

    select
        broken.checkpoint_number,
        broken.layout_id,
        broken.place_number,
        broken.rule_number,
        broken.shards_there,
        broken.shards_expected,
        coalesce(gaps.gap_position, gaps.next_position) as first_missing,
        broken.rank_total

    from broken

    inner join gaps
        on
            broken.place_number = gaps.place_number
            and broken.rule_number = gaps.rule_number

)

select * from missing
