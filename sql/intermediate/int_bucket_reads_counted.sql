-- One row per bucket and class that reads are billed for: reads of 30 days, from the last 30.
with

charges as (

    select * from intermediate.int_charges_attributed

),

recent as (

    select *

    from charges

    where
        bucket <> ''
        and charge_category = 'Usage'
        and usage_date <= getvariable('as_of')
        and usage_date > getvariable('as_of')::date - 30

),

observed as (

    select
        provider,
        bucket,
        count(distinct usage_date) as day_count

    from recent

    group by all

),

read_meters as (

    select
        provider,
        bucket,
        case
            when meter_group in ('requests', 'retrieval') then storage_class
            else ''
        end as storage_class,
        case
            when
                meter_group = 'requests'
                and regexp_matches(lower(meter), 'requests-([a-z]+-)?tier2$|class b ')
                then usage_quantity
            else 0
        end as get_count,
        case
            when
                is_transfer
                and path <> 'replication'
                and (provider <> 'aws' or regexp_matches(meter, 'Out-A?Bytes'))
                then transferred_gb
            else 0
        end as sent_gb,
        case when meter_group = 'retrieval' then transferred_gb else 0 end as retrieved_gb,
        case
            when meter_group in ('requests', 'retrieval') and currency = 'USD'
                then effective_cost
            else 0
        end as request_usd

    from recent

),

counted as (

    select
        read_meters.provider,
        read_meters.bucket,
        read_meters.storage_class,
        max(observed.day_count) as day_count,
        sum(read_meters.get_count) as get_count,
        sum(read_meters.sent_gb) as sent_gb,
        sum(read_meters.retrieved_gb) as retrieved_gb,
        sum(read_meters.request_usd) as request_usd

    from read_meters

    inner join observed
        on
            read_meters.provider = observed.provider
            and read_meters.bucket = observed.bucket

    group by all

),

scaled as (

    select
        provider,
        bucket,
        storage_class,
        day_count,
        -- A correction can take back more than these days held.
        greatest(get_count::double * 30 / day_count, 0)::decimal(38, 6) as get_count_month,
        greatest(sent_gb::double * 30 / day_count, 0)::decimal(38, 12) as sent_gb_month,
        greatest(retrieved_gb::double * 30 / day_count, 0)::decimal(38, 12) as retrieved_gb_month,
        (request_usd::double * 30 / day_count)::decimal(38, 12) as request_usd_month

    from counted

)

select * from scaled
