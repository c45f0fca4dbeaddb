-- One row per roll-up file of an inventory that counts: a snapshot delivered twice counts once.
with

directories as (

    select * from staging.stg_s3_inventory__directories

),

files as (

    select distinct
        landed_file,
        bucket,
        snapshot_at

    from directories

),

deliveries as (

    select
        landed_file,
        regexp_replace(landed_file, '[^/]*$', '') as delivery_folder,
        bucket,
        snapshot_at

    from files

),

kept as (

    select
        landed_file,
        bucket,
        snapshot_at

    from deliveries

    qualify
        dense_rank() over (
            partition by bucket, snapshot_at
            order by delivery_folder desc
        ) = 1

)

select * from kept
