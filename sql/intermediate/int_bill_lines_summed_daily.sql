-- One row per charge and day: what its lines come to.
with

line_items as (

    select * from staging.stg_aws_cur2__line_items

),

charges as (

    select * from intermediate.int_charges_unioned

),

-- Nearly always none.
twins as (

    select *

    from intermediate.int_charges_told_apart

    where twin > 0

),

-- What depends on the single line. All else is said of the sums: a bill has millions of lines.
line_items_measured as (

    select
        payer_account_id as billing_account_id,
        usage_account_id as sub_account_id,
        resource_id,
        product_code,
        service_code,
        usage_type as meter,
        operation,
        line_item_type as line_type,
        region_id,
        pricing_unit as usage_unit,
        currency,
        resource_tags as tags,
        savings_plan_arn is not null as is_of_savings_plan,
        reservation_arn is not null as is_of_reservation,
        coalesce(
            line_item_type = 'Refund' and usage_start_at < billing_period_start_at, false
        ) as is_correction,
        usage_amount,
        coalesce(net_unblended_cost, unblended_cost) as paid_cost,
        case
            -- Most lines cost their public price: to sum up only what differs is less work.
            when public_on_demand_cost = coalesce(net_unblended_cost, unblended_cost)
                then null
            -- The free tier costs nothing, but its public price is not nothing.
            when line_item_type = 'Usage' and unblended_cost = 0
                then 0 - net_unblended_cost
            when line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
                then
                    coalesce(public_on_demand_cost, unblended_cost, 0)
                    - coalesce(net_unblended_cost, unblended_cost, 0)
        end as list_difference,
        case
            when line_item_type = 'Usage'
                then null
            when line_item_type = 'SavingsPlanCoveredUsage'
                then coalesce(savings_plan_net_effective_cost, savings_plan_effective_cost)
            when line_item_type = 'SavingsPlanRecurringFee'
                then savings_plan_commitment_to_date - savings_plan_used_commitment
            when line_item_type = 'DiscountedUsage'
                then coalesce(reservation_net_effective_cost, reservation_effective_cost)
            when line_item_type = 'RIFee'
                then
                    coalesce(reservation_net_unused_upfront_fee, reservation_unused_upfront_fee, 0)
                    + coalesce(
                        reservation_net_unused_recurring_fee, reservation_unused_recurring_fee, 0
                    )
        end as commitment_cost,
        coalesce(usage_start_at, billing_period_start_at)::date as usage_date

    from line_items

),

-- To group by a number takes half the work of grouping by so many texts.
line_items_hashed as (

    select
        hash(
            line_items_measured.billing_account_id,
            line_items_measured.sub_account_id,
            line_items_measured.resource_id,
            line_items_measured.product_code,
            line_items_measured.service_code,
            line_items_measured.meter,
            line_items_measured.operation,
            line_items_measured.line_type,
            line_items_measured.region_id,
            line_items_measured.usage_unit,
            line_items_measured.currency,
            line_items_measured.tags,
            line_items_measured.is_of_savings_plan,
            line_items_measured.is_of_reservation,
            line_items_measured.is_correction
        ) as texts_hash,
        twins.twin,
        line_items_measured.usage_amount,
        line_items_measured.paid_cost,
        line_items_measured.list_difference,
        line_items_measured.commitment_cost,
        line_items_measured.usage_date

    from line_items_measured

    left outer join twins
        on
            line_items_measured.billing_account_id is not distinct from twins.billing_account_id
            and line_items_measured.sub_account_id is not distinct from twins.sub_account_id
            and line_items_measured.resource_id is not distinct from twins.resource_id
            and line_items_measured.product_code is not distinct from twins.product_code
            and line_items_measured.service_code is not distinct from twins.service_code
            and line_items_measured.meter is not distinct from twins.meter
            and line_items_measured.operation is not distinct from twins.operation
            and line_items_measured.line_type is not distinct from twins.line_type
            and line_items_measured.region_id is not distinct from twins.region_id
            and line_items_measured.usage_unit is not distinct from twins.usage_unit
            and line_items_measured.currency is not distinct from twins.currency
            and line_items_measured.tags is not distinct from twins.tags
            and line_items_measured.is_of_savings_plan is not distinct from twins.is_of_savings_plan
            and line_items_measured.is_of_reservation is not distinct from twins.is_of_reservation
            and line_items_measured.is_correction is not distinct from twins.is_correction

),

