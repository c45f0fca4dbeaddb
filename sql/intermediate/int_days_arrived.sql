-- One row per day and service of which usual charges are missing: the share that has arrived.
with

costs as (

    select * from intermediate.int_costs_keyed_daily

),

bill_days as (

    select distinct usage_date

    from costs

),

provider_days as (

    select distinct
        provider,
        usage_date

    from costs

),

first_days as (

    select
        provider,
        min(usage_date) as first_date

    from provider_days

    group by all

),

services as (

    select distinct
        provider,
        service_name

    from costs

),

-- Providers finish a day up to two days late. Older days are what they are, unless a provider
-- that was billed before and after has nothing at all.
doubted as (

    select
        first_days.provider,
        bill_days.usage_date

    from first_days

    inner join bill_days
        on first_days.first_date < bill_days.usage_date

    left outer join provider_days
        on
            first_days.provider = provider_days.provider
            and bill_days.usage_date = provider_days.usage_date

    where
        provider_days.provider is null
        or bill_days.usage_date > getvariable('as_of') - 3

),

days_before as (

    select
        doubted.provider,
        doubted.usage_date,
        count(*) as day_count

    from doubted

    inner join provider_days
        on
            doubted.provider = provider_days.provider
            and doubted.usage_date > provider_days.usage_date
            and doubted.usage_date <= provider_days.usage_date + 7

    group by all

),

usual as (

    select
        doubted.provider,
        doubted.usage_date,
        costs.service_name,
        costs.key_id,
        count(*) as day_count,
        min(costs.usage_quantity) as least_quantity,
        max(costs.usage_quantity) as most_quantity,
        median(costs.usage_quantity::double) as usual_quantity

    from doubted

    inner join costs
        on
            doubted.provider = costs.provider
            and doubted.usage_date > costs.usage_date
            and doubted.usage_date <= costs.usage_date + 7

    where costs.usage_quantity > 0

    group by all

),

-- What is used alike on every day tells a day that is still filling up from one with less work.
steady as (

    select
        usual.provider,
        usual.usage_date,
        usual.service_name,
        usual.key_id,
        usual.usual_quantity

    from usual

    inner join days_before
        on
            usual.provider = days_before.provider
            and usual.usage_date = days_before.usage_date

    where
        usual.day_count = days_before.day_count
        and usual.day_count >= 3
        and usual.most_quantity <= 1.25 * usual.least_quantity

),

seen as (

    select
        steady.provider,
        steady.usage_date,
        steady.service_name,
        coalesce(costs.usage_quantity::double, 0) / nullif(steady.usual_quantity, 0) as seen_share

    from steady

    left outer join costs
        on
            steady.key_id = costs.key_id
            and steady.usage_date = costs.usage_date

),

of_services as (

    select
        provider,
        usage_date,
        service_name,
        count(*) as key_count,
        median(seen_share) as arrived_share

    from seen

    group by all

),

of_providers as (

    select
        provider,
        usage_date,
        count(*) as key_count,
        median(seen_share) as arrived_share

    from seen

    group by all

),

-- One meter alone may really have halved: two say that the day has.
shared as (

    select
        of_providers.provider,
        services.service_name,
        case
            when of_services.key_count >= 2 then of_services.arrived_share
            when of_providers.key_count >= 2 then of_providers.arrived_share
            else 1
        end as arrived_share,
        of_providers.usage_date

    from of_providers

    inner join services
        on of_providers.provider = services.provider

    left outer join of_services
        on
            of_providers.provider = of_services.provider
            and of_providers.usage_date = of_services.usage_date
            and services.service_name = of_services.service_name

),

missed as (

    select
        provider,
        service_name,
        -- Of next to nothing no whole day can be guessed.
        case
            when arrived_share < 0.05 then 0
            else arrived_share
        end::decimal(18, 6) as arrived_share,
        usage_date

    from shared

    where arrived_share < 0.8

)

select * from missed
