-- One row per month, team and currency: direct, shared and unallocated costs, up to the bill.
with

costs as (

    select * from intermediate.int_costs_divided_by_prefix

),

shared_parts as (

    select * from intermediate.int_shared_costs_divided

),

owned as (

    select
        usage_month,
        currency,
        team,
        sum(case when team <> '' then billed_cost else 0 end) as direct_billed_cost,
        0 as shared_billed_cost,
        sum(case when team = '' then billed_cost else 0 end) as unallocated_billed_cost,
        sum(case when team <> '' then effective_cost else 0 end) as direct_effective_cost,
        0 as shared_effective_cost,
        sum(case when team = '' then effective_cost else 0 end) as unallocated_effective_cost,
        sum(
            case when allocation_method = 'tag' then effective_cost else 0 end
        ) as tag_effective_cost,
        sum(
            case when allocation_method = 'prefix' then effective_cost else 0 end
        ) as prefix_effective_cost,
        sum(
            case when allocation_method = 'account' then effective_cost else 0 end
        ) as account_effective_cost

    from costs

    group by all

),

shared as (

    select
        usage_month,
        currency,
        team,
        0 as direct_billed_cost,
        billed_cost as shared_billed_cost,
        0 as unallocated_billed_cost,
        0 as direct_effective_cost,
        effective_cost as shared_effective_cost,
        0 as unallocated_effective_cost,
        0 as tag_effective_cost,
        0 as prefix_effective_cost,
        0 as account_effective_cost

    from shared_parts

),

-- What teams bear is nobody's no longer; the row of nobody is there even if nothing is left.
left_over as (

    select
        usage_month,
        currency,
        '' as team,
        0 as direct_billed_cost,
        0 as shared_billed_cost,
        -sum(shared_billed_cost) as unallocated_billed_cost,
        0 as direct_effective_cost,
        0 as shared_effective_cost,
        -sum(shared_effective_cost) as unallocated_effective_cost,
        0 as tag_effective_cost,
        0 as prefix_effective_cost,
        0 as account_effective_cost

    from shared

    group by all

),

nobody as (

    select distinct
        usage_month,
        currency,
        '' as team,
        0 as direct_billed_cost,
        0 as shared_billed_cost,
        0 as unallocated_billed_cost,
        0 as direct_effective_cost,
        0 as shared_effective_cost,
        0 as unallocated_effective_cost,
        0 as tag_effective_cost,
        0 as prefix_effective_cost,
        0 as account_effective_cost

    from costs

),

unioned as (

    select * from owned

    union all

    select * from shared

    union all

    select * from left_over

    union all

    select * from nobody

),

summed as (

    select
        usage_month,
        currency,
        team,
        sum(direct_billed_cost)::decimal(38, 12) as direct_billed_cost,
        sum(shared_billed_cost)::decimal(38, 12) as shared_billed_cost,
        sum(unallocated_billed_cost)::decimal(38, 12) as unallocated_billed_cost,
        sum(direct_effective_cost)::decimal(38, 12) as direct_effective_cost,
        sum(shared_effective_cost)::decimal(38, 12) as shared_effective_cost,
        sum(unallocated_effective_cost)::decimal(38, 12) as unallocated_effective_cost,
        sum(tag_effective_cost)::decimal(38, 12) as tag_effective_cost,
        sum(prefix_effective_cost)::decimal(38, 12) as prefix_effective_cost,
        sum(account_effective_cost)::decimal(38, 12) as account_effective_cost

    from unioned

    group by all

),

totalled as (

    select
        *,
        direct_billed_cost + shared_billed_cost + unallocated_billed_cost as billed_cost,
        direct_effective_cost + shared_effective_cost + unallocated_effective_cost
            as effective_cost

    from summed

),

showback as (

    select
        currency,
        team,
        direct_billed_cost,
        shared_billed_cost,
        unallocated_billed_cost,
        billed_cost::decimal(38, 12) as billed_cost,
        direct_effective_cost,
        shared_effective_cost,
        unallocated_effective_cost,
        effective_cost::decimal(38, 12) as effective_cost,
        tag_effective_cost,
        prefix_effective_cost,
        account_effective_cost,
        (
            effective_cost::double
            / nullif(sum(effective_cost) over (partition by usage_month, currency), 0)::double
        )::decimal(18, 6) as effective_share,
        usage_month

    from totalled

)

select * from showback
