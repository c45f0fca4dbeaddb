-- One row per month, currency, rule for shared costs and team that bears a part: that part.
with

costs as (

    select * from intermediate.int_costs_divided_by_prefix

),

shared_costs as (

    select * from reference.shared_costs

),

shared_weights as (

    select * from reference.shared_weights

),

rules as (

    select distinct
        position as shared_rule,
        split

    from shared_costs

),

pots as (

    select
        costs.usage_month,
        costs.currency,
        costs.shared_rule,
        rules.split,
        costs.billed_cost,
        costs.effective_cost

    from costs

    inner join rules
        on costs.shared_rule = rules.shared_rule

),

direct_costs as (

    select
        usage_month,
        currency,
        team,
        -- Who has more credits than costs bears nothing.
        greatest(sum(effective_cost), 0) as weight

    from costs

    where team <> ''

    group by all

),

rules_with_names as (

    select distinct position as shared_rule

    from shared_weights

),

named_bearers as (

    select
        pots.usage_month,
        pots.currency,
        pots.shared_rule,
        pots.split,
        pots.billed_cost,
        pots.effective_cost,
        shared_weights.team,
        case
            when pots.split = 'proportional'
                then coalesce(direct_costs.weight, 0)
            else shared_weights.weight
        end as weight

    from pots

    inner join shared_weights
        on pots.shared_rule = shared_weights.position

    left outer join direct_costs
        on
            pots.usage_month = direct_costs.usage_month
            and pots.currency = direct_costs.currency
            and shared_weights.team = direct_costs.team

),

bearers_of_the_month as (

    select
        pots.usage_month,
        pots.currency,
        pots.shared_rule,
        pots.split,
        pots.billed_cost,
        pots.effective_cost,
        direct_costs.team,
        case when pots.split = 'proportional' then direct_costs.weight else 1 end as weight

    from pots

    left outer join rules_with_names
        on pots.shared_rule = rules_with_names.shared_rule

    inner join direct_costs
        on
            pots.usage_month = direct_costs.usage_month
            and pots.currency = direct_costs.currency

    where rules_with_names.shared_rule is null

),

bearers as (

    select * from named_bearers

    union all

    select * from bearers_of_the_month

),

totals as (

    select
        usage_month,
        currency,
        shared_rule,
        sum(weight) as total_weight

    from bearers

    group by all

),

weighed as (

    select
        bearers.usage_month,
        bearers.currency,
        bearers.shared_rule,
        bearers.billed_cost,
        bearers.effective_cost,
        bearers.team,
        -- In proportion to nothing is in equal parts.
        case
            when totals.total_weight = 0
                then 1::decimal(38, 12)
            else bearers.weight::decimal(38, 12)
        end as weight

    from bearers

    inner join totals
        on
            bearers.usage_month = totals.usage_month
            and bearers.currency = totals.currency
            and bearers.shared_rule = totals.shared_rule

),

stretched as (

    select
        *,
        sum(weight) over (
            partition by usage_month, currency, shared_rule
            order by team
            rows between unbounded preceding and current row
        ) as weight_until,
        sum(weight) over (partition by usage_month, currency, shared_rule) as total_weight

    from weighed

    where weight > 0

),

shares as (

    select
        *,
        (weight_until - weight)::double / total_weight::double as begins_at,
        weight_until::double / total_weight::double as ends_at

    from stretched

),

divided as (

    select
        usage_month,
        currency,
        shared_rule,
        team,
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

    from shares

)

select * from divided
