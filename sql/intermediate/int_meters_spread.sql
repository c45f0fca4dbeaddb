-- One row per meter of an object store: what of an inventory shows which prefix caused it.
with

meters as (

    select * from intermediate.int_meters_named

),

storage_meters as (

    select * from reference.storage_meters

),

storage_classes as (

    select * from reference.storage_classes

),

matched as (

    select
        meters.meter_id,
        meters.provider,
        min_by(storage_meters.storage_class, storage_meters.position) as storage_class,
        min_by(storage_meters.spread_by, storage_meters.position) as spread_by,
        min_by(storage_meters.objects_class, storage_meters.position) as objects_class

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

spread as (

    select
        matched.meter_id,
        matched.spread_by as basis,
        matched.objects_class,
        -- An archived object has index bytes in its own class, and others in STANDARD.
        case
            when matched.spread_by <> 'overhead'
                then 0
            when matched.storage_class = matched.objects_class
                then coalesce(storage_classes.overhead_bytes, 0)
            else coalesce(storage_classes.overhead_standard_bytes, 0)
        end as overhead_bytes

    from matched

    left outer join storage_classes
        on
            matched.provider = storage_classes.provider
            and matched.objects_class = storage_classes.storage_class

    where matched.spread_by <> ''

)

select * from spread
