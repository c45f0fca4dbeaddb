-- One row per meter of a bill: the provider, service and regions that it stands for.
with

charges as (

    select * from intermediate.int_charges_named

),

providers as (

    select * from reference.providers

),

service_layers as (

    select * from reference.service_layers

),

category_layers as (

    select * from reference.category_layers

),

region_codes as (

    select * from reference.region_codes

),

meters as (

    select distinct
        meter_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        regexp_extract(meter, '^([A-Z0-9]{2,5})-', 1) as here_code,
        regexp_extract(meter, '^[A-Z0-9]{2,5}-([A-Z0-9]{2,5})-AWS-', 1) as pair_code,
        -- Google's descriptions end with places: "from Americas to China", "within Europe".
        regexp_extract(
            lower(meter),
            '(?:(?:out|egress) from|from|out|egress) ([a-z][a-z ,&-]*?) to [a-z][a-z ,&-]*$',
            1
        ) as from_text,
        regexp_extract(
            lower(meter), '(?: to |^download )([a-z][a-z ,&-]*)$', 1
        ) as to_text,
        regexp_extract(lower(meter), ' within ([a-z][a-z ,&-]*)$', 1) as within_text

    from charges

),

provided as (

    select
        meters.*,
        coalesce(providers.provider, lower(meters.provider_name)) as provider -- noqa: RF04

    from meters

    left outer join providers
        on meters.provider_name = providers.provider_name

),

named as (

    select
        provided.meter_id,
        provided.provider,
        -- Bills name a service by code or by name: each is completed from the other.
        coalesce(
            nullif(provided.service_code, ''), services_by_name.service_code, ''
        ) as service_code,
        coalesce(
            nullif(provided.service_name, ''),
            services_by_code.service_name,
            provided.service_code
        ) as service_name,
        provided.service_category,
        provided.meter,
        provided.operation,
        coalesce(
            services_by_code.layer, services_by_name.layer, category_layers.layer, 'other'
        ) as service_layer,
        case
            when provided.provider = 'gcp'
                then replace(concat(provided.from_text, provided.within_text), ' ', '-')
            else coalesce(here.region_id, '')
        end as here_region,
        case
            when provided.provider = 'gcp'
                then replace(concat(provided.to_text, provided.within_text), ' ', '-')
            else coalesce(pair.region_id, '')
        end as pair_region,
        -- A bare SKU of AWS says nothing of what it measures.
        provided.meter <> '' and not (
            provided.provider = 'aws' and regexp_matches(provided.meter, '^[A-Z0-9]{13,}$')
        ) as is_named

    from provided

    left outer join service_layers as services_by_code
        on
            provided.provider = services_by_code.provider
            and provided.service_code = services_by_code.service_code

    left outer join service_layers as services_by_name
        on
            provided.provider = services_by_name.provider
            and provided.service_name = services_by_name.service_name

    left outer join category_layers
        on provided.service_category = category_layers.service_category

    left outer join region_codes as here
        on provided.here_code = here.region_code

    left outer join region_codes as pair
        on provided.pair_code = pair.region_code

)

select * from named
