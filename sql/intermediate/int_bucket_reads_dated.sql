-- One row per billed bucket: from when to when it is billed, and the last day with a read.
with

charges as (

    select * from intermediate.int_charges_attributed

),

used as (

    select
        provider,
        bucket,
        usage_date,
        (
            meter_group = 'requests'
            and usage_quantity > 0
            and regexp_matches(lower(meter), 'requests-([a-z]+-)?tier2$|class b ')
        )
        or (
            coalesce(is_transfer, false)
            and coalesce(path, '') <> 'replication'
            and transferred_gb > 0
            and (provider <> 'aws' or regexp_matches(meter, 'Out-A?Bytes'))
        )
        or (meter_group = 'retrieval' and transferred_gb > 0) as is_read

    from charges

    where
        bucket <> ''
        and charge_category = 'Usage'
        and usage_date <= getvariable('as_of')

),

dated as (

    select
        provider,
        bucket,
        min(usage_date) as billed_from,
        max(usage_date) as billed_to,
        max(case when is_read then usage_date end) as last_read_on

    from used

    group by all

)

select * from dated
