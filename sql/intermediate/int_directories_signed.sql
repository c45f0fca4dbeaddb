-- One row per directory with files that prove something: which kinds of names it has.
with

objects as (

    select * from intermediate.int_objects_listed

),

file_names as (

    select * from intermediate.int_file_names_proving

),

kinds as (

    select distinct
        leaf,
        name_kind

    from file_names

),

found as (

    select distinct
        objects.provider,
        objects.bucket,
        objects.directory,
        kinds.name_kind

    from objects

    inner join kinds
        on objects.leaf = kinds.leaf

    where objects.directory != ''

),

-- Checkpoints are alike: thousands have one signature, and what it proves is found once.
signed as (

    select
        provider,
        bucket,
        directory,
        array_to_string(list_sort(list(name_kind::varchar)), ' ') as signature

    from found

    group by all

)

select * from signed
