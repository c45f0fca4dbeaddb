-- One row per place or folder that somebody needs: registered versions, runs that go on, pins.
with

registry as (

    select * from intermediate.int_registry_claims_read

),

pins as (

    select * from intermediate.int_pins_placed

),

unioned as (

    select
        claim_kind,
        claim_label,
        place,
        is_in_bucket,
        folder,
        is_anywhere

    from registry

    union all

    select
        'pinned' as claim_kind,
        pin_label as claim_label,
        place,
        true as is_in_bucket,
        '' as folder,
        false as is_anywhere

    from pins

)

select * from unioned
