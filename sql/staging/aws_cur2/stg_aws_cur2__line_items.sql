-- One row per line item of an AWS bill that is part of no other; an empty text is null.
with

source as (

    select * from raw.aws_cur2

),

renamed as (

    select
        landed_file,
        landed_row,
        nullif(identity_line_item_id, '') as line_item_id,
        nullif(bill_payer_account_id, '') as payer_account_id,
        nullif(line_item_usage_account_id, '') as usage_account_id,
        nullif(line_item_resource_id, '') as resource_id,
        nullif(reservation_reservation_a_r_n, '') as reservation_arn,
        nullif(savings_plan_savings_plan_a_r_n, '') as savings_plan_arn,
        nullif(line_item_line_item_type, '') as line_item_type,
        nullif(line_item_product_code, '') as product_code,
        nullif(product_servicecode, '') as service_code,
        nullif(line_item_usage_type, '') as usage_type,
        nullif(line_item_operation, '') as operation, -- noqa: RF04
        nullif(product_region_code, '') as region_id,
        nullif(pricing_unit, '') as pricing_unit,
        nullif(line_item_currency_code, '') as currency,
        nullif(resource_tags, '') as resource_tags,
        line_item_usage_amount as usage_amount,
        line_item_unblended_cost as unblended_cost,
        line_item_net_unblended_cost as net_unblended_cost,
        pricing_public_on_demand_cost as public_on_demand_cost,
        reservation_effective_cost,
        reservation_net_effective_cost,
        reservation_unused_amortized_upfront_fee_for_billing_period
            as reservation_unused_upfront_fee,
        reservation_net_unused_amortized_upfront_fee_for_billing_period
            as reservation_net_unused_upfront_fee,
        reservation_unused_recurring_fee,
        reservation_net_unused_recurring_fee,
        savings_plan_savings_plan_effective_cost as savings_plan_effective_cost,
        savings_plan_net_savings_plan_effective_cost as savings_plan_net_effective_cost,
        savings_plan_total_commitment_to_date as savings_plan_commitment_to_date,
        savings_plan_used_commitment,
        line_item_usage_start_date as usage_start_at,
        bill_billing_period_start_date as billing_period_start_at

    from source

    -- What pods and tasks cost on an instance of EC2 is part of the instance, whose own line stays.
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')

)

select * from renamed
