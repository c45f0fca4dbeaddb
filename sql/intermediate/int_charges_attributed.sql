-- One row per charge and day: whose it is, for which bucket, of what kind, how much data.
with

charges as (

    select * from intermediate.int_charges_summed_daily

),

places as (

    select * from intermediate.int_charges_placed

),

attributed as (

    select
        charges.charge_id,
        places.billing_account_id,
        places.sub_account_id,
        places.resource_id,
        places.meter_id,
        places.provider,
        places.service_code,
        places.service_name,
        places.meter,
        places.operation,
        places.charge_category,
        places.charge_class,
        places.layer,
        places.region_id,
        places.bucket,
        places.team,
        places.allocation_method,
        places.path,
        places.from_region,
        places.to_region,
        places.storage_class,
        places.meter_group,
        places.usage_unit,
        places.currency,
        places.tags,
        charges.usage_quantity,
        case
            when places.unit_per = '' and places.unit_bytes = 1073741824
                then charges.usage_quantity
            when places.unit_per = ''
                then
                    (
                        charges.usage_quantity::double * places.unit_bytes / 1073741824
                    )::decimal(38, 12)
            else 0
        end as transferred_gb,
        -- A provider divides by the hours of that very month, not by those of an average one.
        case
            when places.unit_per = 'month' and places.unit_bytes = 1073741824
                then charges.usage_quantity
            when places.unit_per = 'month'
                then
                    (
                        charges.usage_quantity::double * places.unit_bytes / 1073741824
                    )::decimal(38, 12)
            when places.unit_per = 'hour'
                then
                    (
                        charges.usage_quantity::double * places.unit_bytes / 1073741824
                        / (24 * day(last_day(charges.usage_date)))
                    )::decimal(38, 12)
            when places.unit_per = 'second'
                then
                    (
                        charges.usage_quantity::double * places.unit_bytes / 1073741824
                        / (86400 * day(last_day(charges.usage_date)))
                    )::decimal(38, 12)
            else 0
        end as gb_month,
        charges.billed_cost,
        charges.effective_cost,
        charges.list_cost,
        charges.contracted_cost,
        charges.unused_commitment_cost,
        places.is_transfer,
        places.holds_objects,
        charges.usage_date

    from charges

    inner join places
        on charges.charge_id = places.charge_id

)

select * from attributed
