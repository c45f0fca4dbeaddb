-- One row per file of a bill's delivery, day and currency: what it says that the day costs.
with

source as (

    select * from raw.bill_days

),

renamed as (

    select
        source.landed_file,
        source.landed_row,
        source.source,
        source.table_name,
        source.delivery_id,
        source.scope,
        source.currency,
        source.billed_cost,
        source.row_count,
        source.delivered_at,
        source.usage_date

    from source

)

select * from renamed
