-- One row per charge of a FOCUS export, as delivered; an empty text is null.
-- FOCUS writes the names of its columns in capitals.
-- noqa: disable=CP02
with

source as (

    select * from raw.focus

),

renamed as (

    select
        landed_file,
        landed_row,
        nullif(BillingAccountId, '') as billing_account_id,
        nullif(SubAccountId, '') as sub_account_id,
        nullif(ResourceId, '') as resource_id,
        nullif(SkuId, '') as sku_id,
        nullif(ProviderName, '') as provider_name,
        nullif(ServiceName, '') as service_name,
        nullif(ServiceCategory, '') as service_category,
        nullif(x_ServiceCode, '') as service_code,
        nullif(x_UsageType, '') as usage_type,
        nullif(SkuMeter, '') as sku_meter,
        nullif(x_Operation, '') as operation, -- noqa: RF04
        nullif(ChargeCategory, '') as charge_category,
        nullif(CommitmentDiscountId, '') as commitment_id,
        nullif(CommitmentDiscountStatus, '') as commitment_status,
        nullif(ChargeClass, '') as charge_class,
        nullif(RegionId, '') as region_id,
        nullif(BillingCurrency, '') as currency,
        nullif(ConsumedUnit, '') as consumed_unit,
        nullif(PricingUnit, '') as pricing_unit,
        nullif(Tags, '') as tags,
        ConsumedQuantity as consumed_quantity,
        PricingQuantity as pricing_quantity,
        BilledCost as billed_cost,
        EffectiveCost as effective_cost,
        ListCost as list_cost,
        ContractedCost as contracted_cost,
        ChargePeriodStart as charge_period_start_at,
        BillingPeriodStart as billing_period_start_at

    from source

)

select * from renamed
