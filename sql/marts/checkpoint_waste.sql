-- One row per run and reason: how much of what its checkpoints cost nobody is known to need.
with

checkpoints as (

    select * from marts.checkpoints

),

runs as (

    select
        bucket,
        run,
        framework,
        max(last_modified_at) filter (where is_latest) as latest_at,
        count(*) filter (where is_complete) as complete_count,
        coalesce(
            bool_or(is_complete and kind = 'final')
            or max(last_modified_at) + interval 30 days <= getvariable('as_of'),
            false
        ) as is_finished,
        bool_or(state = 'in_progress') as is_being_written

    from checkpoints

    group by all

),

spaced as (

    select
        bucket,
        run,
        framework,
        step,
        lead(step) over (partition by bucket, run, framework order by step) - step as gap

    from checkpoints

    where
        is_complete
        and kind = 'intermediate'
        and step is not null

),

usual as (

    select
        bucket,
        run,
        framework,
        min(gap) filter (where gap > 0) as usual_gap

    from spaced

    group by all

),

-- A trainer forgets what it saved before a restart: those stay, far below what it still minds.
before_gaps as (

    select
        spaced.bucket,
        spaced.run,
        spaced.framework,
        max(spaced.step) as last_step

    from spaced

    inner join usual
        on
            spaced.bucket = usual.bucket
            and spaced.run = usual.run
            and spaced.framework = usual.framework

    where spaced.gap > usual.usual_gap * 3

    group by all

),

judged as (

    select
        checkpoints.*,
        runs.complete_count as complete_in_run,
        runs.latest_at,
        runs.is_finished,
        case
            when runs.complete_count = 0 and runs.is_being_written then 'needed'
            when runs.complete_count = 0 then 'failed_run'
            when
                checkpoints.copy_of is not null
                and checkpoints.is_complete
                and checkpoints.kind != 'registered'
                then 'duplicate'
            when not checkpoints.is_complete and not checkpoints.is_protected then 'incomplete'
            when
                coalesce(
                    checkpoints.is_complete
                    and checkpoints.kind = 'intermediate'
                    and not checkpoints.is_protected
                    and checkpoints.last_modified_at <= runs.latest_at,
                    false
                )
                then
                    case
                        when checkpoints.step <= before_gaps.last_step then 'orphaned'
                        else 'stale'
                    end
            else 'needed'
        end as reason_kind

    from checkpoints

    inner join runs
        on
            checkpoints.bucket = runs.bucket
            and checkpoints.run = runs.run
            and checkpoints.framework = runs.framework

    left outer join before_gaps
        on
            checkpoints.bucket = before_gaps.bucket
            and checkpoints.run = before_gaps.run
            and checkpoints.framework = before_gaps.framework

),

flagged as (

    select
        *,
        -- What a policy may clear: the rest somebody has to look at.
        reason_kind in ('stale', 'orphaned')
        or (
            reason_kind = 'duplicate'
            and kind = 'intermediate'
            and not is_protected
            and coalesce(last_modified_at <= latest_at, false)
        ) as is_clearable

    from judged

),

summed as (

    select
        bucket,
        run,
        framework,
        reason_kind,
        max(team) as team,
        max(complete_in_run) as complete_in_run,
        bool_or(latest_at is not null) as has_latest,
        count(*) as checkpoint_count,
        count(*) filter (where is_complete) as complete_count,
        sum(size_bytes)::bigint as size_bytes,
        coalesce(sum(size_bytes) filter (where reason_kind != 'needed'), 0)::bigint
            as unneeded_bytes,
        -- Nothing unneeded costs nothing. Without a rate it is not known what the rest costs.
        case
            when bool_or(reason_kind != 'needed') then sum(cost_usd_month)::decimal(18, 6)
            else 0::decimal(18, 6)
        end as unneeded_usd_month,
        coalesce(sum(size_bytes) filter (where is_clearable), 0)::bigint as stale_bytes,
        case
            when bool_or(is_clearable)
                then (sum(cost_usd_month) filter (where is_clearable))::decimal(18, 6)
            else 0::decimal(18, 6)
        end as waste_usd_month,
        bool_or(is_best is null and is_clearable) as is_best_open

    from flagged

    group by all

),

-- Part of what is needed, so that neither its checkpoints nor their bytes are counted again.
optimizers as (

    select
        bucket,
        run,
        framework,
        'optimizer_of_finished_run' as reason_kind,
        max(team) as team,
        max(complete_in_run) as complete_in_run,
        bool_or(latest_at is not null) as has_latest,
        0::bigint as checkpoint_count,
        0::bigint as complete_count,
        0::bigint as size_bytes,
        sum(optimizer_bytes)::bigint as unneeded_bytes,
        sum(
            (cost_usd_month::double * optimizer_bytes::double / nullif(size_bytes, 0)::double)
            ::decimal(18, 6)
        )::decimal(18, 6) as unneeded_usd_month,
        0::bigint as stale_bytes,
        0::decimal(18, 6) as waste_usd_month,
        false as is_best_open

    from flagged

    where
        reason_kind = 'needed'
        and is_complete
        and is_finished
        and optimizer_bytes > 0

    group by all

),

unioned as (

    select * from summed

    union all

    select * from optimizers

),

explained as (

    select
        bucket,
        run,
        framework,
        reason_kind,
        case reason_kind
            when 'failed_run'
                then 'no complete checkpoint: only a person can tell whether anybody needs it'
            when 'duplicate'
                then
                    checkpoint_count || ' with the same bytes as another checkpoint; '
                    || 'one that is protected where it lies is kept'
            when 'incomplete'
                then checkpoint_count || ' that were never finished, or were thrown away by name'
            when 'optimizer_of_finished_run'
                then 'optimizer state of kept checkpoints: nobody trains on from a finished run'
            when 'needed'
                then case
                    when complete_in_run = 0 then 'no complete checkpoint: nothing here is waste'
                    when not has_latest then 'which checkpoint is the latest is not known'
                    else 'every complete checkpoint is needed for a reason'
                end
            else
                checkpoint_count || ' complete checkpoint'
                || case when checkpoint_count > 1 then 's' else '' end
                || case
                    when reason_kind = 'orphaned' then ' from before a restart'
                    else ' older than the latest'
                end
                || ' that nothing protects'
                || case
                    when is_best_open then '; which one is the best is not known'
                    else ''
                end
        end as reason,
        team,
        checkpoint_count,
        complete_count,
        size_bytes,
        unneeded_bytes,
        unneeded_usd_month,
        stale_bytes,
        waste_usd_month

    from unioned

)

select * from explained
