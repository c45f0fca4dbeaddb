-- One row per meter of a bill: its part of the stack, the path of its bytes, its storage class.
with

meters as (

    select * from intermediate.int_meters_named

),

transfer_rules as (

    select * from reference.transfer_rules

),

storage_meters as (

    select * from reference.storage_meters

),

usage_layers as (

    select * from reference.usage_layers

),

paths as (

    select
        meters.meter_id,
        min_by(transfer_rules.category, transfer_rules.position) as path, -- noqa: RF04
        min_by(transfer_rules.comes_from, transfer_rules.position) as comes_from,
        min_by(transfer_rules.goes_to, transfer_rules.position) as goes_to,
        min_by(transfer_rules.is_transfer, transfer_rules.position) as is_transfer

    from meters

    inner join transfer_rules
        on
            meters.provider = transfer_rules.provider
            and regexp_matches(meters.service_code, transfer_rules.product_pattern)
            and regexp_matches(
                -- Descriptions of Google change their capitals, usage types of AWS mean them.
                case when meters.provider = 'gcp' then lower(meters.meter) else meters.meter end,
                transfer_rules.usage_type_pattern
            )
            and regexp_matches(meters.operation, transfer_rules.operation_pattern)

    -- A bill that does not name its meters cannot be told apart by them.
    where meters.is_named

    group by all

),

measures as (

    select
        meters.meter_id,
        min_by(storage_meters.storage_class, storage_meters.position) as storage_class,
        min_by(storage_meters.meter_group, storage_meters.position) as meter_group,
        min_by(storage_meters.holds_objects, storage_meters.position) as holds_objects

    from meters

    inner join storage_meters
        on
            meters.provider = storage_meters.provider
            and meters.service_code = storage_meters.service_code
            and regexp_matches(
                case when meters.provider = 'gcp' then lower(meters.meter) else meters.meter end,
                storage_meters.usage_type_pattern
            )
            and regexp_matches(meters.operation, storage_meters.operation_pattern)

    group by all

),

layers as (

    select
        meters.meter_id,
        min(usage_layers.layer) as layer

    from meters

    inner join usage_layers
        on
            meters.provider = usage_layers.provider
            and meters.service_code = usage_layers.service_code
            and regexp_matches(meters.meter, usage_layers.usage_type_pattern)

    group by all

),

joined as (

    select
        meters.*,
        coalesce(
            paths.path,
            case
                when meters.service_category = 'Networking'
                    then 'unclassified_transfer'
                else 'not_transfer'
            end
        ) as path, -- noqa: RF04
        coalesce(paths.comes_from, '') as comes_from,
        coalesce(paths.goes_to, '') as goes_to,
        coalesce(measures.storage_class, '') as storage_class,
        measures.meter_group,
        layers.layer as usage_layer,
        coalesce(paths.is_transfer, meters.service_category = 'Networking') as is_transfer,
        coalesce(measures.holds_objects, false) as holds_objects

    from meters

    left outer join paths
        on meters.meter_id = paths.meter_id

    left outer join measures
        on meters.meter_id = measures.meter_id

    left outer join layers
        on meters.meter_id = layers.meter_id

),

classified as (

    select
        meter_id,
        provider,
        service_code,
        service_name,
        path,
        comes_from,
        goes_to,
        here_region,
        pair_region,
        storage_class,
        coalesce(
            meter_group,
            case when is_transfer then 'transfer' else 'other' end
        ) as meter_group,
        case
            when is_transfer
                then 'network'
            when path = 'retrieval' or meter_group = 'retrieval'
                then 'retrieval'
            when meter_group = 'requests'
                then 'operations'
            else coalesce(usage_layer, service_layer)
        end as layer,
        is_named,
        is_transfer,
        holds_objects

    from joined

)

select * from classified
