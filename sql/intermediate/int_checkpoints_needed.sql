-- One row per checkpoint that a run still uses or somebody pinned, and how each says it.
with

claimed as (

    select * from intermediate.int_checkpoints_claimed

),

needed as (

    select
        checkpoint_id,
        max(case when claim_kind = 'in_use' then claimed_by end) as in_use_by,
        max(case when claim_kind = 'pinned' then claimed_by end) as pinned_by

    from claimed

    where claim_kind in ('in_use', 'pinned')

    group by all

)

select * from needed
