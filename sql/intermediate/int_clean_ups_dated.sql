-- One row per plan and bucket that it changed: when, and which billed days tell what came of it.
with

changes as (

    select * from staging.stg_clean_ups__changes

),

bills as (

    select * from intermediate.int_bucket_bills_daily

),

missing_days as (

    select * from intermediate.int_days_arrived

),

whole_days as (

    select distinct
        bills.provider,
        bills.usage_date

    from bills

    left outer join missing_days
        on
            bills.provider = missing_days.provider
            and bills.usage_date = missing_days.usage_date

    where
        bills.meter_group = 'storage'
        and bills.usage_date <= getvariable('as_of')
        -- Of a day that is not delivered whole, nobody knows which bucket's charges are missing.
        and missing_days.provider is null

),

billed_buckets as (

    select
        provider,
        bucket,
        max_by(currency, abs(effective_cost)) as currency

    from bills

    where usage_date <= getvariable('as_of')

    group by all

),

last_days as (

    select
        provider,
        max(usage_date) as last_date

    from whole_days

    group by all

),

applied as (

    select
        plan_id,
        min(policy) as policy, -- noqa: RF04
        provider,
        bucket,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(undone_object_count)::bigint as undone_object_count,
        sum(undone_bytes)::bigint as undone_bytes,
        sum(saving_usd_month)::decimal(38, 6) as predicted_usd_month,
        sum(tail_usd_month)::decimal(38, 6) as predicted_tail_usd_month,
        sum(one_off_usd)::decimal(38, 6) as predicted_one_off_usd,
        min(began_date) as began_date,
        max(ended_date) as applied_date

    from changes

    where ended_date <= getvariable('as_of')

    group by all

),

followed as (

    select
        applied.plan_id,
        applied.policy,
        applied.provider,
        applied.bucket,
        coalesce(billed_buckets.currency, '') as currency,
        applied.object_count,
        applied.size_bytes,
        applied.undone_object_count,
        applied.undone_bytes,
        applied.predicted_usd_month,
        applied.predicted_tail_usd_month,
        applied.predicted_one_off_usd,
        -- A bucket that is empty has no charges, so the provider's bill says which days are over.
        greatest(
            case
                when billed_buckets.bucket is null
                    then getvariable('as_of')::date
                else coalesce(last_days.last_date, applied.applied_date)
            end - applied.applied_date,
            0
        )::bigint as days_followed,
        billed_buckets.bucket is not null as is_billed,
        applied.began_date,
        applied.applied_date,
        case when billed_buckets.bucket is not null then last_days.last_date end as last_date

    from applied

    left outer join billed_buckets
        on
            applied.provider = billed_buckets.provider
            and applied.bucket = billed_buckets.bucket

    left outer join last_days
        on applied.provider = last_days.provider

),

days_before as (

    select
        followed.plan_id,
        followed.provider,
        followed.bucket,
        max(whole_days.usage_date) as before_date

    from followed

    inner join whole_days
        on
            followed.provider = whole_days.provider
            and followed.began_date > whole_days.usage_date

    group by all

),

joined as (

    select
        followed.plan_id,
        followed.policy,
        followed.provider,
        followed.bucket,
        followed.currency,
        followed.object_count,
        followed.size_bytes,
        followed.undone_object_count,
        followed.undone_bytes,
        followed.predicted_usd_month,
        followed.predicted_tail_usd_month,
        followed.predicted_one_off_usd,
        followed.days_followed,
        followed.is_billed,
        days_before.before_date,
        followed.began_date,
        followed.applied_date,
        followed.last_date

    from followed

    left outer join days_before
        on
            followed.plan_id = days_before.plan_id
            and followed.provider = days_before.provider
            and followed.bucket = days_before.bucket

)

select * from joined
