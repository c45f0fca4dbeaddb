-- One row per complete checkpoint and metric in its name or a file of it: whether it may be best.
with

files as (

    select * from intermediate.int_checkpoint_states_chosen

),

found as (

    select * from intermediate.int_checkpoints_found

),

complete as (

    select * from intermediate.int_checkpoints_judged

    where state = 'complete'

),

layouts as (

    select * from reference.layouts

),

counters as (

    select * from reference.layout_not_metrics

),

metric_words as (

    select * from reference.metric_words

),

checkpoints as (

    select found.*

    from found

    inner join complete
        on found.checkpoint_number = complete.checkpoint_number

),

in_names as (

    select
        checkpoints.checkpoint_number,
        checkpoints.series_number,
        checkpoints.checkpoint_id,
        checkpoints.layout_id,
        unnest(
            regexp_extract_all(
                checkpoints.checkpoint_name,
                '[A-Za-z][A-Za-z0-9_.]*=-?[0-9]+(?:[.][0-9]+)?(?:e[-+]?[0-9]+)?'
            )
        ) as pair

    from checkpoints

    inner join layouts
        on checkpoints.layout_id = layouts.layout_id

    where layouts.best_recorded = 'name'

),

paired as (

    select
        in_names.checkpoint_number,
        in_names.series_number,
        in_names.checkpoint_id,
        split_part(in_names.pair, '=', 1) as metric,
        split_part(in_names.pair, '=', 2) as measured_text

    from in_names

    anti join counters
        on
            in_names.layout_id = counters.layout_id
            and split_part(in_names.pair, '=', 1) = counters.word

    -- A name may say the same twice.
    union

    -- Names that join metric and value otherwise, as their layout says.
    select
        checkpoint_number,
        series_number,
        checkpoint_id,
        named_metric as metric,
        named_value as measured_text

    from checkpoints

    where named_metric != ''

),

saves as (

    select
        checkpoint_number,
        series_number,
        checkpoint_id,
        layout_id,
        count(*) over (partition by series_number) as save_count

    from checkpoints

    where
        grain != 'run'
        and checkpoint_kind = 'intermediate'

),

measured as (

    select
        checkpoint_number,
        series_number,
        checkpoint_id,
        'name' as told_in,
        '' as leaf,
        metric,
        measured_text,
        try_cast(measured_text as double) as measured,
        null::bigint as save_count

    from paired

    where try_cast(measured_text as double) is not null

    union all

    select
        saves.checkpoint_number,
        saves.series_number,
        saves.checkpoint_id,
        'file' as told_in,
        files.leaf,
        files.metric_name as metric,
        coalesce(files.metric_value::varchar, '') as measured_text,
        files.metric_value as measured,
        saves.save_count

    from files

    inner join saves
        on files.told_by_checkpoint_id = saves.checkpoint_id

    anti join counters
        on
            saves.layout_id = counters.layout_id
            and files.metric_name = counters.word

    where
        files.tells = 'metric'
        and files.is_read
        and files.metric_name != ''

),

metrics as (

    select distinct metric from measured

),

words as (

    select
        metric,
        unnest(string_split(regexp_replace(lower(metric), '[^a-z0-9]+', '_', 'g'), '_')) as word

    from metrics

),

-- A word of each kind, or of none: then both ends may be the best.
directions as (

    select
        words.metric,
        count(*) filter (where metric_words.direction = 'min') as lower_words,
        count(*) filter (where metric_words.direction = 'max') as higher_words

    from words

    inner join metric_words
        on
            words.word = metric_words.word
            or regexp_replace(words.word, '[0-9]+$', '') = metric_words.word

    group by all

),

ranked as (

    select
        measured.*,
        coalesce(directions.lower_words, 0) > 0 as may_be_lower,
        coalesce(directions.higher_words, 0) > 0 as may_be_higher,
        rank() over (
            partition by
                measured.told_in,
                measured.series_number,
                measured.metric
            order by measured.measured
        ) as rank_from_lowest,
        rank() over (
            partition by
                measured.told_in,
                measured.series_number,
                measured.metric
            order by measured.measured desc
        ) as rank_from_highest,
        count(*) over (
            partition by
                measured.told_in,
                measured.series_number,
                measured.metric
        ) = measured.save_count as is_known_of_all

    from measured

    left outer join directions
        on measured.metric = directions.metric

),

judged as (

    select
        checkpoint_number,
        series_number,
        checkpoint_id,
        told_in,
        leaf,
        metric,
        measured_text,
        measured,
        case
            when may_be_lower and not may_be_higher then 'lower'
            when may_be_higher and not may_be_lower then 'higher'
            else ''
        end as better,
        case
            when may_be_lower and not may_be_higher then rank_from_lowest = 1
            when may_be_higher and not may_be_lower then rank_from_highest = 1
            else false
        end as is_best,
        may_be_lower = may_be_higher and (rank_from_lowest = 1 or rank_from_highest = 1)
            as may_be_best,
        rank_from_lowest = 1 as is_lowest,
        is_known_of_all

    from ranked

)

select * from judged
