-- One row per complete checkpoint and metric that a file in it holds: whether it may be the best.
with

files as (

    select * from intermediate.int_checkpoint_states_chosen

),

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

counters as (

    select * from reference.layout_not_metrics

),

metric_words as (

    select * from reference.metric_words

),

saves as (

    select
        checkpoint_id,
        provider,
        bucket,
        save_directory,
        framework,
        layout_id,
        count(*) over (partition by provider, bucket, save_directory, framework) as save_count

    from checkpoints

    where
        state = 'complete'
        and grain != 'run'
        and checkpoint_kind = 'intermediate'

),

measured as (

    select
        saves.checkpoint_id,
        saves.provider,
        saves.bucket,
        saves.save_directory,
        saves.framework,
        saves.save_count,
        files.leaf,
        files.metric_name as metric,
        files.metric_value as measured

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
        ) as rank_from_highest,
        count(*) over (
            partition by
                measured.provider,
                measured.bucket,
                measured.save_directory,
                measured.framework,
                measured.metric
        ) = measured.save_count as is_known_of_all

    from measured

    left outer join directions
        on measured.metric = directions.metric

),

told as (

    select
        checkpoint_id,
        metric,
        measured,
        leaf,
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
        is_known_of_all

    from ranked

)

select * from told
