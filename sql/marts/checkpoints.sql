-- One row per checkpoint.
with

found as (

    select * from intermediate.int_checkpoints_found

),

judged as (

    select * from intermediate.int_checkpoints_judged

),

ordered as (

    select * from intermediate.int_checkpoints_ordered

),

compared as (

    select * from intermediate.int_checkpoints_compared

),

witnessed as (

    select * from intermediate.int_checkpoints_witnessed

),

registered as (

    select * from intermediate.int_checkpoints_registered

),

priced as (

    select * from intermediate.int_checkpoints_priced

),

owned as (

    select * from intermediate.int_checkpoints_owned

),

copied as (

    select * from intermediate.int_checkpoints_copied

),

needed as (

    select * from intermediate.int_checkpoints_needed

),

named_best as (

    select series_number from intermediate.int_checkpoints_judged

    where is_best_by_name and state = 'complete'

),

-- Names of one folder's saves speak of the best, or none does.
named_series as (

    select series_number from compared

    union

    select series_number from named_best

),

joined as (

    select
        found.checkpoint_id,
        found.checkpoint_uri,
        found.provider,
        found.bucket,
        found.run,
        found.framework,
        found.grain,
        found.checkpoint_kind,
        found.step,
        found.epoch,
        judged.state,
        judged.state_reason,
        judged.object_count,
        judged.marker_count,
        judged.unknown_count,
        judged.pin_count,
        judged.shard_count,
        judged.shards_expected,
        judged.size_bytes,
        judged.weights_bytes,
        judged.optimizer_bytes,
        judged.is_far_smaller,
        judged.first_modified_at,
        judged.last_modified_at,
        ordered.complete_count,
        ordered.is_latest,
        ordered.is_order_open,
        ordered.is_place_unknown,
        ordered.is_larger_than_latest,
        ordered.is_newest_unfinished,
        ordered.is_newest_beside_last,
        case
            when registered.checkpoint_id is not null then 'registered'
            else found.checkpoint_kind
        end as kind,
        registered.registered_as,
        named_series.series_number is not null as is_best_in_names,
        coalesce(compared.is_best, judged.is_best_by_name and judged.state = 'complete')
            as is_named_best,
        coalesce(compared.may_be_best, false) as may_be_best,
        compared.best_because,
        coalesce(witnessed.is_told_latest, false) as is_told_latest,
        witnessed.latest_in,
        coalesce(witnessed.is_told_best, false) as is_told_best,
        coalesce(witnessed.may_be_best, false) as is_told_may_be_best,
        coalesce(witnessed.is_best_settled, false) as is_best_settled,
        witnessed.best_from as told_best_from,
        nullif(witnessed.best_because, '') as told_best_because,
        priced.storage_classes,
        priced.cost_usd_month,
        coalesce(owned.team, '') as team,
        copied.copy_of,
        needed.in_use_by,
        needed.pinned_by

    from judged

    inner join found
        on judged.checkpoint_number = found.checkpoint_number

    inner join ordered
        on judged.checkpoint_number = ordered.checkpoint_number

    left outer join priced
        on judged.checkpoint_number = priced.checkpoint_number

    left outer join named_series
        on judged.series_number = named_series.series_number

    left outer join compared
        on judged.checkpoint_number = compared.checkpoint_number

    left outer join witnessed
        on judged.checkpoint_number = witnessed.checkpoint_number

    left outer join registered
        on found.checkpoint_id = registered.checkpoint_id

    left outer join copied
        on judged.checkpoint_number = copied.checkpoint_number

    left outer join needed
        on found.checkpoint_id = needed.checkpoint_id

    left outer join owned
        on judged.checkpoint_number = owned.checkpoint_number

),

explained as (

    select
        *,
        concat_ws(
            '; ',
            'registered as ' || registered_as,
            'used by ' || in_use_by,
            case when is_latest then 'the latest complete checkpoint of its run' end,
            case when is_told_latest and not is_latest then 'the latest, says ' || latest_in end,
            case when is_named_best or may_be_best then best_because end,
            told_best_because,
            case checkpoint_kind
                when 'final' then 'the finished model of its run'
                when 'last_copy' then 'its name says it is the last'
                when 'best_copy' then 'its name says it is the best'
            end,
            coalesce(pinned_by, case when pin_count > 0 then 'somebody pinned it' end),
            case when state = 'in_progress' then 'it may still be written' end,
            case
                when is_newest_unfinished
                    then 'the newest step of its run, although not whole: nothing else may hold it'
            end,
            case
                when complete_count = 0 and state != 'marked_deleted' and grain != 'run'
                    then 'its run has no complete checkpoint'
            end,
            case
                when complete_count = 1 and state = 'complete' and grain != 'run'
                    then 'the only complete checkpoint of its run'
            end,
            case
                when is_order_open
                    then
                        'steps and times disagree: the run may have been rolled back, '
                        || 'and this may be where it goes on'
            end,
            case
                when is_place_unknown
                    then 'its name has no step, so its place in the run is not known'
            end,
            case
                when is_newest_beside_last and not is_latest
                    then 'the newest step: the last one beside it is no newer, or of another kind'
            end,
            case
                when is_larger_than_latest
                    then
                        'the save after it has fewer files or bytes: '
                        || 'whether that one is whole cannot be told from names'
            end,
            case
                when is_far_smaller
                    then 'far smaller than its siblings: cut short, or of another kind'
            end,
            case
                when unknown_count > 0
                    then 'it holds ' || unknown_count || ' objects that its layout does not know'
            end
        ) as protected_because

    from joined

),

finished as (

    select
        checkpoint_id,
        checkpoint_uri,
        provider,
        bucket,
        run,
        framework,
        step,
        epoch,
        state,
        state_reason,
        kind,
        case
            when is_told_best or is_told_may_be_best then told_best_from
            when is_best_in_names then 'name'
            when is_best_settled then 'content'
            else 'unknown'
        end as best_from,
        protected_because,
        copy_of,
        storage_classes,
        team,
        object_count,
        marker_count,
        shard_count,
        shards_expected,
        size_bytes,
        weights_bytes,
        optimizer_bytes,
        cost_usd_month,
        state = 'complete' as is_complete,
        is_latest,
        case
            when is_told_best then true
            when is_best_in_names and is_named_best then true
            when may_be_best or is_told_may_be_best then null
            when is_best_in_names or is_best_settled then false
        end as is_best,
        protected_because != '' as is_protected,
        first_modified_at,
        last_modified_at

    from explained

)

select * from finished
