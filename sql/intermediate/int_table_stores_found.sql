-- One row per folder that a table or array format calls its own, or that looks like it.
with

directories as (

    select * from intermediate.int_directories_counted

),

listings as (

    select * from intermediate.int_listings_chosen

),

objects as (

    select * from intermediate.int_objects_listed

    where
        leaf in (
            '.zarray', '.zattrs', '.zgroup', '.zmetadata', 'zarr.json', 'version-hint.text',
            '__tiledb_array_schema.tdb'
        )
        or ends_with(leaf, '.metadata.json')

),

listed as (

    select distinct
        directories.provider,
        directories.bucket,
        directories.directory

    from directories

    inner join listings
        on
            directories.provider = listings.provider
            and directories.bucket = listings.bucket
            and directories.snapshot_at = listings.snapshot_at

    where
        regexp_matches(
            directories.directory,
            '(^|/)(_delta_log|[.]hoodie|_versions|_lakefs|files/md5)/'
            || '|[.](zarr|lance|n5|tdb)/'
        )

),

-- The folder that holds the log of a table is the table; so is a folder that is called like one.
by_folder as (

    select
        provider,
        bucket,
        case
            when regexp_matches(directory, '[.](zarr|lance|n5|tdb)/')
                then regexp_extract(directory, '^(.*?[.](zarr|lance|n5|tdb)/)', 1)
            else
                regexp_extract(
                    directory,
                    '^((?:.*?/)??)(?:_delta_log|[.]hoodie|_versions|_lakefs|files/md5)/',
                    1
                )
        end as store_root,
        case
            when regexp_matches(directory, '[.](zarr|lance|n5|tdb)/')
                then regexp_extract(directory, '^.*?[.](zarr|lance|n5|tdb)/', 1)
            else
                regexp_extract(
                    directory,
                    '^(?:.*?/)??(_delta_log|[.]hoodie|_versions|_lakefs|files/md5)/',
                    1
                )
        end as store_sign

    from listed

),

by_file as (

    select
        provider,
        bucket,
        case
            when starts_with(leaf, '.z') or leaf in ('zarr.json', '__tiledb_array_schema.tdb')
                then directory
            else left(directory, length(directory) - length('metadata/'))
        end as store_root,
        case
            when starts_with(leaf, '.z') or leaf in ('zarr.json', '__tiledb_array_schema.tdb')
                then leaf
            else 'metadata/'
        end as store_sign

    from objects

    where
        starts_with(leaf, '.z')
        or leaf in ('zarr.json', '__tiledb_array_schema.tdb')
        or ends_with('/' || directory, '/metadata/')

),

unioned as (

    select * from by_folder

    union all

    select * from by_file

),

found as (

    select
        provider,
        bucket,
        store_root,
        min(store_sign) as store_sign

    from unioned

    group by all

)

select * from found
