-- One row per build: the run's date, for views that are read when nobody sets it any more.
with

noted as (

    select getvariable('as_of')::date as as_of

)

select * from noted
