-- One row per directory of a dataset that nobody changed for 30 days.
with

directories as (

    select * from intermediate.int_directories_counted

    where is_current

),

datasets as (

    select * from intermediate.int_datasets_summed

    where is_quiet

),

listings as (

    select * from intermediate.int_listings_chosen

),

listed as (

    select distinct
        directories.provider,
        directories.bucket,
        directories.directory,
        regexp_extract(directories.directory, '^([^/]*/){1,3}', 0) as prefix -- noqa: RF04

    from directories

    inner join listings
        on
            directories.provider = listings.provider
            and directories.bucket = listings.bucket
            and directories.snapshot_at = listings.snapshot_at

),

placed as (

    select
        listed.provider,
        listed.bucket,
        listed.directory,
        datasets.dataset_uri

    from listed

    inner join datasets
        on
            listed.provider = datasets.provider
            and listed.bucket = datasets.bucket
            and listed.prefix = datasets.prefix

)

select * from placed
