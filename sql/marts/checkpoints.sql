-- One row per checkpoint.
with

checkpoints as (

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

joined as (

    select
        checkpoints.*,
        ordered.complete_count,
        ordered.is_latest,
        ordered.is_order_open,
        ordered.is_place_unknown,
        ordered.is_larger_than_latest,
        ordered.is_newest_unfinished,
        ordered.is_newest_beside_last,
        case
            when registered.checkpoint_id is not null then 'registered'
            else checkpoints.checkpoint_kind
        end as kind,
        registered.registered_as,
        bool_or(
            compared.checkpoint_id is not null
            or (checkpoints.is_best_by_name and checkpoints.state = 'complete')
        ) over (
            partition by
                checkpoints.provider,
                checkpoints.bucket,
                checkpoints.save_directory,
                checkpoints.framework
        ) as is_best_in_names,
        coalesce(compared.is_best, checkpoints.is_best_by_name and checkpoints.state = 'complete')
            as is_named_best,
        coalesce(compared.may_be_best, false) as may_be_best,
        compared.best_because,
        witnessed.is_told_latest,
        witnessed.latest_in,
        witnessed.is_told_best,
        witnessed.may_be_best as is_told_may_be_best,
        witnessed.is_best_settled,
        witnessed.best_from as told_best_from,
        nullif(witnessed.best_because, '') as told_best_because,
        priced.storage_classes,
        priced.cost_usd_month,
        coalesce(owned.team, '') as team,
        copied.copy_of,
        needed.in_use_by,
        needed.pinned_by

    from checkpoints

    inner join ordered
        on checkpoints.checkpoint_id = ordered.checkpoint_id

    left outer join compared
        on checkpoints.checkpoint_id = compared.checkpoint_id

    left outer join witnessed
        on checkpoints.checkpoint_id = witnessed.checkpoint_id

    left outer join registered
        on checkpoints.checkpoint_id = registered.checkpoint_id

    left outer join priced
        on checkpoints.checkpoint_id = priced.checkpoint_id

    left outer join copied
        on checkpoints.checkpoint_id = copied.checkpoint_id

    left outer join needed
        on checkpoints.checkpoint_id = needed.checkpoint_id

    left outer join owned
        on checkpoints.checkpoint_id = owned.checkpoint_id

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
            when coalesce(is_told_best, false) then true
            when is_best_in_names and is_named_best then true
            when may_be_best or coalesce(is_told_may_be_best, false) then null
            when is_best_in_names or coalesce(is_best_settled, false) then false
        end as is_best,
        protected_because != '' as is_protected,
        first_modified_at,
        last_modified_at

    from explained

)

select * from finished
