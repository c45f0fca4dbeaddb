-- One row per finding of reads from another region: what a copy of the bucket there would cost.
with

findings as (

    select * from intermediate.int_egress_findings_assigned

),

buckets as (

    select * from intermediate.int_buckets_measured

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

prices as (

    select * from reference.prices

),

price_regions as (

    select * from reference.price_regions

),

listed as (

    select
        provider,
        region_id,
        meter,
        min_by(
            usd,
            -- Before the first price that is known, that price is the best there is.
            case
                when
                    valid_from <= getvariable('as_of')
                    and getvariable('as_of') < valid_until
                    then 0
                else epoch(valid_from)
            end
        ) as usd

    from prices

    where
        confirmed
        and storage_class = 'STANDARD'
        and meter in ('storage', 'put')
        and from_gb = 0

    group by all

),

default_puts as (

    select
        listed.provider,
        listed.usd

    from listed

    inner join price_regions
        on
            listed.provider = price_regions.provider
            and listed.region_id = price_regions.region_id
            and price_regions.is_default

    where listed.meter = 'put'

),

standard_rates as (

    select
        provider,
        bucket,
        max(usd_gb_month) as usd_gb_month

    from rates

    where storage_class = 'STANDARD'

    group by all

),

joined as (

    select
        findings.finding_id,
        findings.gb_month::double as read_gb,
        findings.usd_gb::double as usd_gb,
        buckets.stored_gb,
        buckets.written_gb_month::double as written_gb,
        -- Without a list price of the region that reads, a copy costs there what it costs here.
        coalesce(there.usd, standard_rates.usd_gb_month, 0)::double as usd_gb_month,
        buckets.written_objects_month
        * coalesce(puts.usd, default_puts.usd, 0)::double as put_usd

    from findings

    left outer join buckets
        on
            findings.provider = buckets.provider
            and findings.bucket = buckets.bucket

    left outer join standard_rates
        on
            findings.provider = standard_rates.provider
            and findings.bucket = standard_rates.bucket

    left outer join listed as there
        on
            findings.provider = there.provider
            and findings.to_region = there.region_id
            and there.meter = 'storage'

    left outer join listed as puts
        on
            findings.provider = puts.provider
            and findings.to_region = puts.region_id
            and puts.meter = 'put'

    left outer join default_puts
        on findings.provider = default_puts.provider

    where findings.kind = 'cross_region_reads'

),

compared as (

    select
        finding_id,
        stored_gb,
        (read_gb / nullif(stored_gb, 0)::double)::decimal(38, 6) as copies_month,
        (
            usd_gb_month / nullif(usd_gb, 0)
            + written_gb / nullif(stored_gb, 0)::double
            + put_usd / nullif(stored_gb::double * usd_gb, 0)
            -- The first copy is spread over a year.
            + 1.0 / 12
        )::decimal(38, 6) as break_even_copies_month,
        (stored_gb::double * usd_gb_month + written_gb * usd_gb + put_usd)::decimal(38, 12)
            as replica_usd_month,
        (stored_gb::double * usd_gb)::decimal(38, 12) as one_off_usd,
        (
            read_gb * usd_gb
            - stored_gb::double * usd_gb_month
            - written_gb * usd_gb
            - put_usd
            - stored_gb::double * usd_gb / 12
        )::decimal(38, 12) as saving_usd_month

    from joined

)

select * from compared
