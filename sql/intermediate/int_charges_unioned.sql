-- One row per line of any bill, in FOCUS terms, and one more for a promotion on it.
with

line_items as (

    select * from staging.stg_aws_cur2__line_items

),

charges as (

    select * from staging.stg_focus__charges

),

google_costs as (

    select * from staging.stg_gcp_billing__costs

),

line_items_paid as (

    select
        *,
        -- Most lines are plain usage, and are asked first: a bill has millions of them.
        line_item_type = 'Usage' as is_usage,
        coalesce(net_unblended_cost, unblended_cost) as paid_cost

    from line_items

),

line_items_in_focus as (

    select
        landed_file,
        landed_row,
        payer_account_id as billing_account_id,
        usage_account_id as sub_account_id,
        resource_id,
        'AWS' as provider_name,
        -- The product code tells S3 from EC2 on transfers too, where the service code does not.
        coalesce(product_code, service_code) as service_code,
        null as service_name,
        null as service_category,
        usage_type as meter,
        operation,
        case
            when is_usage
                then 'Usage'
            when line_item_type in ('Tax', 'Credit')
                then line_item_type
            when
                line_item_type in (
                    'Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee'
                )
                then 'Purchase'
            when line_item_type = 'Refund' and savings_plan_arn is not null
                then 'Purchase'
            else 'Usage'
        end as charge_category,
        -- FOCUS calls a correction only what changes a period that was invoiced before.
        case
            when line_item_type = 'Refund' and usage_start_at < billing_period_start_at
                then 'Correction'
        end as charge_class,
        region_id,
        pricing_unit as usage_unit,
        currency,
        resource_tags as tags,
        -- A savings plan's usage comes twice, once covered and once negated: count it once.
        case
            when line_item_type = 'SavingsPlanNegation'
                then 0
            else usage_amount
        end as usage_quantity,
        paid_cost as billed_cost,
        case
            when is_usage
                then paid_cost
            when line_item_type = 'SavingsPlanCoveredUsage'
                then coalesce(savings_plan_net_effective_cost, savings_plan_effective_cost)
            when line_item_type = 'SavingsPlanRecurringFee'
                then savings_plan_commitment_to_date - savings_plan_used_commitment
            when line_item_type in ('SavingsPlanNegation', 'SavingsPlanUpfrontFee')
                then 0
            when line_item_type = 'DiscountedUsage'
                then coalesce(reservation_net_effective_cost, reservation_effective_cost)
            when line_item_type = 'RIFee'
                then
                    coalesce(reservation_net_unused_upfront_fee, reservation_unused_upfront_fee, 0)
                    + coalesce(
                        reservation_net_unused_recurring_fee, reservation_unused_recurring_fee, 0
                    )
            when line_item_type = 'Fee' and reservation_arn is not null
                then 0
            when line_item_type = 'Refund' and savings_plan_arn is not null
                then 0
            else paid_cost
        end as effective_cost,
        case
            -- The free tier costs nothing, but its public price is not nothing.
            when is_usage and unblended_cost = 0
                then 0
            when is_usage or line_item_type in ('DiscountedUsage', 'SavingsPlanCoveredUsage')
                then coalesce(public_on_demand_cost, unblended_cost)
            when
                line_item_type in (
                    'SavingsPlanNegation',
                    'Discount',
                    'BundledDiscount',
                    'EdpDiscount',
                    'PrivateRateDiscount'
                )
                then 0
            else paid_cost
        end as list_cost,
        -- What the account's own prices come to before commitments; a report shows no other.
        case
            when is_usage
                then paid_cost
            when line_item_type = 'SavingsPlanNegation'
                then 0
            when line_item_type = 'DiscountedUsage'
                then coalesce(public_on_demand_cost, unblended_cost)
            else paid_cost
        end as contracted_cost,
        case
            when is_usage
                then 0
            when line_item_type = 'SavingsPlanRecurringFee'
                then savings_plan_commitment_to_date - savings_plan_used_commitment
            when line_item_type = 'RIFee'
                then
                    coalesce(reservation_net_unused_upfront_fee, reservation_unused_upfront_fee, 0)
                    + coalesce(
                        reservation_net_unused_recurring_fee, reservation_unused_recurring_fee, 0
                    )
            else 0
        end as unused_commitment_cost,
        true as is_comparable,
        1 as line_count,
        coalesce(usage_start_at, billing_period_start_at)::date as usage_date

    from line_items_paid

),

