-- One row per directory with current objects: its number, and which kinds of names are in it.
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

-- A bit for each kind of name; files at the root of a bucket prove nothing.
found as (

    select
        objects.provider,
        objects.bucket,
        objects.directory,
        coalesce(kinds.name_kind // 62, 0) as kind_block,
        bit_or(
            case
                when objects.directory != '' then 1::bigint << (kinds.name_kind % 62)::integer
            end
        ) as kind_bits

    from objects

    left outer join kinds
        on objects.leaf = kinds.leaf

    group by all

),

-- Checkpoints are alike: thousands have one signature, and what it proves is found once.
signed as (

    select
        provider,
        bucket,
        directory,
        coalesce(
            array_to_string(
                list_sort(
                    list(kind_block || ':' || kind_bits) filter (where kind_bits != 0)
                ),
                ' '
            ),
            ''
        ) as signature

    from found

    group by all

),

numbered as (

    select
        row_number() over (order by provider, bucket, directory) as directory_number,
        provider,
        bucket,
        directory,
        signature

    from signed

)

select * from numbered
