-- One row per pin that holds and the place that it keeps: files in buckets, and the list of pins.
with

objects as (

    select * from intermediate.int_objects_listed

),

listed_pins as (

    select * from reference.pins

),

named as (

    select
        provider,
        bucket,
        directory,
        leaf,
        regexp_extract(leaf, '(PINNED|keep_until_[0-9]{4}-[0-9]{2}-[0-9]{2})$') as pin_name

    from objects

    where
        (ends_with(leaf, 'PINNED') or contains(leaf, 'keep_until_'))
        and regexp_matches(leaf, '(^|[.])(PINNED|keep_until_[0-9]{4}-[0-9]{2}-[0-9]{2})$')

),

-- `keep_until_2027-02-31` is no day; whoever wrote it wanted to keep something.
dated as (

    select
        case provider when 'gcp' then 'gs://' else 's3://' end || bucket || '/' as bucket_uri,
        directory,
        leaf,
        left(leaf, length(leaf) - length(pin_name)) as beside,
        try_cast(substr(pin_name, length('keep_until_') + 1) as date) as holds_until

    from named

),

files as (

    select
        'pinned by ' || bucket_uri || directory || leaf as pin_label,
        rtrim(bucket_uri || directory || rtrim(beside, '.'), '/') as place,
        holds_until

    from dated

),

unioned as (

    select * from files

    union all

    select
        'pinned: ' || because || coalesce(' (until ' || strftime(until, '%Y-%m-%d') || ')', '')
            as pin_label,
        place,
        until as holds_until

    from listed_pins

),

holding as (

    select distinct
        pin_label,
        place

    from unioned

    where coalesce(holds_until >= getvariable('as_of'), true)

)

select * from holding
