-- One row per checkpoint that a model registry refers to, with the versions that do.
with

claimed as (

    select * from intermediate.int_checkpoints_claimed

),

registered as (

    select
        checkpoint_id,
        claimed_by as registered_as

    from claimed

    where claim_kind = 'registered'

)

select * from registered
