-- One row per billed bucket: the last whole day whose bill its newest listing can explain.
with

inventories as (

    select * from intermediate.int_inventories_chosen_daily

),

listings as (

    select * from intermediate.int_listings_chosen

),

bills as (

    select * from intermediate.int_bucket_bills_daily

),

billed_days as (

    select distinct
        provider,
        bucket,
        usage_date

    from bills

    where usage_date <= getvariable('as_of')

),

-- A listing that began after the day saw all of it.
explained_days as (

    select
        inventories.provider,
        inventories.bucket,
        max(inventories.usage_date) as usage_date,
        max(inventories.snapshot_at) as snapshot_at

    from inventories

    inner join listings
        on
            inventories.provider = listings.provider
            and inventories.bucket = listings.bucket
            and inventories.snapshot_at = listings.snapshot_at

    where
        inventories.usage_date <= getvariable('as_of')
        and inventories.usage_date < inventories.snapshot_at::date

    group by all

),

newest_days as (

    select
        provider,
        bucket,
        max(usage_date) as usage_date

    from billed_days

    group by all

),

chosen as (

    select
        newest_days.provider,
        newest_days.bucket,
        coalesce(explained_days.usage_date, newest_days.usage_date) as usage_date,
        explained_days.snapshot_at

    from newest_days

    left outer join explained_days
        on
            newest_days.provider = explained_days.provider
            and newest_days.bucket = explained_days.bucket

)

select * from chosen
