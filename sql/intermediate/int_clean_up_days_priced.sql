-- One row per change of a plan and day after it: what its bytes would have cost, and what they do.
with

dated as (

    select * from intermediate.int_clean_ups_dated

),

changes as (

    select * from staging.stg_clean_ups__changes

),

daily_rates as (

    select * from intermediate.int_storage_rates_daily

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

inventories as (

    select * from intermediate.int_inventories_chosen_daily

),

directories as (

    select * from intermediate.int_directories_unioned

),

numbered as (

    select
        plan_id,
        provider,
        bucket,
        applied_date,
        unnest(range(1, days_followed + 1)) as day_number

    from dated

    where days_followed > 0

),

days as (

    select
        changes.plan_id,
        changes.provider,
        changes.bucket,
        changes.storage_class,
        changes.target_class,
        changes.path,
        changes.left_behind,
        changes.window_days,
        changes.size_bytes,
        changes.ended_date,
        (numbered.applied_date + numbered.day_number::integer)::date as usage_date

    from numbered

    inner join changes
        on
            numbered.plan_id = changes.plan_id
            and numbered.provider = changes.provider
            and numbered.bucket = changes.bucket

    where changes.size_bytes > 0

),

versioned_buckets as (

    select distinct
        provider,
        bucket

    from days

    where left_behind = 'versions'

),

noncurrent as (

    select
        directories.provider,
        directories.bucket,
        directories.snapshot_at,
        sum(
            case when directories.is_current then 0 else directories.size_bytes end
        )::bigint as size_bytes

    from directories

    inner join versioned_buckets
        on
            directories.provider = versioned_buckets.provider
            and directories.bucket = versioned_buckets.bucket

    group by all

),

versions_listed as (

    select
        inventories.provider,
        inventories.bucket,
        inventories.usage_date,
        inventories.snapshot_at,
        noncurrent.size_bytes

    from inventories

    inner join noncurrent
        on
            inventories.provider = noncurrent.provider
            and inventories.bucket = noncurrent.bucket
            and inventories.snapshot_at = noncurrent.snapshot_at

),

versions_left as (

    select
        days.provider,
        days.bucket,
        days.usage_date,
        max(days.ended_date) as ended_date,
        sum(days.size_bytes)::bigint as size_bytes

    from days

    where days.left_behind = 'versions'

    group by all

),

versions_removed as (

    select
        provider,
        bucket,
        usage_date,
        sum(size_bytes)::bigint as size_bytes

    from days

    where path = 'delete-version'

    group by all

),

versions_seen as (

    select
        versions_left.provider,
        versions_left.bucket,
        min(versions_listed.usage_date) as seen_date

    from versions_left

    inner join versions_listed
        on
            versions_left.provider = versions_listed.provider
            and versions_left.bucket = versions_listed.bucket
            and versions_left.usage_date = versions_listed.usage_date

    where
        versions_listed.size_bytes > 0
        and versions_left.ended_date < versions_listed.snapshot_at::date

    group by all

),

versions_kept as (

    select
        versions_left.provider,
        versions_left.bucket,
        versions_left.usage_date,
        case
            -- A list that has never shown versions says nothing about them: they count as there.
            when versions_seen.seen_date is null then 1
            when versions_seen.seen_date > versions_left.usage_date then 1
            when versions_listed.snapshot_at is null then 1
            when versions_left.ended_date >= versions_listed.snapshot_at::date then 1
            -- What a later plan removed is what that plan saves.
            else
                least(
                    (versions_listed.size_bytes + coalesce(versions_removed.size_bytes, 0))::double
                    / versions_left.size_bytes::double,
                    1
                )
        end as kept_share

    from versions_left

    left outer join versions_seen
        on
            versions_left.provider = versions_seen.provider
            and versions_left.bucket = versions_seen.bucket

    left outer join versions_listed
        on
            versions_left.provider = versions_listed.provider
            and versions_left.bucket = versions_listed.bucket
            and versions_left.usage_date = versions_listed.usage_date

    left outer join versions_removed
        on
            versions_left.provider = versions_removed.provider
            and versions_left.bucket = versions_removed.bucket
            and versions_left.usage_date = versions_removed.usage_date

),

rated as (

    select
        days.plan_id,
        days.provider,
        days.bucket,
        days.storage_class,
        days.target_class,
        days.path,
        days.usage_date,
        case
            when left_daily.usd_gb_month is not null then 'bill'
            else coalesce(left_rates.rate_basis, 'none')
        end as rate_basis,
        days.size_bytes::double / 1073741824 / day(last_day(days.usage_date)) as gb_month,
        coalesce(left_daily.usd_gb_month, left_rates.usd_gb_month)::double as left_rate,
        case
            when days.target_class = '' then 0
            else coalesce(target_daily.usd_gb_month, target_rates.usd_gb_month)::double
        end as target_rate,
        case
            when days.left_behind = 'versions' then coalesce(versions_kept.kept_share, 1)
            when
                days.left_behind = 'window'
                and days.usage_date - days.ended_date <= days.window_days
                then 1
            else 0
        end as behind_share

    from days

    left outer join daily_rates as left_daily
        on
            days.provider = left_daily.provider
            and days.bucket = left_daily.bucket
            and days.storage_class = left_daily.storage_class
            and days.usage_date = left_daily.usage_date

    left outer join rates as left_rates
        on
            days.provider = left_rates.provider
            and days.bucket = left_rates.bucket
            and days.storage_class = left_rates.storage_class

    left outer join daily_rates as target_daily
        on
            days.provider = target_daily.provider
            and days.bucket = target_daily.bucket
            and days.target_class = target_daily.storage_class
            and days.usage_date = target_daily.usage_date

    left outer join rates as target_rates
        on
            days.provider = target_rates.provider
            and days.bucket = target_rates.bucket
            and days.target_class = target_rates.storage_class

    left outer join versions_kept
        on
            days.provider = versions_kept.provider
            and days.bucket = versions_kept.bucket
            and days.usage_date = versions_kept.usage_date

),

priced as (

    select
        plan_id,
        provider,
        bucket,
        storage_class,
        target_class,
        path,
        rate_basis,
        (gb_month * left_rate)::decimal(38, 12) as counterfactual_usd,
        (gb_month * target_rate)::decimal(38, 12) as moved_usd,
        (gb_month * left_rate * behind_share)::decimal(38, 12) as behind_usd,
        usage_date

    from rated

)

select * from priced
