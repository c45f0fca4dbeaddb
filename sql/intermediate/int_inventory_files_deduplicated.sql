-- One row per roll-up file of an inventory that counts: a snapshot delivered twice counts once.
with

directories as (

    select * from intermediate.int_directories_unioned

),

files as (

    select distinct
        provider,
        landed_file,
        bucket,
        snapshot_at

    from directories

),

deliveries as (

    select
        provider,
        landed_file,
        regexp_replace(landed_file, '[^/]*$', '') as delivery_folder,
        bucket,
        snapshot_at

    from files

),

kept as (

    select
        provider,
        landed_file,
        bucket,
        snapshot_at

    from deliveries

    qualify
        dense_rank() over (
            partition by provider, bucket, snapshot_at
            order by delivery_folder desc
        ) = 1

)

select * from kept
