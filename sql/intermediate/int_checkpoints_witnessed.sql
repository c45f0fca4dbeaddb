-- One row per checkpoint of a folder with state files that speak of one: what they say of it.
with

found as (

    select * from intermediate.int_checkpoints_found

),

judged as (

    select * from intermediate.int_checkpoints_judged

),

witnesses as (

    select * from intermediate.int_checkpoint_witnesses

),

metrics as (

    select * from intermediate.int_checkpoint_metrics_told

),

speaking as (

    select checkpoint_id from witnesses

    union

    select told_by_checkpoint_id as checkpoint_id from witnesses

    union

    select checkpoint_id from metrics

),

-- In most folders no file says anything: only the others are looked at.
speaking_series as (

    select distinct found.series_number

    from found

    inner join speaking
        on found.checkpoint_id = speaking.checkpoint_id

),

checkpoints as (

    select
        judged.*,
        found.checkpoint_id

    from judged

    inner join speaking_series
        on judged.series_number = speaking_series.series_number

    inner join found
        on judged.checkpoint_number = found.checkpoint_number

),

saves as (

    select
        checkpoint_id,
        series_number,
        rank() over (partition by series_number order by step desc nulls last) = 1
        or rank() over (
            partition by series_number
            order by last_modified_at desc, step desc nulls last
        ) = 1 as is_newest

    from checkpoints

    where
        state = 'complete'
        and grain != 'run'
        and checkpoint_kind = 'intermediate'

),

-- Where the one that is named is broken, another may be the best of those that can be used.
heard as (

    select distinct witnesses.told_by_checkpoint_id as checkpoint_id

    from witnesses

    inner join checkpoints
        on witnesses.checkpoint_id = checkpoints.checkpoint_id

    where
        witnesses.witness_kind = 'best'
        and witnesses.is_read
        and witnesses.resolves
        and checkpoints.state = 'complete'

),

measured as (

    select
        checkpoint_id,
        bool_and(is_known_of_all) as is_known_of_all,
        bool_or(is_best) as is_best,
        bool_or(may_be_best) as may_be_best,
        min(leaf) as leaf,
        string_agg(
            case
                when is_best
                    then 'best ' || metric || ' (' || measured || ', ' || better || ' is better)'
                when may_be_best
                    then
                        'may be the best: which way ' || metric
                        || ' is better is not known, and ' || measured || ' is at one end'
            end,
            '; '
            order by metric
        ) as best_because

    from metrics

    group by all

),

-- The best is known where each of the newest saves names one that is there, or where every save
-- has its metrics.
settled as (

    select
        saves.series_number,
        bool_and(heard.checkpoint_id is not null) filter (where saves.is_newest) as is_named,
        bool_and(coalesce(measured.is_known_of_all, false)) as is_measured

    from saves

    left outer join heard
        on saves.checkpoint_id = heard.checkpoint_id

    left outer join measured
        on saves.checkpoint_id = measured.checkpoint_id

    group by all

),

namings as (

    select distinct
        checkpoint_id,
        witness_kind,
        leaf

    from witnesses

    where
        resolves
        and (witness_kind = 'latest' or is_newest)

),

named as (

    select
        checkpoint_id,
        string_agg(leaf, ', ' order by leaf) filter (where witness_kind = 'latest') as latest_in,
        string_agg(leaf, ', ' order by leaf) filter (where witness_kind = 'best') as best_in

    from namings

    group by all

),

witnessed as (

    select
        checkpoints.checkpoint_number,
        checkpoints.checkpoint_id,
        named.latest_in is not null as is_told_latest,
        coalesce(named.latest_in, '') as latest_in,
        named.best_in is not null or coalesce(measured.is_best, false) as is_told_best,
        coalesce(measured.may_be_best, false) as may_be_best,
        coalesce(settled.is_named, false)
        or coalesce(settled.is_measured, false) as is_best_settled,
        case
            when named.best_in is not null then 'content:' || named.best_in
            when coalesce(measured.is_best or measured.may_be_best, false)
                then 'content:' || measured.leaf
            else ''
        end as best_from,
        concat_ws(
            '; ',
            case when named.best_in is not null then 'the best, says ' || named.best_in end,
            nullif(measured.best_because, '')
        ) as best_because

    from checkpoints

    left outer join named
        on checkpoints.checkpoint_id = named.checkpoint_id

    left outer join measured
        on checkpoints.checkpoint_id = measured.checkpoint_id

    left outer join settled
        on checkpoints.series_number = settled.series_number

)

select * from witnessed
