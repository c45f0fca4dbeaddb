-- One row per prefix of a bucket that has nothing to do with a run, and storage class.
with

directories as (

    select * from intermediate.int_directories_counted

    where is_current

),

listings as (

    select * from intermediate.int_listings_chosen

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

-- Three folders and all below, as prefixes are priced; of fewer, what lies right in them.
prefixed as (

    select
        directories.provider,
        directories.bucket,
        regexp_extract(directories.directory, '^([^/]*/){1,3}', 0) as prefix, -- noqa: RF04
        coalesce(directories.storage_class, '') as storage_class,
        sum(directories.object_count)::bigint as object_count,
        sum(directories.size_bytes)::bigint as size_bytes,
        min(directories.oldest_at) as first_modified_at,
        max(directories.newest_at) as last_modified_at

    from directories

    inner join listings
        on
            directories.provider = listings.provider
            and directories.bucket = listings.bucket
            and directories.snapshot_at = listings.snapshot_at

    where directories.directory <> ''

    group by all

),

training_folders as (

    select
        provider,
        bucket,
        directory as folder

    from checkpoints

    union

    select
        provider,
        bucket,
        save_directory as folder

    from checkpoints

    union

    select
        provider,
        bucket,
        case when run = '' then '' else run || '/' end as folder

    from checkpoints

),

levels as (

    select unnest([1, 2, 3]) as level_count

),

-- Whatever lies above a folder of a run, three folders deep at most.
above_training as (

    select distinct
        training_folders.provider,
        training_folders.bucket,
        array_to_string(
            list_slice(string_split(training_folders.folder, '/'), 1, levels.level_count), '/'
        ) || '/' as prefix -- noqa: RF04

    from training_folders

    cross join levels

    where training_folders.folder <> ''

),

prefixes as (

    select distinct
        provider,
        bucket,
        prefix

    from prefixed

),

-- A prefix, and each folder that it lies in; the root of the bucket is one.
around as (

    select
        prefixes.provider,
        prefixes.bucket,
        prefixes.prefix,
        array_to_string(
            list_slice(string_split(prefixes.prefix, '/'), 1, levels.level_count), '/'
        ) || '/' as folder

    from prefixes

    cross join levels

    union

    select
        provider,
        bucket,
        prefix,
        '' as folder

    from prefixes

),

in_training as (

    select distinct
        around.provider,
        around.bucket,
        around.prefix

    from around

    inner join training_folders
        on
            around.provider = training_folders.provider
            and around.bucket = training_folders.bucket
            and around.folder = training_folders.folder

    union

    select
        provider,
        bucket,
        prefix

    from above_training

),

outside as (

    select prefixed.*

    from prefixed

    left outer join in_training
        on
            prefixed.provider = in_training.provider
            and prefixed.bucket = in_training.bucket
            and prefixed.prefix = in_training.prefix

    where in_training.prefix is null

)

select * from outside
