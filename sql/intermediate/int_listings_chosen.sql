-- One row per bucket: the newest listing of it that there is.
with

objects as (

    select * from staging.stg_s3_inventory__objects

),

newest as (

    select
        bucket,
        max(snapshot_at) as snapshot_at

    from objects

    group by all

)

select * from newest
