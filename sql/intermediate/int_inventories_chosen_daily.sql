-- One row per billed day of a bucket: the inventory that says what lay in it on that day.
with

charges as (

    select * from intermediate.int_charges_attributed

),

inventory_files as (

    select * from intermediate.int_inventory_files_deduplicated

),

days as (

    select distinct
        provider,
        bucket,
        usage_date

    from charges

    where bucket <> ''

),

snapshots as (

    select distinct
        provider,
        bucket,
        snapshot_at

    from inventory_files

),

distances as (

    select
        days.provider,
        days.bucket,
        days.usage_date,
        snapshots.snapshot_at,
        epoch(snapshots.snapshot_at) - epoch(days.usage_date::timestamp) - 86400
            as seconds_after_day

    from days

    inner join snapshots
        on
            days.provider = snapshots.provider
            and days.bucket = snapshots.bucket

),

chosen as (

    select
        provider,
        bucket,
        usage_date,
        -- The first listing after the day saw all that the day made; failing that, the last before.
        min_by(
            snapshot_at,
            case
                when seconds_after_day >= 0
                    then seconds_after_day
                else 1e12 - seconds_after_day
            end
        ) as snapshot_at

    from distances

    group by all

)

select * from chosen
