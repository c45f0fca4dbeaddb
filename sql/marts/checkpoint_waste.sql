-- One row per run: how much of what its checkpoints cost nobody is known to need.
with

checkpoints as (

    select * from marts.checkpoints

),

newest as (

    select
        bucket,
        run,
        framework,
        max(last_modified_at) filter (where is_latest) as latest_at

    from checkpoints

    group by all

),

judged as (

    select
        checkpoints.*,
        coalesce(
            checkpoints.state = 'complete'
            and checkpoints.kind = 'intermediate'
            and not checkpoints.is_protected
            and checkpoints.last_modified_at <= newest.latest_at,
            false
        ) as is_stale

    from checkpoints

    inner join newest
        on
            checkpoints.bucket = newest.bucket
            and checkpoints.run = newest.run
            and checkpoints.framework = newest.framework

),

summed as (

    select
        bucket,
        run,
        framework,
        max(team) as team,
        count(*) as checkpoint_count,
        count(*) filter (where is_complete) as complete_count,
        count(*) filter (where is_stale) as stale_count,
        sum(size_bytes)::bigint as size_bytes,
        coalesce(sum(size_bytes) filter (where is_stale), 0)::bigint as stale_bytes,
        -- Nothing stale costs nothing. Without a rate it is not known what the stale ones cost.
        case
            when bool_or(is_stale)
                then (sum(cost_usd_month) filter (where is_stale))::decimal(18, 6)
            else 0::decimal(18, 6)
        end as waste_usd_month,
        bool_or(is_latest) as has_latest,
        bool_or(is_best is null and is_stale) as is_best_open

    from judged

    group by all

),

explained as (

    select
        bucket,
        run,
        framework,
        case
            when complete_count = 0 then 'no complete checkpoint: nothing here is waste'
            when not has_latest then 'which checkpoint is the latest is not known'
            when stale_count = 0 then 'every complete checkpoint is needed for a reason'
            else
                stale_count || ' complete checkpoint'
                || case when stale_count > 1 then 's' else '' end
                || ' older than the latest that nothing protects'
                || case
                    when is_best_open then '; which one is the best is not known'
                    else ''
                end
        end as reason,
        team,
        checkpoint_count,
        complete_count,
        size_bytes,
        stale_bytes,
        waste_usd_month

    from summed

)

select * from explained