charges_named as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        coalesce(usage_type, sku_meter, sku_id) as meter,
        operation,
        coalesce(charge_category, 'Usage') as charge_category,
        charge_class,
        region_id,
        case when consumed_quantity is null then pricing_unit else consumed_unit end as usage_unit,
        currency,
        tags,
        coalesce(consumed_quantity, pricing_quantity) as usage_quantity,
        billed_cost,
        -- What a commitment pays for stands on the lines it covers, and what it wastes beside them.
        case
            when charge_category = 'Purchase' and commitment_id is not null
                then 0
            when charge_category = 'Purchase'
                then effective_cost
            else coalesce(effective_cost, billed_cost, list_cost)
        end as effective_cost,
        -- Without a public price nothing can have been saved.
        coalesce(list_cost, effective_cost, billed_cost) as list_cost,
        coalesce(contracted_cost, list_cost, effective_cost, billed_cost) as contracted_cost,
        case
            when charge_category = 'Usage' and commitment_status = 'Unused'
                then effective_cost
            else 0
        end as unused_commitment_cost,
        list_cost is not null and effective_cost is not null as is_comparable,
        1 as line_count,
        coalesce(charge_period_start_at, billing_period_start_at)::date as usage_date

    from charges

),

google_costs_named as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        project_id as sub_account_id,
        coalesce(resource_global_name, resource_name) as resource_id,
        'Google Cloud' as provider_name,
        service_id as service_code,
        service_description as service_name,
        null as service_category,
        coalesce(sku_description, sku_id) as meter,
        null as operation, -- noqa: RF04
        case
            when cost_type = 'tax'
                then 'Tax'
            when cost_type in ('adjustment', 'rounding_error')
                then 'Adjustment'
            -- The discounts that a commitment pays for stand on the lines of what it covers.
            when starts_with(sku_description, 'Commitment')
                then 'Purchase'
            else 'Usage'
        end as charge_category,
        case when adjustment_type is not null then 'Correction' end as charge_class,
        coalesce(region_id, location) as region_id,
        usage_unit,
        currency,
        -- Where two say the same of a line, the resource is heard before its project.
        case
            when length(coalesce(labels, '{}')) = 2
                then coalesce(project_labels, labels)
            when length(coalesce(project_labels, '{}')) = 2
                then labels
            else
                concat(
                    substring(labels, 1, length(labels) - 1), ',', substring(project_labels, 2)
                )
        end as tags,
        usage_amount as usage_quantity,
        cost,
        -- Credits are negative.
        coalesce(credits_amount, 0) as credits_amount,
        coalesce(promotions_amount, 0) as promotions_amount,
        coalesce(cost_at_list, cost) as list_cost,
        usage_start_at::date as usage_date

    from google_costs

),

google_costs_in_focus as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        usage_quantity,
        cost + credits_amount - promotions_amount as billed_cost,
        cost + credits_amount - promotions_amount as effective_cost,
        list_cost,
        cost as contracted_cost,
        0 as unused_commitment_cost,
        true as is_comparable,
        1 as line_count,
        usage_date

    from google_costs_named

),

-- A gift is no lower price: who uses it up wastes as much as anybody.
google_promotions as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        'Credit' as charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        0 as usage_quantity,
        promotions_amount as billed_cost,
        promotions_amount as effective_cost,
        promotions_amount as list_cost,
        promotions_amount as contracted_cost,
        0 as unused_commitment_cost,
        true as is_comparable,
        0 as line_count,
        usage_date

    from google_costs_named

    where promotions_amount <> 0

),

unioned as (

    select * from line_items_in_focus

    union all

    select * from google_costs_in_focus

    union all

    select * from google_promotions

    union all

    select * from charges_named

),

filled as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        coalesce(usage_quantity, 0)::decimal(38, 12) as usage_quantity,
        coalesce(billed_cost, 0)::decimal(38, 12) as billed_cost,
        coalesce(effective_cost, 0)::decimal(38, 12) as effective_cost,
        coalesce(list_cost, 0)::decimal(38, 12) as list_cost,
        coalesce(contracted_cost, 0)::decimal(38, 12) as contracted_cost,
        coalesce(unused_commitment_cost, 0)::decimal(38, 12) as unused_commitment_cost,
        is_comparable,
        line_count::bigint as line_count,
        usage_date

    from unioned

)

select * from filled
