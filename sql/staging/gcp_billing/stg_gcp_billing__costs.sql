-- One row per line of Google Cloud's billing export, as delivered; an empty text is null.
with

source as (

    select * from raw.gcp_billing

),

renamed as (

    select
        landed_file,
        landed_row,
        nullif(billing_account_id, '') as billing_account_id,
        nullif(project_id, '') as project_id,
        nullif(resource_name, '') as resource_name,
        nullif(resource_global_name, '') as resource_global_name,
        nullif(service_id, '') as service_id,
        nullif(service_description, '') as service_description,
        nullif(sku_id, '') as sku_id,
        nullif(sku_description, '') as sku_description,
        nullif(cost_type, '') as cost_type,
        nullif(adjustment_type, '') as adjustment_type,
        nullif(transaction_type, '') as transaction_type,
        nullif(location, '') as location, -- noqa: RF04
        nullif(region, '') as region_id,
        nullif(currency, '') as currency,
        nullif(usage_unit, '') as usage_unit,
        nullif(usage_pricing_unit, '') as pricing_unit,
        nullif(labels, '') as labels,
        nullif(project_labels, '') as project_labels,
        nullif(tags, '') as tags,
        nullif(invoice_month, '') as invoice_month,
        usage_amount,
        usage_amount_in_pricing_units as pricing_amount,
        cost,
        cost_at_list,
        credits_amount,
        promotions_amount,
        usage_start_at,
        usage_end_at,
        exported_at

    from source

)

select * from renamed
