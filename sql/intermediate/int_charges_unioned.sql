-- One row per line of any bill, in FOCUS terms; a missing text is empty, a missing amount is 0.
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
        coalesce(net_unblended_cost, unblended_cost) as billed_cost,
        case
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
            else coalesce(net_unblended_cost, unblended_cost)
        end as effective_cost,
        case
            -- The free tier costs nothing, but its public price is not nothing.
            when line_item_type = 'Usage' and unblended_cost = 0
                then 0
            when line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
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
            else coalesce(net_unblended_cost, unblended_cost)
        end as list_cost,
        coalesce(usage_start_at, billing_period_start_at)::date as usage_date

    from line_items

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
        charge_category,
        region_id,
        case when consumed_quantity is null then pricing_unit else consumed_unit end as usage_unit,
        currency,
        tags,
        coalesce(consumed_quantity, pricing_quantity) as usage_quantity,
        billed_cost,
        effective_cost,
        list_cost,
        coalesce(charge_period_start_at, billing_period_start_at)::date as usage_date

    from charges

),

google_costs_in_focus as (

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
            else 'Usage'
        end as charge_category,
        coalesce(region_id, location) as region_id,
        usage_unit,
        currency,
        labels as tags,
        usage_amount as usage_quantity,
        -- Credits are negative.
        cost + coalesce(credits_amount, 0) as billed_cost,
        cost + coalesce(credits_amount, 0) as effective_cost,
        coalesce(cost_at_list, cost) as list_cost,
        usage_start_at::date as usage_date

    from google_costs

),

unioned as (

    select * from line_items_in_focus

    union all

    select * from google_costs_in_focus

    union all

    select * from charges_named

),

filled as (

    select
        landed_file,
        landed_row,
        coalesce(billing_account_id, '') as billing_account_id,
        coalesce(sub_account_id, '') as sub_account_id,
        coalesce(resource_id, '') as resource_id,
        coalesce(provider_name, '') as provider_name,
        coalesce(service_code, '') as service_code,
        coalesce(service_name, '') as service_name,
        coalesce(service_category, '') as service_category,
        coalesce(meter, '') as meter,
        coalesce(operation, '') as operation, -- noqa: RF04
        coalesce(charge_category, 'Usage') as charge_category,
        coalesce(region_id, '') as region_id,
        coalesce(usage_unit, '') as usage_unit,
        coalesce(currency, '') as currency,
        coalesce(tags, '') as tags,
        coalesce(usage_quantity, 0)::decimal(38, 12) as usage_quantity,
        coalesce(billed_cost, 0)::decimal(38, 12) as billed_cost,
        coalesce(effective_cost, 0)::decimal(38, 12) as effective_cost,
        coalesce(list_cost, 0)::decimal(38, 12) as list_cost,
        usage_date

    from unioned

)

select * from filled
