-- One row per bucket: the newest listing of it that there is.
with

objects as (

    select * from intermediate.int_objects_unioned

),

deliveries as (

    select * from staging.stg_ledger__deliveries

),

-- A bucket that is empty by now has a listing without objects.
listings as (

    select
        provider,
        bucket,
        snapshot_at

    from objects

    union all

    select
        case table_name when 'gcs_inventory' then 'gcp' else 'aws' end as provider, -- noqa: RF04
        scope as bucket,
        snapshot_at

    from deliveries

    where
        table_name in ('s3_inventory', 'gcs_inventory')
        and fault is null

),

newest as (

    select
        provider,
        bucket,
        max(snapshot_at) as snapshot_at

    from listings

    group by all

)

select * from newest
