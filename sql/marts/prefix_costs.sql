-- One row per day, bucket, prefix, class, kind of meter, basis, currency and team: the whole bill.
with

bills as (

    select * from intermediate.int_bucket_bills_daily

),

spread as (

    select * from intermediate.int_prefix_costs_spread

),

spread_bills as (

    select
        provider,
        bucket,
        currency,
        storage_class,
        meter_group,
        basis,
        max(team) as team,
        sum(case when basis = 'bytes' then billed_amount else 0 end) as byte_seconds,
        sum(effective_cost) as effective_cost,
        usage_date

    from bills

    where basis <> 'none'

    group by all

),

explained as (

    select
        provider,
        bucket,
        currency,
        storage_class,
        meter_group,
        basis,
        sum(effective_cost) as effective_cost,
        sum(byte_seconds) as byte_seconds,
        usage_date

    from spread

    group by all

),

residuals as (

    select
        spread_bills.provider,
        spread_bills.bucket,
        spread_bills.currency,
        spread_bills.storage_class,
        spread_bills.meter_group,
        spread_bills.basis,
        spread_bills.team,
        spread_bills.byte_seconds - coalesce(explained.byte_seconds, 0) as byte_seconds,
        spread_bills.effective_cost - coalesce(explained.effective_cost, 0) as effective_cost,
        spread_bills.usage_date

    from spread_bills

    left outer join explained
        on
            spread_bills.usage_date = explained.usage_date
            and spread_bills.provider = explained.provider
            and spread_bills.bucket = explained.bucket
            and spread_bills.currency = explained.currency
            and spread_bills.storage_class = explained.storage_class
            and spread_bills.meter_group = explained.meter_group
            and spread_bills.basis = explained.basis

    union all

    select
        provider,
        bucket,
        currency,
        storage_class,
        meter_group,
        basis,
        team,
        0 as byte_seconds,
        effective_cost,
        usage_date

    from bills

    where basis = 'none'

),

unioned as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        meter_group,
        basis,
        currency,
        team,
        object_count,
        size_bytes,
        byte_seconds,
        effective_cost,
        false as is_residual,
        usage_date

    from spread

    union all

    select
        provider,
        bucket,
        '(residual)' as prefix, -- noqa: RF04
        storage_class,
        meter_group,
        basis,
        currency,
        team,
        0 as object_count,
        0 as size_bytes,
        byte_seconds,
        effective_cost,
        true as is_residual,
        usage_date

    from residuals

),

final as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        meter_group,
        basis,
        currency,
        team,
        object_count::bigint as object_count,
        size_bytes::bigint as size_bytes,
        byte_seconds::decimal(38, 0) as byte_seconds,
        effective_cost::decimal(38, 12) as effective_cost,
        is_residual,
        usage_date

    from unioned

)

select * from final
