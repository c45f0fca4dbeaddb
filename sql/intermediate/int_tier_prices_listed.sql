-- One row per region with prices and storage class: what the list asks for objects of the class.
with

list_prices as (

    select * from intermediate.int_list_prices_chosen

),

classes as (

    select * from reference.storage_classes

),

sheets as (

    select
        provider,
        region_id,
        storage_class,
        max(case when meter = 'storage' then price_region_id end) as price_region_id,
        max(case when meter = 'storage' then usd end) as storage_usd,
        max(case when meter = 'storage-infrequent' then usd end) as idle_usd,
        max(case when meter = 'get' then usd end) as get_usd,
        max(case when meter = 'restore-request' then usd end) as restore_usd,
        max(case when meter = 'retrieval' then usd end) as retrieval_usd,
        max(case when meter = 'transition-in' then usd end) as transition_usd,
        max(case when meter = 'put' then usd end) as put_usd,
        max(case when meter = 'monitoring' then usd end) as monitoring_usd,
        bool_or(meter = 'retrieval') as has_retrieval,
        bool_or(meter = 'transition-in') as has_transition,
        bool_or(meter = 'monitoring') as has_monitoring

    from list_prices

    where storage_class <> ''

    group by all

),

listed as (

    select
        sheets.provider,
        sheets.region_id,
        sheets.storage_class,
        sheets.price_region_id,
        classes.minimum_days,
        classes.minimum_object_bytes,
        classes.overhead_bytes,
        classes.overhead_standard_bytes,
        classes.coldness,
        classes.needs_restore,
        classes.is_single_zone,
        classes.is_target,
        sheets.storage_usd,
        sheets.idle_usd,
        -- What is archived is read by a restore and then a read.
        case
            when classes.needs_restore then sheets.restore_usd + sheets.get_usd
            else sheets.get_usd
        end as get_usd,
        -- A meter that the list does not have is free; one that nobody confirmed is not.
        case when sheets.has_retrieval then sheets.retrieval_usd else 0 end as retrieval_usd,
        case
            when sheets.has_transition then sheets.transition_usd
            else sheets.put_usd
        end as transition_usd,
        case when sheets.has_monitoring then sheets.monitoring_usd else 0 end as monitoring_usd

    from sheets

    inner join classes
        on
            sheets.provider = classes.provider
            and sheets.storage_class = classes.storage_class

)

select * from listed
