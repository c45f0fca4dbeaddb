-- One row per checkpoint whose name carries a metric: whether it is, or may be, the best.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

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

named as (

    select
        checkpoints.checkpoint_id,
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.save_directory,
        checkpoints.layout_id,
        checkpoints.framework,
        unnest(
            regexp_extract_all(
                checkpoints.checkpoint_name,
                '[A-Za-z][A-Za-z0-9_.]*=-?[0-9]+(?:[.][0-9]+)?(?:e[-+]?[0-9]+)?'
            )
        ) as pair

    from checkpoints

    inner join layouts
        on checkpoints.layout_id = layouts.layout_id

    where
        checkpoints.state = 'complete'
        and layouts.best_recorded = 'name'

),

paired as (

    select
        named.checkpoint_id,
        named.provider,
        named.bucket,
        named.save_directory,
        named.framework,
        split_part(named.pair, '=', 1) as metric,
        split_part(named.pair, '=', 2) as measured_text

    from named

    anti join counters
        on
            named.layout_id = counters.layout_id
            and split_part(named.pair, '=', 1) = counters.word

    union all

    -- Names that join metric and value otherwise, as their layout says.
    select
        checkpoint_id,
        provider,
        bucket,
        save_directory,
        framework,
        named_metric as metric,
        named_value as measured_text

    from checkpoints

    where
        state = 'complete'
        and named_metric != ''

),

measured as (

    select
        *,
        try_cast(measured_text as double) as measured

    from paired

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
                measured.provider,
                measured.bucket,
                measured.save_directory,
                measured.framework,
                measured.metric
            order by measured.measured
        ) as rank_from_lowest,
        rank() over (
            partition by
                measured.provider,
                measured.bucket,
                measured.save_directory,
                measured.framework,
                measured.metric
            order by measured.measured desc
        ) as rank_from_highest

    from measured

    left outer join directions
        on measured.metric = directions.metric

    where measured.measured is not null

),

judged as (

    select
        *,
        case
            when may_be_lower and not may_be_higher then rank_from_lowest = 1
            when may_be_higher and not may_be_lower then rank_from_highest = 1
            else false
        end as is_best,
        may_be_lower = may_be_higher and (rank_from_lowest = 1 or rank_from_highest = 1)
            as may_be_best

    from ranked

),

compared as (

    select
        checkpoint_id,
        bool_or(is_best) as is_best,
        bool_or(may_be_best) as may_be_best,
        coalesce(
            string_agg(
                case
                    when is_best
                        then
                            'best ' || metric || ' (' || measured_text
                            || case when may_be_lower then ', lower' else ', higher' end
                            || ' is better)'
                    when may_be_best
                        then
                            'may be the best: which way ' || metric
                            || ' is better is not known, and ' || measured_text || ' is '
                            || case
                                when rank_from_lowest = 1 then 'the lowest'
                                else 'the highest'
                            end
                end,
                '; '
                order by metric
            ),
            ''
        ) as best_because

    from judged

    group by all

)

select * from compared
