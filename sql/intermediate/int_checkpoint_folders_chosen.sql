-- One row per folder that is a checkpoint: of nested ones the outermost.
with

places as (

    select * from intermediate.int_checkpoint_places_named

),

name_rules as (

    select * from reference.layout_names

),

ranked as (

    select
        places.*,
        row_number() over (
            partition by places.provider, places.bucket, places.directory
            -- A layout that takes any name gives way to one that knows this name.
            order by name_rules.is_any_name asc, name_rules.specific desc, places.layout_id asc
        ) as place_rank

    from places

    inner join name_rules
        on
            places.layout_id = name_rules.layout_id
            and places.name_rule = name_rules.name_rule

),

folders as (

    select
        provider,
        bucket,
        directory,
        checkpoint_name,
        layout_id,
        name_rule,
        levels_down

    from ranked

    where place_rank = 1

),

depths as (

    select distinct
        provider,
        bucket,
        levels_down

    from folders

),

ancestors as (

    select
        folders.provider,
        folders.bucket,
        folders.directory,
        array_to_string(
            list_slice(string_split(folders.directory, '/'), 1, depths.levels_down), '/'
        )
        || '/' as ancestor

    from folders

    inner join depths
        on
            folders.provider = depths.provider
            and folders.bucket = depths.bucket
            and folders.levels_down > depths.levels_down

),

nested as (

    select distinct
        ancestors.provider,
        ancestors.bucket,
        ancestors.directory

    from ancestors

    inner join folders
        on
            ancestors.provider = folders.provider
            and ancestors.bucket = folders.bucket
            and ancestors.ancestor = folders.directory

),

outermost as (

    select folders.*

    from folders

    anti join nested
        on
            folders.provider = nested.provider
            and folders.bucket = nested.bucket
            and folders.directory = nested.directory

)

select * from outermost
