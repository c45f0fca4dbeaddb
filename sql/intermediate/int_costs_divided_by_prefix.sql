-- One row per month, currency, owner and rule for shared costs: buckets divided among owners.
with

costs as (

    select * from intermediate.int_costs_owned_monthly

),

shares as (

    select * from intermediate.int_bucket_shares_weighed

),

stretched as (

    select
        costs.usage_month,
        costs.currency,
        coalesce(nullif(shares.team, ''), costs.team) as team,
        case
            when shares.team <> ''
                then 'prefix'
            else costs.allocation_method
        end as allocation_method,
        case when shares.team <> '' then 0 else costs.shared_rule end as shared_rule,
        costs.billed_cost,
        costs.effective_cost,
        coalesce(shares.begins_at, 0) as begins_at,
        coalesce(shares.ends_at, 1) as ends_at

    from costs

    left outer join shares
        on
            costs.usage_month = shares.usage_month
            and costs.provider = shares.provider
            and costs.bucket = shares.bucket
            and costs.currency = shares.currency

),

divided as (

    select
        usage_month,
        currency,
        team,
        allocation_method,
        shared_rule,
        -- Each part ends where the next begins and the last ends at 1: nothing is lost or doubled.
        case
            when ends_at = 1
                then billed_cost
            else (billed_cost::double * ends_at)::decimal(38, 12)
        end
        - case
            when begins_at = 1
                then billed_cost
            else (billed_cost::double * begins_at)::decimal(38, 12)
        end as billed_cost,
        case
            when ends_at = 1
                then effective_cost
            else (effective_cost::double * ends_at)::decimal(38, 12)
        end
        - case
            when begins_at = 1
                then effective_cost
            else (effective_cost::double * begins_at)::decimal(38, 12)
        end as effective_cost

    from stretched

),

summed as (

    select
        usage_month,
        currency,
        team,
        allocation_method,
        shared_rule,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost

    from divided

    group by all

)

select * from summed