line_items_summed as (

    select
        texts_hash,
        twin,
        sum(usage_amount) as usage_quantity,
        sum(paid_cost) as billed_cost,
        0 as effective_difference,
        sum(list_difference) as list_difference,
        0 as contracted_difference,
        0 as unused_commitment_cost,
        sum(commitment_cost) as commitment_cost,
        count(*) as line_count,
        usage_date

    from line_items_hashed

    group by all

),

charges_hashed as (

    select
        hash(
            charges.billing_account_id,
            charges.sub_account_id,
            charges.resource_id,
            charges.provider_name,
            charges.service_code,
            charges.service_name,
            charges.service_category,
            charges.meter,
            charges.operation,
            charges.charge_category,
            charges.charge_class,
            charges.region_id,
            charges.usage_unit,
            charges.currency,
            charges.tags
        ) as texts_hash,
        twins.twin,
        charges.usage_quantity,
        charges.billed_cost,
        charges.effective_cost - charges.billed_cost as effective_difference,
        charges.list_cost - charges.billed_cost as list_difference,
        charges.contracted_cost - charges.billed_cost as contracted_difference,
        charges.unused_commitment_cost,
        charges.line_count,
        charges.usage_date

    from charges

    left outer join twins
        on
            charges.billing_account_id is not distinct from twins.billing_account_id
            and charges.sub_account_id is not distinct from twins.sub_account_id
            and charges.resource_id is not distinct from twins.resource_id
            and charges.provider_name is not distinct from twins.provider_name
            and charges.service_code is not distinct from twins.service_code
            and charges.service_name is not distinct from twins.service_name
            and charges.service_category is not distinct from twins.service_category
            and charges.meter is not distinct from twins.meter
            and charges.operation is not distinct from twins.operation
            and charges.charge_category is not distinct from twins.charge_category
            and charges.charge_class is not distinct from twins.charge_class
            and charges.region_id is not distinct from twins.region_id
            and charges.usage_unit is not distinct from twins.usage_unit
            and charges.currency is not distinct from twins.currency
            and charges.tags is not distinct from twins.tags

),

charges_summed as (

    select
        texts_hash,
        twin,
        sum(usage_quantity) as usage_quantity,
        sum(billed_cost) as billed_cost,
        sum(effective_difference) as effective_difference,
        sum(list_difference) as list_difference,
        sum(contracted_difference) as contracted_difference,
        sum(unused_commitment_cost) as unused_commitment_cost,
        0 as commitment_cost,
        sum(line_count) as line_count,
        usage_date

    from charges_hashed

    group by all

),

unioned as (

    select * from line_items_summed

    union all

    select * from charges_summed

),

identified as (

    select
        (texts_hash::decimal(38, 0) * 1000000000 + coalesce(twin, 0))::decimal(38, 0) as charge_id,
        coalesce(usage_quantity, 0)::decimal(38, 12) as usage_quantity,
        coalesce(billed_cost, 0)::decimal(38, 12) as billed_cost,
        coalesce(effective_difference, 0)::decimal(38, 12) as effective_difference,
        coalesce(list_difference, 0)::decimal(38, 12) as list_difference,
        coalesce(contracted_difference, 0)::decimal(38, 12) as contracted_difference,
        coalesce(unused_commitment_cost, 0)::decimal(38, 12) as unused_commitment_cost,
        coalesce(commitment_cost, 0)::decimal(38, 12) as commitment_cost,
        line_count::bigint as line_count,
        usage_date

    from unioned

)

select * from identified
