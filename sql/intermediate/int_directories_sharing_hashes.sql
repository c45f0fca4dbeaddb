-- One row per directory whose hash another directory has too: their names tell them apart.
with

directories as (

    select * from intermediate.int_directories_signed

),

hashed as (

    select
        directory_number,
        hash(provider, bucket, directory) as directory_hash

    from directories

),

shared as (

    select directory_hash

    from hashed

    group by directory_hash

    having count(*) > 1

),

sharing as (

    select hashed.directory_number

    from hashed

    inner join shared
        on hashed.directory_hash = shared.directory_hash

)

select * from sharing
