-- One row per witness of a folder of checkpoints, what it says, and which checkpoint that is about.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

files as (

    select * from intermediate.int_checkpoint_witnesses

),

metrics as (

    select * from intermediate.int_checkpoint_metrics_told

),

claimed as (

    select * from intermediate.int_checkpoints_claimed

),

witnesses as (

    select
        provider,
        bucket,
        save_directory,
        framework,
        witness_kind,
        object_key as witness,
        told_value as says,
        checkpoint_id,
        case
            when not is_read then 'unread'
            when told_value = '' then 'says_nothing'
            when resolves then 'names'
            else 'names_nothing'
        end as outcome,
        coalesce(message, '') as remark,
        is_newest

    from files

    union all

    select
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.save_directory,
        checkpoints.framework,
        'metric' as witness_kind,
        metrics.leaf as witness,
        metrics.metric || ' ' || metrics.measured as says,
        metrics.checkpoint_id,
        case
            when metrics.is_best then 'best'
            when metrics.may_be_best then 'may_be_best'
            else 'not_best'
        end as outcome,
        case
            when metrics.better = '' then 'which way is better is not known'
            else metrics.better || ' is better'
        end as remark,
        metrics.is_known_of_all as is_newest

    from metrics

    inner join checkpoints
        on metrics.checkpoint_id = checkpoints.checkpoint_id

    union all

    select
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.save_directory,
        checkpoints.framework,
        claimed.claim_kind as witness_kind,
        '' as witness,
        claimed.claimed_by as says,
        claimed.checkpoint_id,
        'claims' as outcome,
        '' as remark,
        true as is_newest

    from claimed

    inner join checkpoints
        on claimed.checkpoint_id = checkpoints.checkpoint_id

),

finished as (

    select
        provider,
        bucket,
        save_directory,
        framework,
        witness_kind,
        witness,
        says,
        checkpoint_id,
        outcome,
        remark,
        is_newest as is_heard

    from witnesses

)

select * from finished
