-- One row per file name, layout and rule of the layout that the name keeps to.
with

objects as (

    select * from intermediate.int_objects_listed

),

rules as (

    select * from reference.layout_files

    where not is_whole_folder

),

tails as (

    select distinct
        tail,
        right(tail, 3) as ending

    from rules

    where tail is not null

),

endings as (

    select distinct ending from tails

),

heads as (

    select distinct head from rules

    where head is not null

),

-- A bucket may hold a billion names. Few end like a file of a checkpoint; only those get further.
ended as (

    select distinct objects.leaf

    from objects

    inner join endings
        on right(objects.leaf, 3) = endings.ending

),

begun as (

    select distinct objects.leaf

    from objects

    inner join heads
        on left(objects.leaf, 5) = heads.head

    where right(objects.leaf, 1) between '0' and '9'

),

names as (

    select leaf

    from ended

    where
        right(leaf, 4) in (select tails.tail from tails)
        or right(leaf, 3) in (select tails.tail from tails)

    union

    select leaf from begun

),

shaped as (

    select
        leaf,
        right(leaf, 4) as tail,
        right(leaf, 3) as short_tail,
        regexp_replace(replace(leaf, '#', '!'), '[0-9]+', '#', 'g') as shape

    from names

),

candidates as (

    select
        shaped.leaf,
        shaped.shape,
        rules.layout_id,
        rules.file_rule

    from shaped

    inner join rules
        on shaped.tail = rules.tail

    where not rules.is_exact

    union all

    select
        shaped.leaf,
        shaped.shape,
        rules.layout_id,
        rules.file_rule

    from shaped

    inner join rules
        on shaped.short_tail = rules.tail

    where not rules.is_exact

),

matched as (

    select
        shaped.leaf,
        rules.layout_id,
        rules.file_rule

    from shaped

    inner join rules
        on shaped.shape = rules.shape

    union all

    select
        candidates.leaf,
        candidates.layout_id,
        candidates.file_rule

    from candidates

    inner join rules
        on
            candidates.layout_id = rules.layout_id
            and candidates.file_rule = rules.file_rule

    where
        starts_with(candidates.shape, rules.starts_text)
        and contains(candidates.shape, rules.contains_text)
        and ends_with(candidates.shape, rules.ends_text)
        and not coalesce(contains(candidates.shape, rules.without_text), false)
        and length(candidates.shape)
        >= length(rules.starts_text) + length(rules.contains_text) + length(rules.ends_text)

),

cut as (

    select
        matched.leaf,
        matched.layout_id,
        matched.file_rule,
        case
            when rules.stem_before is null then matched.leaf
            else left(matched.leaf, instr(matched.leaf, rules.stem_before) - 1)
        end as stem,
        substr(matched.leaf, instr(matched.leaf, rules.shard_after) + length(rules.shard_after))
            as from_shard,
        substr(matched.leaf, instr(matched.leaf, rules.shards_after) + length(rules.shards_after))
            as from_shards,
        substr(matched.leaf, instr(matched.leaf, rules.rank_after) + length(rules.rank_after))
            as from_rank,
        substr(matched.leaf, instr(matched.leaf, rules.column_after) + length(rules.column_after))
            as from_column

    from matched

    inner join rules
        on
            matched.layout_id = rules.layout_id
            and matched.file_rule = rules.file_rule

),

-- More than an integer holds is no rank and no shard.
numbered as (

    select
        leaf,
        layout_id,
        file_rule,
        stem,
        try_cast(regexp_extract(from_shard, '^[0-9]+') as integer)::bigint as shard_number,
        try_cast(regexp_extract(from_shards, '^[0-9]+') as integer)::bigint as shard_total,
        try_cast(regexp_extract(from_rank, '^[0-9]+') as integer)::bigint as rank_number,
        try_cast(regexp_extract(from_column, '^[0-9]+') as integer)::bigint as column_number

    from cut

)

select * from numbered
