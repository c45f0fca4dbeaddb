-- One row per listed bucket and storage class: what objects would cost there, as far as is known.
with

sizes as (

    select * from intermediate.int_tier_sizes_summed

),

bucket_regions as (

    select * from intermediate.int_bucket_regions_found

),

regions as (

    select * from reference.price_regions

),

sheets as (

    select * from intermediate.int_tier_prices_listed

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

daily_rates as (

    select * from intermediate.int_storage_rates_daily

),

discounts as (

    select * from intermediate.int_discounts_measured

),

buckets as (

    select distinct
        provider,
        bucket

    from sizes

),

placed as (

    select
        buckets.provider,
        buckets.bucket,
        bucket_regions.region_id,
        coalesce(
            bucket_regions.price_list_region_id, regions.region_id
        ) as price_list_region_id

    from buckets

    left outer join bucket_regions
        on
            buckets.provider = bucket_regions.provider
            and buckets.bucket = bucket_regions.bucket

    left outer join regions
        on
            buckets.provider = regions.provider
            and regions.is_default

),

elsewhere as (

    select
        daily_rates.provider,
        bucket_regions.region_id,
        daily_rates.storage_class,
        sum(daily_rates.effective_cost)::double
        / sum(daily_rates.gb_month)::double as usd_gb_month

    from daily_rates

    inner join bucket_regions
        on
            daily_rates.provider = bucket_regions.provider
            and daily_rates.bucket = bucket_regions.bucket

    where
        daily_rates.usage_date <= getvariable('as_of')
        and daily_rates.usage_date > getvariable('as_of')::date - 30

    group by all

),

joined as (

    select
        placed.provider,
        placed.bucket,
        placed.region_id,
        sheets.storage_class,
        sheets.minimum_days,
        sheets.minimum_object_bytes,
        sheets.overhead_bytes,
        sheets.overhead_standard_bytes,
        sheets.coldness,
        sheets.needs_restore,
        sheets.is_single_zone,
        sheets.is_target,
        sheets.price_region_id,
        case
            when rates.rate_basis = 'bill' then 'bill'
            when elsewhere.usd_gb_month is not null then 'account'
            else 'list'
        end as rate_basis,
        coalesce(
            case when rates.rate_basis = 'bill' then rates.usd_gb_month::double end,
            elsewhere.usd_gb_month,
            sheets.storage_usd::double * coalesce(discounts.paid_share, 1)::double
        ) as storage_usd,
        sheets.storage_usd::double * coalesce(discounts.paid_share, 1)::double as busy_usd,
        sheets.idle_usd::double * coalesce(discounts.paid_share, 1)::double as idle_usd,
        sheets.get_usd::double * coalesce(discounts.paid_share, 1)::double as get_usd,
        sheets.retrieval_usd::double * coalesce(discounts.paid_share, 1)::double
            as retrieval_usd,
        sheets.transition_usd::double * coalesce(discounts.paid_share, 1)::double
            as transition_usd,
        sheets.monitoring_usd::double * coalesce(discounts.paid_share, 1)::double
            as monitoring_usd

    from placed

    inner join sheets
        on
            placed.provider = sheets.provider
            and placed.price_list_region_id = sheets.region_id

    left outer join rates
        on
            placed.provider = rates.provider
            and placed.bucket = rates.bucket
            and sheets.storage_class = rates.storage_class

    left outer join elsewhere
        on
            placed.provider = elsewhere.provider
            and placed.region_id = elsewhere.region_id
            and sheets.storage_class = elsewhere.storage_class

    left outer join discounts
        on placed.provider = discounts.provider

),

chosen as (

    select
        *,
        -- Index bytes of archived objects are billed as the provider's hottest class.
        max(case when coldness = 0 and is_target then storage_usd end) over (
            partition by provider, bucket
        ) as standard_usd

    from joined

)

select * from chosen
