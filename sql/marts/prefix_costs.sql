-- One row per day, bucket, prefix, storage class, kind of meter and team: the bill, to the digit.
with

charges as (

    select * from intermediate.int_charges_attributed

),

prefix_storage as (

    select * from intermediate.int_prefix_storage_priced

),

bills as (

    select
        provider,
        bucket,
        storage_class,
        meter_group,
        team,
        sum(effective_cost) as effective_cost,
        sum(
            case
                when holds_objects
                    then
                        (
                            gb_month::double
                            * 1073741824 * 86400 * day(last_day(usage_date))
                        )::decimal(38, 0)
                else 0
            end
        )::decimal(38, 0) as byte_seconds,
        usage_date

    from charges

    where bucket <> ''

    group by all

),

storage_bills as (

    select
        provider,
        bucket,
        storage_class,
        max(team) as team,
        sum(effective_cost) as effective_cost,
        sum(byte_seconds)::decimal(38, 0) as byte_seconds,
        usage_date

    from bills

    where meter_group = 'storage'

    group by all

),

allocated as (

    select
        prefix_storage.provider,
        prefix_storage.bucket,
        prefix_storage.prefix,
        prefix_storage.storage_class,
        'storage' as meter_group,
        coalesce(nullif(prefix_storage.owner_team, ''), storage_bills.team, '') as team,
        prefix_storage.object_count,
        prefix_storage.size_bytes,
        prefix_storage.byte_seconds,
        prefix_storage.effective_cost,
        false as is_residual,
        prefix_storage.usage_date

    from prefix_storage

    left outer join storage_bills
        on
            prefix_storage.usage_date = storage_bills.usage_date
            and prefix_storage.provider = storage_bills.provider
            and prefix_storage.bucket = storage_bills.bucket
            and prefix_storage.storage_class = storage_bills.storage_class

),

explained as (

    select
        provider,
        bucket,
        storage_class,
        sum(effective_cost) as effective_cost,
        sum(byte_seconds) as byte_seconds,
        usage_date

    from allocated

    group by all

),

storage_residuals as (

    select
        storage_bills.provider,
        storage_bills.bucket,
        '(residual)' as prefix, -- noqa: RF04
        storage_bills.storage_class,
        'storage' as meter_group,
        storage_bills.team,
        0::bigint as object_count,
        0::bigint as size_bytes,
        (
            storage_bills.byte_seconds - coalesce(explained.byte_seconds, 0)
        )::decimal(38, 0) as byte_seconds,
        storage_bills.effective_cost - coalesce(explained.effective_cost, 0) as effective_cost,
        true as is_residual,
        storage_bills.usage_date

    from storage_bills

    left outer join explained
        on
            storage_bills.usage_date = explained.usage_date
            and storage_bills.provider = explained.provider
            and storage_bills.bucket = explained.bucket
            and storage_bills.storage_class = explained.storage_class

),

other_residuals as (

    select
        provider,
        bucket,
        '(residual)' as prefix, -- noqa: RF04
        storage_class,
        meter_group,
        team,
        0::bigint as object_count,
        0::bigint as size_bytes,
        0::decimal(38, 0) as byte_seconds,
        effective_cost,
        true as is_residual,
        usage_date

    from bills

    where meter_group <> 'storage'

),

unioned as (

    select * from allocated

    union all

    select * from storage_residuals

    union all

    select * from other_residuals

),

final as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        meter_group,
        team,
        object_count,
        size_bytes,
        byte_seconds,
        effective_cost::decimal(38, 12) as effective_cost,
        is_residual,
        usage_date

    from unioned

)

select * from final
