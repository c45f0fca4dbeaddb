-- One row per charge: the texts of its lines in FOCUS terms, and its meter.
with

charges as (

    select * from intermediate.int_charges_told_apart

),

typed as (

    select
        *,
        case
            when line_type = 'Refund' and is_of_savings_plan
                then 'Refund of a savings plan'
            when line_type = 'Fee' and is_of_reservation
                then 'Fee of a reservation'
            else line_type
        end as told_line_type

    from charges

),

filled as (

    select
        charge_id,
        coalesce(billing_account_id, '') as billing_account_id,
        coalesce(sub_account_id, '') as sub_account_id,
        coalesce(resource_id, '') as resource_id,
        coalesce(provider_name, '') as provider_name,
        -- The product code tells S3 from EC2 on transfers too, where the service code does not.
        coalesce(product_code, service_code, '') as service_code,
        coalesce(service_name, '') as service_name,
        coalesce(service_category, '') as service_category,
        coalesce(meter, '') as meter,
        coalesce(operation, '') as operation, -- noqa: RF04
        coalesce(told_line_type, '') as line_type,
        case
            when charge_category is not null
                then charge_category
            when told_line_type in ('Tax', 'Credit')
                then told_line_type
            when
                told_line_type in (
                    'Fee',
                    'Fee of a reservation',
                    'RIFee',
                    'SavingsPlanUpfrontFee',
                    'SavingsPlanRecurringFee',
                    'Refund of a savings plan'
                )
                then 'Purchase'
            else 'Usage'
        end as charge_category,
        -- FOCUS calls a correction only what changes a period that was invoiced before.
        case
            when is_correction
                then 'Correction'
            else coalesce(charge_class, '')
        end as charge_class,
        coalesce(region_id, '') as region_id,
        coalesce(usage_unit, '') as usage_unit,
        coalesce(currency, '') as currency,
        coalesce(tags, '') as tags

    from typed

),

identified as (

    select
        charge_id,
        billing_account_id,
        sub_account_id,
        resource_id,
        -- A character that no name holds keeps the parts apart.
        md5(
            concat_ws(
                chr(31),
                provider_name,
                service_code,
                service_name,
                service_category,
                meter,
                operation
            )
        ) as meter_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        line_type,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags

    from filled

)

select * from identified
