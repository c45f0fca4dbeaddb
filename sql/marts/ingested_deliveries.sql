-- One row per delivery and raw table: what arrived, and whether the numbers of the day rest on it.
with

deliveries as (

    select * from staging.stg_ledger__deliveries

),

arrived as (

    select
        *,
        fault is not null as is_damaged,
        -- Providers finish a day up to 24 hours after it ends.
        epoch(delivered_at) >= epoch(getvariable('as_of')::timestamp) + 172800 as is_late

    from deliveries

),

compared as (

    select
        *,
        first_value(delivery_id) over (
            partition by source, table_name, scope, is_late, is_damaged
            order by delivered_at desc, delivery_id desc
        ) as newest_delivery_id,
        -- A whole delivery that is newer has all that a damaged one should have brought.
        max(case when not is_damaged then delivered_at end) over (
            partition by source, table_name, scope
        ) as newest_whole_at

    from arrived

),

judged as (

    select
        delivery_id,
        source,
        kind,
        table_name,
        scope,
        checksum,
        case
            when is_damaged and newest_whole_at > delivered_at then 'superseded'
            when is_damaged then 'quarantined'
            when is_late then 'late'
            when delivery_id = newest_delivery_id then 'in_force'
            else 'superseded'
        end as status,
        case
            when is_damaged and newest_whole_at > delivered_at
                then 'It is damaged, and a newer delivery of the same scope replaces it: ' || fault
            when is_damaged
                then fault
            when is_late
                then 'It arrived after the day was closed; a later night sees it.'
            when delivery_id <> newest_delivery_id
                then 'A newer delivery of the same scope replaces it: ' || newest_delivery_id
            when row_count = 0
                then 'It is the newest of its scope, and it is empty.'
            else 'It is the newest of its scope.'
        end as reason,
        case
            when is_damaged and newest_whole_at > delivered_at
                then ''
            else coalesce(fix, '')
        end as how_to_fix,
        row_count,
        byte_count,
        delivered_at,
        snapshot_at

    from compared

)

select * from judged
