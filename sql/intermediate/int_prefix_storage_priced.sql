-- One row per billed day, prefix of a bucket and storage class: its share of the storage bill.
with

prefix_bytes as (

    select * from intermediate.int_prefix_bytes_daily

),

rates as (

    select * from intermediate.int_storage_rates_daily

),

owners as (

    select * from intermediate.int_prefixes_owned

),

priced as (

    select
        prefix_bytes.provider,
        prefix_bytes.bucket,
        prefix_bytes.prefix,
        prefix_bytes.storage_class,
        coalesce(owners.team, '') as owner_team,
        prefix_bytes.object_count,
        prefix_bytes.size_bytes,
        prefix_bytes.byte_seconds,
        -- A GB-month is 2^30 bytes for all seconds of that calendar month.
        coalesce(
            (
                prefix_bytes.byte_seconds::double
                / (1073741824.0 * 86400 * day(last_day(prefix_bytes.usage_date)))
                * rates.usd_gb_month::double
            )::decimal(38, 12),
            0
        ) as effective_cost,
        prefix_bytes.usage_date

    from prefix_bytes

    left outer join rates
        on
            prefix_bytes.usage_date = rates.usage_date
            and prefix_bytes.provider = rates.provider
            and prefix_bytes.bucket = rates.bucket
            and prefix_bytes.storage_class = rates.storage_class

    left outer join owners
        on
            prefix_bytes.bucket = owners.bucket
            and prefix_bytes.prefix = owners.prefix

)

select * from priced
