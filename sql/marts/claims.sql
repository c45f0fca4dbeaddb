-- One row per place or folder that somebody needs: registered versions, runs that go on, pins.
with

claims as (

    select * from intermediate.int_claims_unioned

),

named as (

    select distinct
        claim_kind,
        claim_label,
        place,
        folder,
        is_in_bucket,
        is_anywhere

    from claims

)

select * from named
