-- One row per day of a bill and delivery that changed what earlier deliveries had said of it.
with

bill_days as (

    select * from staging.stg_bills__days

),

deliveries as (

    select * from intermediate.int_bill_deliveries_ordered

),

said as (

    select
        source,
        table_name,
        delivery_id,
        usage_date,
        currency,
        sum(billed_cost) as billed_cost

    from bill_days

    where usage_date is not null

    group by all

),

-- A delivery adds what it says, and takes away what the one it replaces had said.
added_or_taken as (

    select
        source,
        table_name,
        delivery_id,
        usage_date,
        currency,
        billed_cost as amount

    from said

    union all

    select
        said.source,
        said.table_name,
        deliveries.replaced_by_delivery_id as delivery_id,
        said.usage_date,
        said.currency,
        -said.billed_cost as amount

    from said

    inner join deliveries
        on
            said.source = deliveries.source
            and said.table_name = deliveries.table_name
            and said.delivery_id = deliveries.delivery_id

    where deliveries.replaced_by_delivery_id is not null

),

changes as (

    select
        source,
        table_name,
        delivery_id,
        usage_date,
        currency,
        sum(amount) as change -- noqa: RF04

    from added_or_taken

    group by all

),

summed as (

    select
        changes.source,
        changes.table_name,
        deliveries.scope,
        changes.delivery_id,
        deliveries.previous_delivery_id,
        coalesce(changes.currency, '') as currency,
        changes.change,
        sum(changes.change) over (
            partition by
                changes.source,
                changes.table_name,
                deliveries.restated_scope,
                changes.usage_date,
                changes.currency
            order by deliveries.delivered_at, deliveries.delivery_id
            rows between unbounded preceding and current row
        ) as billed_cost,
        row_number() over (
            partition by
                changes.source,
                changes.table_name,
                deliveries.restated_scope,
                changes.usage_date,
                changes.currency
            order by deliveries.delivered_at, deliveries.delivery_id
        ) > 1 as is_known,
        -- Providers finish a day up to 24 hours after it ends.
        coalesce(
            epoch(deliveries.previous_delivered_at)
            >= epoch(changes.usage_date::timestamp) + 172800,
            false
        ) as was_closed,
        deliveries.previous_delivered_at,
        deliveries.delivered_at,
        changes.usage_date

    from changes

    inner join deliveries
        on
            changes.source = deliveries.source
            and changes.table_name = deliveries.table_name
            and changes.delivery_id = deliveries.delivery_id

),

restated as (

    select
        source,
        table_name,
        scope,
        delivery_id,
        previous_delivery_id,
        currency,
        (billed_cost - change)::decimal(38, 12) as previous_billed_cost,
        billed_cost::decimal(38, 12) as billed_cost,
        change::decimal(38, 12) as change, -- noqa: RF04
        was_closed,
        previous_delivered_at,
        delivered_at,
        usage_date

    from summed

    where
        change <> 0
        -- The first word on a day that is still filling up restates nothing.
        and (is_known or was_closed)

)

select * from restated
